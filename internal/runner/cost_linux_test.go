package runner

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/fingerprint"
	"github.com/agentos/agentos/test/processor"
)

// costOf is what so many of the smallest attempts take of the processor.
func costOf(t *testing.T, attempts int) time.Duration {
	t.Helper()
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
	return processor.UsedByAll() - before
}

// An attempt takes about as much processor as xargs needs for the same program. With a process of ours started for each it would
// be five times as much.
func TestAnAttemptCostsLittleMoreThanItsProgram(t *testing.T) {
	const attempts, most = 200, 3
	ours := costOf(t, attempts)
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

// Grouping a failure costs at most a twentieth of the processor time of the smallest attempt.
func TestAFingerprintCostsLittleOfAnAttempt(t *testing.T) {
	const attempts, rounds, share = 100, 5, 20
	files, err := filepath.Glob("../fingerprint/testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d shapes of failures: %v", len(files), err)
	}
	var texts []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	whole := costOf(t, attempts) / attempts
	least := time.Hour // of what one costs: the rest was others' work in this process
	for range rounds {
		before := processor.UsedByAll()
		for range attempts {
			for _, text := range texts {
				fingerprint.Of(text, "")
			}
		}
		least = min(least, (processor.UsedByAll()-before)/time.Duration(attempts*len(texts)))
	}
	t.Logf("%v for each attempt, %v for each fingerprint", whole, least)
	if least > whole/share {
		t.Errorf("a fingerprint takes %v, an attempt %v", least, whole)
	}
}
