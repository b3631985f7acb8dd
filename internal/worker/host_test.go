package worker

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/agentos/agentos/internal/db/dbtest"
)

// What this host lacks must not use up a job's attempts: it goes back, and runs when the host is well.
func TestWhatTheHostLacksUsesUpNoAttempt(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		dataDir := t.TempDir()
		yaml := agents(sh("quick", "true", "max_attempts: 1"))
		reader := newService(t, dbtest.OpenURL(t, url), "", fleetOf(t, yaml))
		p := startProcess(t, url, dataDir, yaml)
		untilState(t, reader, enqueue(t, reader, "quick").ID, "completed")
		say := func(s os.Signal) {
			t.Helper()
			p.signal(t, s)
			if line, err := p.said.ReadString('\n'); err != nil || !strings.Contains(line, "<nil>") {
				t.Fatalf("%q, %v", line, err)
			}
		}
		say(syscall.SIGUSR1)
		job := enqueue(t, reader, "quick")
		until(t, "an attempt could not start", func() bool {
			runs := get(t, reader, job.ID).Runs
			return len(runs) > 0 && runs[0].EndedAt != nil
		})
		d := get(t, reader, job.ID)
		if r := d.Runs[0]; r.Outcome != "lost" || r.Error == nil || !strings.Contains(*r.Error, "too many open files") || !strings.Contains(*r.Error, "went back") {
			t.Errorf("run %+v", r)
		}
		if d.State == "discarded" || len(d.Errors) != 0 {
			t.Errorf("job %+v", d)
		}
		say(syscall.SIGUSR2)
		if d := untilState(t, reader, job.ID, "completed"); *d.Attempt != 1 || d.Losses != 0 {
			t.Errorf("job %+v", d.Job)
		}
		p.end(t)
	})
}
