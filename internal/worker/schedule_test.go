package worker

import (
	"testing"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
)

func TestScheduledAgentsRun(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, agents(sh("tick", `cat`, `schedule: "@every 1s"`, `args: {n: 7}`), sh("plain", "true")))
		if next := s.NextRun("tick"); next == nil || time.Until(*next) > 2*time.Second {
			t.Errorf("next run %v", next)
		}
		if next := s.NextRun("plain"); next != nil {
			t.Errorf("next run of an agent without a schedule: %v", next)
		}
		until(t, "it ran twice", func() bool {
			return one[int](t, s, `select count(*) from run where agent = 'tick' and outcome = 'ok'`) >= 2
		})
		page, err := s.List(t.Context(), engine.Filter{Agent: "tick", States: []engine.State{"completed"}})
		if err != nil || len(page.Jobs) == 0 || page.Jobs[0].Args != `{"n":7}` {
			t.Fatalf("%+v, %v", page, err)
		}
		if d := get(t, s, page.Jobs[0].ID); len(d.Tags) != 1 || d.Tags[0] != "scheduled" {
			t.Errorf("tags %v", d.Tags)
		}
	})
}

func TestAScheduleDoesNotPileUp(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, agents(sh("tick", `true`, `schedule: "@every 1s"`)))
		if err := s.PauseAgent(t.Context(), "tick"); err != nil {
			t.Fatal(err)
		}
		skipped := 0
		var last int64
		until(t, "three times passed", func() bool {
			if next := one[int64](t, s, `select next_ms from schedule`); next != last {
				last = next
				skipped++
			}
			return skipped > 4
		})
		if n := one[int](t, s, `select count(*) from river_job where state = 'available'`); n > 1 {
			t.Errorf("%d jobs wait", n)
		}
	})
}

func TestManyProcessesInsertAScheduledJobOnce(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		fleet := fleetOf(t, agents(sh("daily", `true`, `schedule: "@daily"`)))
		s := start(t, database, agents(sh("other", "true")))
		first, second := newService(t, s.db, "", fleet), newService(t, s.db, "", fleet)
		if err := first.schedule.Load(t.Context(), fleet); err != nil {
			t.Fatal(err)
		}
		if next := first.NextRun("daily"); next == nil || !next.Equal(agent.StartOfDay(time.Now().Add(24*time.Hour))) {
			t.Errorf("next run %v", next)
		}
		exec1(t, s, `update schedule set next_ms = 1000`) // missed long ago: made up for, once
		if err := second.schedule.Load(t.Context(), fleet); err != nil {
			t.Fatal(err)
		}
		errs := make(chan error, 2)
		for _, service := range []*Service{first, second} {
			go func() { _, err := service.schedule.InsertDue(t.Context()); errs <- err }()
		}
		for range 2 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if n := one[int](t, s, `select count(*) from river_job where kind = 'daily'`); n != 1 {
			t.Errorf("%d jobs", n)
		}
		if next := one[int64](t, s, `select next_ms from schedule`); next <= time.Now().UnixMilli() {
			t.Errorf("next %v", db.FromMS(next))
		}
	})
}

func TestAChangedScheduleBeginsAnew(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, agents(sh("tick", `true`, `schedule: "@every 1h"`)))
		hourly := *s.NextRun("tick")
		if err := s.Reload(t.Context(), fleetOf(t, agents(sh("tick", `true`, `schedule: "@every 2h"`)))); err != nil {
			t.Fatal(err)
		}
		if next := s.NextRun("tick"); next == nil || next.Sub(hourly) < 55*time.Minute {
			t.Errorf("next %v after %v", next, hourly)
		}
		if err := s.Reload(t.Context(), fleetOf(t, agents(sh("tick", `true`)))); err != nil {
			t.Fatal(err)
		}
		if next := s.NextRun("tick"); next != nil {
			t.Errorf("next %v", next)
		}
	})
}

func TestATickIsLeftOutWhileTheAgentIsBusy(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		dir := t.TempDir()
		s := start(t, database, agents(
			sh("tick", gated(dir), "schedule: '@every 1s'", "overlap: skip", "concurrency: 2"),
			sh("beside", "true", "schedule: '@every 1s'")))
		later := time.Now().Add(time.Hour)
		enqueueWith(t, s, engine.EnqueueParams{Agent: "tick", ScheduledAt: &later}) // does not count before it is due
		until(t, "the first tick runs", func() bool { return exists(dir + "/began") })
		jobs := func(name string) int { return one[int](t, s, `select count(*) from river_job where kind = $1`, name) }
		before := jobs("beside")
		until(t, "further ticks pass", func() bool { return jobs("beside") >= before+2 })
		if n := jobs("tick"); n != 2 {
			t.Errorf("%d jobs of an agent that is busy", n)
		}
		touch(t, dir+"/gate")
		until(t, "the next tick comes", func() bool { return jobs("tick") > 2 })
	})
}

// What failed at the same moment must not come back at the same moment.
func TestRetriesOfJobsThatFailedTogetherAreSpread(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		dir := t.TempDir()
		s := start(t, database, agents(sh("bad", gated(dir)+"; exit 1", "concurrency: 6", "backoff: {initial: 1h, max: 1h, jitter: 0.5}")))
		for range 6 {
			enqueue(t, s, "bad")
		}
		until(t, "all run", func() bool { return s.active.running.Load() == 6 })
		touch(t, dir+"/gate")
		until(t, "all failed", func() bool { return count(t, s, "retryable") == 6 })
		page, err := s.List(t.Context(), engine.Filter{Agent: "bad"})
		if err != nil || len(page.Jobs) != 6 {
			t.Fatalf("%+v, %v", page, err)
		}
		soonest, latest := page.Jobs[0].ScheduledAt.Time, page.Jobs[0].ScheduledAt.Time
		for _, j := range page.Jobs {
			if j.ScheduledAt.Before(soonest) {
				soonest = j.ScheduledAt.Time
			}
			if j.ScheduledAt.After(latest) {
				latest = j.ScheduledAt.Time
			}
		}
		if spread := latest.Sub(soonest); spread < 30*time.Second || time.Until(latest) > time.Hour {
			t.Errorf("the retries are due within %v, the last in %v", spread, time.Until(latest))
		}
	})
}
