package agent

import (
	"testing"
	"time"
)

// spec is an agent that runs a shell script.
func spec(t testing.TB, script string) *Spec {
	return &Spec{
		Name: "test", Command: []string{"sh", "-c", script}, Dir: t.TempDir(), Queue: "test",
		Timeout: time.Minute, KillGrace: 5 * time.Second, MaxAttempts: 3, Backoff: DefaultBackoff,
	}
}

func attempt(t testing.TB, s *Spec) Attempt {
	return Attempt{Spec: s, JobID: 7, RunID: 8, Number: 1, MaxAttempts: 3, WorkDir: t.TempDir(), Shim: SelfShim()}
}

func TestRunReturnsWhatTheProgramWrote(t *testing.T) {
	a := attempt(t, spec(t, `cat; echo; echo "$AGENTOS_AGENT $AGENTOS_JOB_ID $AGENTOS_ARG_PATH"; echo hello >&2`))
	a.Args = []byte(`{"path":"a b"}`)
	var lines []string
	a.OnLine = func(l Line) { lines = append(lines, l.Level+" "+l.Msg) }
	result, err := Run(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(result.Stdout), "{\"path\":\"a b\"}\ntest 7 a b\n"; got != want {
		t.Errorf("stdout %q, want %q", got, want)
	}
	if len(lines) != 1 || lines[0] != "info hello" {
		t.Errorf("lines %q", lines)
	}
}
