package worker

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river"

	"github.com/agentos/agentos/internal/db/dbtest"
)

// Two processes on one file: what a killed one ran is run again by the other.
func TestAKilledWorkersJobsRunAgainElsewhere(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		dir, data := t.TempDir(), t.TempDir()
		yaml := agents(sh("slow", `echo began >> `+dir+`/begins; while [ ! -e `+dir+`/gate ]; do sleep 0.1; done`, "concurrency: 3"))
		d := dbtest.OpenURL(t, url)
		reader := newService(t, d, "", fleetOf(t, yaml))
		first := startProcess(t, url, data, yaml)
		var ids []engine.ID
		for range 3 {
			ids = append(ids, enqueue(t, reader, "slow").ID)
		}
		begins := func() int { b, _ := os.ReadFile(dir + "/begins"); return strings.Count(string(b), "began") }
		until(t, "all run", func() bool { return begins() == 3 })
		second := startProcess(t, url, data, yaml)
		killed := time.Now()
		first.kill(t)
		until(t, "all run again", func() bool { return begins() == 6 })
		if took := time.Since(killed); took > 8*time.Second {
			t.Errorf("it took %v", took)
		} else {
			t.Logf("run again after %v", took)
		}
		touch(t, dir+"/gate")
		for _, id := range ids {
			d := untilState(t, reader, id, "completed")
			if len(d.Runs) != 2 || d.Runs[0].Outcome != "ok" || d.Runs[0].Worker != second.id || d.Runs[0].Attempt != 1 ||
				d.Runs[1].Outcome != "lost" || d.Runs[1].Worker != first.id {
				t.Errorf("runs %+v", d.Runs)
			}
		}
		workers, err := reader.Workers(t.Context())
		if err != nil || len(workers) != 2 || workers[0].State != "lost" || workers[1].State != "active" {
			t.Errorf("workers %+v, %v", workers, err)
		}
		second.end(t)
	})
}

// A restart takes the jobs back before it does anything else, and the dead leader's lease.
func TestARestartAfterAKillTakesEverythingUp(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		dir, data := t.TempDir(), t.TempDir()
		yaml := agents(sh("slow", gated(dir)))
		d := dbtest.OpenURL(t, url)
		reader := newService(t, d, "", fleetOf(t, yaml))
		first := startProcess(t, url, data, yaml)
		job := enqueue(t, reader, "slow")
		until(t, "it runs", func() bool { return exists(dir + "/began") })
		until(t, "it leads", func() bool { return one[int](t, reader, `select count(*) from river_leader`) == 1 })
		first.kill(t)
		os.Remove(dir + "/began")
		begin := time.Now()
		s := startOn(t, d, data, fleetOf(t, yaml))
		until(t, "it runs again", func() bool { return exists(dir + "/began") })
		t.Logf("run again %v after the start", time.Since(begin))
		until(t, "there is a leader", func() bool {
			return one[string](t, reader, `select coalesce((select leader_id from river_leader), '')`) == river.ClientID(s.Worker(), 1)
		})
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		touch(t, dir+"/gate")
		untilState(t, s, job.ID, "completed")
	})
}

// However a worker is killed around the end of an attempt: either the attempt's end and what it asked for are there, or
// nothing of it.
func TestCompletionIsAtomicUnderKill(t *testing.T) {
	t.Parallel()
	dbtest.EachURL(t, func(t *testing.T, url string) {
		data := t.TempDir()
		yaml := agents(
			sh("crawl", `i=0; while [ $i -lt 5 ]; do echo '{"enqueue":{"agent":"leaf"}}' >&2; i=$((i+1)); done`, "concurrency: 2"),
			sh("leaf", "true", "queue: parked"), sh("other", "true", "queue: parked")) + "queues:\n  parked: {concurrency: 1}\n"
		d := dbtest.OpenURL(t, url)
		reader := newService(t, d, "", fleetOf(t, yaml))
		parents := map[engine.ID]bool{}
		for range 20 {
			parents[enqueue(t, reader, "crawl").ID] = true
		}
		count := func(where string) int { return one[int](t, reader, `select count(*) from river_job where `+where) }
		for round := range 4 {
			p := startProcess(t, url, data, yaml)
			if round == 0 {
				if err := reader.PauseQueue(t.Context(), "parked"); err != nil {
					t.Fatal(err)
				}
			}
			want := min(20, count(`kind = 'crawl' and state = 'completed'`)+4)
			until(t, "some are done", func() bool { return count(`kind = 'crawl' and state = 'completed'`) >= want })
			p.kill(t)
			if done, leaves := count(`kind = 'crawl' and state = 'completed'`), count(`kind = 'leaf'`); leaves != 5*done {
				t.Fatalf("round %d: %d attempts ended and %d jobs were asked for", round, done, leaves)
			}
		}
		p := startProcess(t, url, data, yaml)
		until(t, "all are done", func() bool { return count(`kind = 'crawl' and state = 'completed'`) == 20 })
		p.end(t)
		if n := count(`kind = 'leaf'`); n != 100 {
			t.Errorf("%d jobs were asked for, want 100", n)
		}
		if n := one[int](t, reader, `select count(*) from run where ended_ms is null`); n != 0 {
			t.Errorf("%d runs have no end", n)
		}
		if runs, sum := one[int](t, reader, `select count(*) from run where rolled = 1`), one[int](t, reader, `select sum(ok + lost) from rollup where step_s = 3600 and agent = ''`); runs != sum {
			t.Errorf("%d runs, %d in the sums", runs, sum)
		}
	})
}

func TestCancelReachesAnotherProcess(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		dir, data := t.TempDir(), t.TempDir()
		yaml := agents(sh("slow", gated(dir), "kill_grace: 100ms"))
		reader := newService(t, dbtest.OpenURL(t, url), "", fleetOf(t, yaml))
		p := startProcess(t, url, data, yaml)
		job := enqueue(t, reader, "slow")
		until(t, "it runs", func() bool { return exists(dir + "/began") })
		begin := time.Now()
		if _, err := reader.Cancel(t.Context(), job.ID); err != nil {
			t.Fatal(err)
		}
		d := untilState(t, reader, job.ID, "cancelled")
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("it took %v", took)
		} else {
			t.Logf("cancelled after %v", took)
		}
		if d.Runs[0].Outcome != "cancelled" {
			t.Errorf("run %+v", d.Runs[0])
		}
		p.end(t)
	})
}

// Lines of a run in another process arrive by polling.
func TestLogsOfAnotherProcessAreFollowed(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		dir, data := t.TempDir(), t.TempDir()
		yaml := agents(sh("slow", `echo first >&2; `+gated(dir)+`; echo last >&2`))
		reader := newService(t, dbtest.OpenURL(t, url), "", fleetOf(t, yaml))
		p := startProcess(t, url, data, yaml)
		job := enqueue(t, reader, "slow")
		until(t, "it runs", func() bool { return get(t, reader, job.ID).LogRunID != nil })
		follow(t, reader, *get(t, reader, job.ID).LogRunID, dir)
		p.end(t)
	})
}

func TestLogsAreFollowed(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		dir := t.TempDir()
		s := start(t, database, agents(sh("slow", `echo first >&2; `+gated(dir)+`; echo last >&2`)))
		job := enqueue(t, s, "slow")
		until(t, "it runs", func() bool { return get(t, s, job.ID).LogRunID != nil })
		follow(t, s, *get(t, s, job.ID).LogRunID, dir)
	})
}

func follow(t *testing.T, s *Service, run engine.ID, dir string) {
	t.Helper()
	lines, done, err := s.WaitRunLogs(t.Context(), run, 0, 10)
	if err != nil || done || len(lines) != 1 || lines[0].Msg != "first" {
		t.Fatalf("%+v, done %v, %v", lines, done, err)
	}
	touch(t, dir+"/gate")
	next, done, err := s.WaitRunLogs(t.Context(), run, lines[0].ID, 10)
	if err != nil || len(next) != 1 || next[0].Msg != "last" {
		t.Fatalf("%+v, done %v, %v", next, done, err)
	}
	if !done {
		next, done, err = s.WaitRunLogs(t.Context(), run, next[0].ID, 10)
	}
	if err != nil || !done {
		t.Errorf("%+v, done %v, %v", next, done, err)
	}
}

// A worker on another host, or with another data folder, shows no lock: its heartbeat counts.
func TestASilentWorkerWithoutALockIsDead(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, agents(sh("quick", "true")))
		insert := func(worker string, beat time.Time) engine.ID {
			t.Helper()
			insertWorker(t, s, worker, beat)
			return insertRunning(t, s, river.ClientID(worker, 1))
		}
		silent := insert(river.WorkerPrefix+"far-1-aa", time.Now().Add(-river.SilentFor-time.Second))
		alive := insert(river.WorkerPrefix+"far-2-bb", time.Now().Add(time.Hour))
		others := insertRunning(t, s, "rails-1")
		cancelled := insert(river.WorkerPrefix+"far-1-aa", time.Now().Add(-river.SilentFor-time.Second))
		exec1(t, s, `update river_job set metadata = `+by(s, `jsonb($2)`, `$2::jsonb`)+` where id = $1`, cancelled, `{"cancel_attempted_at":"2026-01-01T00:00:01Z"}`)
		noRow := insert(river.WorkerPrefix+"far-3-cc", time.Now())
		exec1(t, s, `delete from worker where id = $1`, river.WorkerPrefix+"far-3-cc")
		until(t, "jobs of the dead are back", func() bool {
			insertWorker(t, s, river.WorkerPrefix+"far-2-bb", time.Now().Add(time.Hour)) // it beats
			return get(t, s, silent).State == "available" && get(t, s, noRow).State == "available" && get(t, s, cancelled).State == "cancelled"
		})
		for _, id := range []engine.ID{silent, noRow} {
			if d := get(t, s, id); *d.Attempt != 1 {
				t.Errorf("job %+v", d.Job)
			}
		}
		for _, id := range []engine.ID{alive, others} {
			if d := get(t, s, id); d.State != "running" || *d.Attempt != 2 {
				t.Errorf("job %+v", d.Job)
			}
		}
	})
}

func TestManyReapersGiveAJobBackOnce(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newService(t, database, t.TempDir(), fleetOf(t, agents(sh("quick", "true"))))
		other := newService(t, s.db, s.dataDir, s.Fleet())
		for i := range 20 {
			insertRunning(t, s, fmt.Sprintf("%sdead-%d@1", river.WorkerPrefix, i))
		}
		errs := make(chan error, 2)
		go func() { errs <- s.reap(t.Context()) }()
		go func() { errs <- other.reap(t.Context()) }()
		for range 2 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if n := one[int](t, s, `select count(*) from river_job where state = 'available' and attempt = 1`); n != 20 {
			t.Errorf("%d of 20 jobs are back with one attempt used", n)
		}
	})
}
