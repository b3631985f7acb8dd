package runner

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/agentos/agentos/internal/agent"
)

func TestArgEnvHasTheScalars(t *testing.T) {
	got := argEnv([]byte(`{"path":"a\nb","n":1.50,"yes":true,"no":null,"list":[1],"map":{},"max-size":3,"max_size":4,"ü":1,"":2,
		"nul":"a\u0000b","long":"` + strings.Repeat("x", maxArgEnv+1) + `","full":"` + strings.Repeat("x", maxArgEnv) + `"}`))
	want := map[string]string{
		"AGENTOS_ARG_PATH": "a\nb", "AGENTOS_ARG_N": "1.50", "AGENTOS_ARG_YES": "true", "AGENTOS_ARG_MAX_SIZE": "3", "AGENTOS_ARG__": "1",
		"AGENTOS_ARG_FULL": strings.Repeat("x", maxArgEnv),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, args := range []string{"", "[]", "1", "{", "null"} {
		if got := argEnv([]byte(args)); len(got) != 0 {
			t.Errorf("%q: %v", args, got)
		}
	}
}

func TestArgEnvIsBounded(t *testing.T) {
	args := map[string]string{}
	for i := range 1000 {
		args[fmt.Sprint("key", i)] = strings.Repeat("x", 1000)
	}
	data, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for name, value := range argEnv(data) {
		total += len(name) + len(value)
	}
	if total > maxArgEnvTotal || total < maxArgEnvTotal/2 {
		t.Errorf("%d bytes", total)
	}
}

func TestEnvironHoldsNothingElseOfTheHost(t *testing.T) {
	t.Setenv("SECRET", "s3cret")
	t.Setenv("API_KEY", "key")
	t.Setenv("HOME", "/home/x")
	t.Setenv("TZ", "UTC")
	t.Setenv("LANG", "C.UTF-8")
	t.Setenv("TMPDIR", "/tmp")
	t.Setenv("PATH", "/bin")
	a := Attempt{
		Spec:  &agent.Spec{Name: "one", Env: map[string]string{"LANG": "C", "MINE": "1"}, PassEnv: []string{"API_KEY", "NOT_SET"}},
		JobID: 1, RunID: 2, Number: 3, MaxAttempts: 4, WorkDir: "/work", Args: []byte(`{"a":1}`),
	}
	want := []string{
		"AGENTOS_AGENT=one", "AGENTOS_AGENT_DATA=/work", "AGENTOS_ARG_A=1", "AGENTOS_ATTEMPT=3", "AGENTOS_DATA=/work", "AGENTOS_JOB_ID=1", "AGENTOS_MAX_ATTEMPTS=4",
		"AGENTOS_RUN_ID=2", "API_KEY=key", "HOME=/home/x", "LANG=C", "MINE=1", "PATH=/bin", "TMPDIR=/tmp", "TZ=UTC",
	}
	if diff := cmp.Diff(want, a.environ()); diff != "" {
		t.Error(diff)
	}
}
