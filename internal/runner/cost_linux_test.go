package runner

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// processors is the time of processors of this process, and of its children that have ended with theirs.
func processors(t *testing.T) time.Duration {
	t.Helper()
	var sum int64
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var usage syscall.Rusage
		if err := syscall.Getrusage(who, &usage); err != nil {
			t.Fatal(err)
		}
		sum += usage.Utime.Nano() + usage.Stime.Nano()
	}
	return time.Duration(sum)
}

// An attempt takes about as much processor as xargs needs for the same program. With a process of ours started for each it would
// be five times as much.
func TestAnAttemptCostsLittleMoreThanItsProgram(t *testing.T) {
	const attempts, most = 200, 3
	a := attempt(t, spec(t, ""))
	a.Spec.Command = []string{"/bin/true"}
	r := New()
	before := processors(t)
	for range attempts {
		if _, err := r.Run(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	r.Close() // the supervisor's time counts when it has ended
	ours := processors(t) - before
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
