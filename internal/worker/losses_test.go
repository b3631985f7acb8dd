package worker

import (
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river"
)

// killer is a script that kills its worker once it may, as a container's OOM killer does.
func killer(dir string) string {
	return `while [ ! -e ` + dir + `/gate ]; do sleep 0.1; done; rm ` + dir + `/gate; kill -9 $(sed -n 's/^PPid:[^0-9]*//p' /proc/$PPID/status); sleep 60`
}

// housekeeper is a service that runs nothing, but takes over the jobs of dead workers.
func housekeeper(t *testing.T, url, dataDir, yaml string) *Service {
	t.Helper()
	s := newWith(t, Options{DB: dbtest.OpenURL(t, url), DataDir: dataDir, Fleet: fleetOf(t, yaml), Agents: []string{}})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// makeDue lets a job that waits for its time run now.
func makeDue(t *testing.T, s *Service, id engine.ID) {
	t.Helper()
	exec1(t, s, `update river_job set state = 'available', scheduled_at = $2 where id = $1`, id, s.db.Stamp(time.Now().Add(-time.Second)))
}

func TestAJobThatKillsItsWorkersIsDiscarded(t *testing.T) {
	t.Parallel()
	dbtest.EachURL(t, func(t *testing.T, url string) {
		dataDir, dir := t.TempDir(), t.TempDir()
		yaml := agents(sh("killer", killer(dir), "max_attempts: 2"))
		s := housekeeper(t, url, dataDir, yaml)
		job := enqueue(t, s, "killer")
		for loss := 1; loss <= 3; loss++ {
			p := startProcess(t, url, dataDir, yaml)
			until(t, "its run is written", func() bool { return one[int](t, s, `select count(*) from run where ended_ms is null`) == 1 })
			touch(t, dir+"/gate")
			if err := p.cmd.Wait(); err == nil {
				t.Fatal("the worker was not killed")
			}
			var d engine.Detail
			until(t, "the job is taken over", func() bool { d = get(t, s, job.ID); return d.State != "running" && d.Losses == loss })
			switch wait := time.Until(d.ScheduledAt.Time); {
			case loss == 1 && (d.State != "available" || wait > 0):
				t.Errorf("after the first loss: %+v, due in %v", d.Job, wait)
			case loss == 2 && (d.State != "scheduled" || wait < lossFirst/2-2*time.Second || wait > 2*lossFirst):
				t.Errorf("after the second loss: %+v, due in %v", d.Job, wait)
			case loss == 3 && d.State != "discarded":
				t.Errorf("after the third loss: %+v", d.Job)
			case loss == 2:
				makeDue(t, s, job.ID)
			}
		}
		d := get(t, s, job.ID)
		if d.Error == nil || !strings.Contains(*d.Error, "the 3rd while it ran this job") || d.FinalizedAt == nil {
			t.Errorf("job %+v", d.Job)
		}
		if len(d.Errors) != 1 || !strings.Contains(d.Errors[0].Error, "discarded") {
			t.Errorf("errors %+v", d.Errors)
		}
		if n := one[int](t, s, `select count(*) from run where outcome = 'lost' and error like '%discarded%'`); n != 1 {
			t.Errorf("%d runs say that the job was discarded: %+v", n, d.Runs)
		}
		if again, err := s.Retry(t.Context(), job.ID); err != nil || again.State != "available" {
			t.Errorf("retried: %+v, %v", again, err)
		}
		if d := get(t, s, job.ID); d.Losses != 0 {
			t.Errorf("after a retry: %d losses", d.Losses)
		}
	})
}

// What was lost beside a bad job must not be taken for it.
func TestJobsThatLostSeveralWorkersRunOneAtATime(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		dir := t.TempDir()
		s := newService(t, database, t.TempDir(), fleetOf(t, agents(sh("slow", atMost(dir, 1), "concurrency: 4", "max_attempts: 1"))))
		const n = 3
		for range n {
			job := enqueue(t, s, "slow")
			exec1(t, s, `update river_job set metadata = `+by(s, `jsonb($2)`, `$2::jsonb`)+` where id = $1`, job.ID, `{"agentos_losses":2,"mine":"x"}`)
		}
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		until(t, "one has ended", func() bool { return count(t, s, "completed") > 0 })
		for count(t, s, "completed", "discarded") < n {
			exec1(t, s, `update river_job set scheduled_at = $1 where state = 'available'`, s.db.Stamp(time.Now().Add(-time.Second)))
			before := count(t, s, "completed", "discarded")
			until(t, "another one has ended", func() bool { return count(t, s, "completed", "discarded") > before })
		}
		untilAllEnded(t, s, n)
		if bad := one[int](t, s, `select count(*) from river_job where attempt <> 1`); bad != 0 {
			t.Errorf("%d jobs used up attempts by waiting", bad)
		}
	})
}

func TestLossesAreCountedWhateverTheMetadata(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newService(t, database, t.TempDir(), fleetOf(t, agents(sh("quick", "true"))))
		for metadata, want := range map[string]int{`{}`: 1, `[]`: 1, `{"agentos_losses":"x"}`: 1, `{"agentos_losses":1,"tenant":7}`: 2} {
			id := insertRunning(t, s, river.ClientID(river.WorkerPrefix+"dead-1-aa", 1))
			exec1(t, s, `update river_job set metadata = `+by(s, `jsonb($2)`, `$2::jsonb`)+` where id = $1`, id, metadata)
			if err := s.reap(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.watch.reaped = time.Time{}
			if d := get(t, s, id); d.Losses != want || d.State == "running" || *d.Attempt != 1 {
				t.Errorf("%s: %d losses, job %+v", metadata, d.Losses, d.Job)
			}
			kept := one[string](t, s, `select `+by(s, `json(metadata)`, `metadata::text`)+` from river_job where id = $1`, id)
			if strings.Contains(metadata, "tenant") && !strings.Contains(kept, "tenant") {
				t.Errorf("metadata %s became %s", metadata, kept)
			}
		}
	})
}

func TestTheWaitAfterALossGrowsAndSpreads(t *testing.T) {
	if got := lossDelay(1); got != 0 {
		t.Errorf("after the first loss: %v", got)
	}
	different := map[time.Duration]bool{}
	for losses, base := range map[int]time.Duration{2: lossFirst, 3: 2 * lossFirst, 100: lossMost} {
		for range 20 {
			got := lossDelay(losses)
			different[got] = true
			if got < base/2 || got > base*3/2 {
				t.Errorf("after %d losses: %v", losses, got)
			}
		}
	}
	if len(different) < 50 {
		t.Errorf("only %d different waits", len(different))
	}
	for n, want := range map[int]string{1: "the 1st", 2: "the 2nd", 3: "the 3rd", 4: "the 4th", 11: "the 11th", 112: "the 112th", 22: "the 22nd"} {
		if got := ordinal(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
