package jobs

import (
	"testing"
)

func TestAttemptRunsTheAgent(t *testing.T) {
	s := start(t, agents(sh("hello", `echo '{"level":"warn","msg":"hi","progress":0.5,"usage":{"input_tokens":3}}' >&2; cat`)))
	job := enqueueWith(t, s, EnqueueParams{Agent: "hello", Args: []byte(`{"path":"/x"}`)})
	d := untilState(t, s, job.ID, "completed")
	t.Logf("%+v", d)
	if d.Result == nil || *d.Result != `{"path":"/x"}` {
		t.Errorf("result %v", d.Result)
	}
}
