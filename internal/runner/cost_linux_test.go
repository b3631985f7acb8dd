package runner

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/agentos/agentos/test/processor"
)

// An attempt takes about as much processor as xargs needs for the same program. With a process of ours started for each it would
// be five times as much.
func TestAnAttemptCostsLittleMoreThanItsProgram(t *testing.T) {
	const attempts, most = 200, 3
	a := attempt(t, spec(t, ""))
	a.Spec.Command = []string{"/bin/true"}
	r := New()
	before := processor.UsedByAll()
	for range attempts {
		if _, err := r.Run(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	r.Close() // the supervisor's time counts when it has ended
	ours := processor.UsedByAll() - before
	xargs := exec.Command("xargs", "-n1", "/bin/true")
	xargs.Stdin = strings.NewReader(strings.Repeat("x\n", attempts))
	if err := xargs.Run(); err != nil {
		t.Fatal(err)
	}
	bare := xargs.ProcessState.UserTime() + xargs.ProcessState.SystemTime()
	t.Logf("%v for each attempt, %v for each program of xargs", ours/attempts, bare/attempts)
	if ours > most*bare {
		t.Errorf("an attempt takes %v, a program that xargs starts %v", ours/attempts, bare/attempts)
	}
}
