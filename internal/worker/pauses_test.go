package worker

import (
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/fetch"
)

// cleanQueue does what River's cleaner does after a day without a client that works the queue.
func cleanQueue(t *testing.T, s *Service, queue string) {
	t.Helper()
	exec1(t, s, `delete from river_queue where name = $1`, queue)
}

func pausedSince(t *testing.T, s *Service, queue string) *time.Time {
	t.Helper()
	all, err := s.Queues(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range all {
		if q.Name == queue {
			if q.PausedAt == nil {
				return nil
			}
			return &q.PausedAt.Time
		}
	}
	return nil
}

func TestAPauseHoldsWhileItsAgentIsOutOfTheFile(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		both := agents(sh("left", "true"), sh("right", "true"))
		s := start(t, database, both)
		if err := s.PauseAgent(t.Context(), "left"); err != nil {
			t.Fatal(err)
		}
		since := pausedSince(t, s, "left")
		if err := s.Reload(t.Context(), fleetOf(t, agents(sh("right", "true")))); err != nil {
			t.Fatal(err)
		}
		cleanQueue(t, s, "left")
		if err := s.Reload(t.Context(), fleetOf(t, both)); err != nil {
			t.Fatal(err)
		}
		waiting := enqueue(t, s, "left")
		untilState(t, s, enqueue(t, s, "right").ID, "completed")
		if d := get(t, s, waiting.ID); d.State != "available" {
			t.Errorf("the job of a paused agent is %s", d.State)
		}
		if at := pausedSince(t, s, "left"); at == nil || at.Sub(*since).Abs() > time.Second {
			t.Errorf("paused since %v, was %v", at, since)
		}
		if err := s.ResumeAgent(t.Context(), "left"); err != nil {
			t.Fatal(err)
		}
		untilState(t, s, waiting.ID, "completed")
		if n := one[int](t, s, `select count(*) from queue_pause`); n != 0 {
			t.Errorf("%d pauses are kept", n)
		}
	})
}

func TestAPauseHoldsWhileNoWorkerRuns(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		fleet := agents(sh("left", "true"), sh("right", "true"))
		s := start(t, database, fleet)
		if err := s.PauseQueue(t.Context(), "left"); err != nil {
			t.Fatal(err)
		}
		stop(t, s)
		cleanQueue(t, s, "left")
		s = start(t, database, fleet)
		waiting := enqueue(t, s, "left")
		untilState(t, s, enqueue(t, s, "right").ID, "completed")
		if d := get(t, s, waiting.ID); d.State != "available" {
			t.Errorf("the job of a paused agent is %s", d.State)
		}
		if err := s.ResumeQueue(t.Context(), "left"); err != nil {
			t.Fatal(err)
		}
		untilState(t, s, waiting.ID, "completed")
	})
}

// Other programs pause and resume by River's client, which knows nothing of what we keep.
func TestPausesOfOtherProgramsAreKeptAndEnded(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, agents(sh("left", "true")))
		exec1(t, s, `update river_queue set paused_at = $1 where name = 'left'`, s.db.Stamp(time.Now()))
		if err := s.actor.KeepPauses(t.Context(), s.log); err != nil {
			t.Fatal(err)
		}
		until(t, "it holds, though nobody announced it", func() bool { return s.gate.IsPaused("left") })
		cleanQueue(t, s, "left")
		if err := s.actor.KeepPauses(t.Context(), s.log); err != nil {
			t.Fatal(err)
		}
		if pausedSince(t, s, "left") == nil {
			t.Error("the pause went with River's row")
		}
		exec1(t, s, `update river_queue set paused_at = null where name = 'left'`)
		if err := s.actor.KeepPauses(t.Context(), s.log); err != nil {
			t.Fatal(err)
		}
		if n := one[int](t, s, `select count(*) from queue_pause`); n != 0 {
			t.Error("a pause that another program ended is kept")
		}
	})
}

// Two pauses and a row of River's that was made again: the pause counts until it is ended.
func TestAQueueThatNobodyHasWorkedCanBePaused(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		fleet := agents(sh("left", "true"))
		s := newService(t, database, t.TempDir(), fleetOf(t, fleet))
		if err := s.PauseAgent(t.Context(), "left"); err != nil {
			t.Fatal(err)
		}
		if err := s.PauseQueue(t.Context(), "nowhere"); err == nil {
			t.Error("a queue that does not exist was paused")
		}
		cleanQueue(t, s, "left")
		later := s.db.Stamp(time.Now().Add(5 * time.Millisecond)) // than the pause, which may be of this millisecond
		exec1(t, s, `insert into river_queue (name, created_at, updated_at) values ('left', $1, $1)`, later)
		worker := start(t, database, fleet)
		waiting := enqueue(t, worker, "left")
		until(t, "it is paused", func() bool { return pausedSince(t, worker, "left") != nil })
		if d := get(t, s, waiting.ID); d.State != "available" {
			t.Errorf("job %+v", d.Job)
		}
		if err := s.ResumeAgent(t.Context(), "left"); err != nil { // by another process
			t.Fatal(err)
		}
		untilState(t, s, waiting.ID, "completed")
	})
}

// A worker that received nothing for a while must not go by what it received before: River announces a pause and its end once.
func TestPausesDuringAnOutageAreNotMissed(t *testing.T) {
	t.Parallel()
	url := dbtest.PostgresURL(t)
	proxiedURL, proxy := proxied(t, url)
	fleet := agents(sh("left", "true"), sh("right", "true"))
	worker := start(t, dbtest.OpenURL(t, proxiedURL), fleet)
	operator := newService(t, dbtest.OpenURL(t, url), t.TempDir(), fleetOf(t, fleet))
	if err := operator.PauseQueue(t.Context(), "right"); err != nil {
		t.Fatal(err)
	}
	resumed := enqueue(t, operator, "right")
	until(t, "the worker knows", func() bool { return worker.gate.IsPaused("right") })

	proxy.Cut()
	failing := func() bool {
		worker.health.mu.Lock()
		defer worker.health.mu.Unlock()
		return worker.health.failing[fetch.Listening] != nil
	}
	until(t, "the worker receives nothing", failing)
	if err := operator.ResumeQueue(t.Context(), "right"); err != nil {
		t.Fatal(err)
	}
	if err := operator.PauseQueue(t.Context(), "left"); err != nil {
		t.Fatal(err)
	}
	paused := enqueue(t, operator, "left")
	mend(t, proxy)
	untilState(t, operator, resumed.ID, "completed")
	untilState(t, operator, enqueue(t, operator, "right").ID, "completed")
	if d := get(t, operator, paused.ID); d.State != "available" {
		t.Errorf("the job of a queue that was paused meanwhile is %s", d.State)
	}
	if err := operator.ResumeQueue(t.Context(), "left"); err != nil {
		t.Fatal(err)
	}
	untilState(t, operator, paused.ID, "completed")
}
