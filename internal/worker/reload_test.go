package worker

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
)

func TestReloadKeepsRunningAttempts(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		dir := t.TempDir()
		s := start(t, database, agents(sh("old", gated(dir)), sh("gone", "true")))
		job := enqueue(t, s, "old")
		until(t, "it runs", func() bool { return exists(dir + "/began") })
		if err := s.PauseAgent(t.Context(), "gone"); err != nil {
			t.Fatal(err)
		}
		waiting := enqueue(t, s, "gone")
		if err := s.Reload(t.Context(), fleetOf(t, agents(sh("old", "echo new"), sh("fresh", "true")))); err != nil {
			t.Fatal(err)
		}
		untilState(t, s, enqueue(t, s, "fresh").ID, "completed")
		second := enqueue(t, s, "old") // waits: the slot is still held by the attempt of before
		untilState(t, s, enqueue(t, s, "fresh").ID, "completed")
		if d := get(t, s, job.ID); d.State != "running" || len(d.Runs) != 1 {
			t.Errorf("running job %+v", d)
		}
		if d := get(t, s, second.ID); len(d.Runs) != 0 {
			t.Errorf("the agent runs twice at once: %+v", d)
		}
		touch(t, dir+"/gate")
		untilState(t, s, job.ID, "completed")
		if d := untilState(t, s, second.ID, "completed"); *d.Result != "new\n" {
			t.Errorf("result %q", *d.Result)
		}
		if d := get(t, s, waiting.ID); d.State != "available" {
			t.Errorf("job of an agent that is gone %+v", d.Job)
		}
		if _, err := s.Enqueue(t.Context(), engine.EnqueueParams{Agent: "gone"}); !errors.As(err, new(*engine.UnknownAgentError)) {
			t.Errorf("error %v", err)
		}
	})
}

func TestReloadUnderLoadLosesNothing(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		yaml := func(variant string) string {
			return agents(sh("work", `true `+variant, "concurrency: 3"), sh("more", `true `+variant, "concurrency: 2"))
		}
		s := start(t, database, yaml("0"))
		const n = 60
		for i := range n {
			enqueue(t, s, []string{"work", "more"}[i%2])
		}
		for i, variant := range []string{"1", "2", "3", "4"} {
			until(t, "some are done", func() bool {
				return one[int](t, s, `select count(*) from river_job where state = 'completed'`) >= (i+1)*n/8
			})
			if err := s.Reload(t.Context(), fleetOf(t, yaml(variant))); err != nil {
				t.Fatal(err)
			}
		}
		until(t, "all are done", func() bool { return one[int](t, s, `select count(*) from river_job where state = 'completed'`) == n })
		if bad := one[int](t, s, `select count(*) from run where outcome <> 'ok'`); bad != 0 {
			t.Errorf("%d attempts did not end well", bad)
		}
		if runs := one[int](t, s, `select count(*) from run`); runs != n {
			t.Errorf("%d attempts for %d jobs", runs, n)
		}
	})
}

func TestStopWaitsForAllGenerations(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		dir := t.TempDir()
		s := start(t, database, agents(sh("old", gated(dir))))
		job := enqueue(t, s, "old")
		until(t, "it runs", func() bool { return exists(dir + "/began") })
		for _, script := range []string{"echo 1", "echo 2"} {
			if err := s.Reload(t.Context(), fleetOf(t, agents(sh("old", script)))); err != nil {
				t.Fatal(err)
			}
		}
		stopped := make(chan error)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			stopped <- s.Stop(ctx)
		}()
		until(t, "it drains", s.active.draining.Load)
		touch(t, dir+"/gate")
		if err := <-stopped; err != nil {
			t.Fatal(err)
		}
		if d := get(t, s, job.ID); d.State != "completed" {
			t.Errorf("job %+v", d.Job)
		}
		if err := s.Reload(t.Context(), s.Fleet()); err == nil {
			t.Error("reloaded after the stop")
		}
	})
}

func TestTheSameFleetIsNotReloaded(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		yaml := agents(sh("a1", "true"))
		s := start(t, database, yaml)
		before := s.current.Load()
		fleet := *s.Fleet()
		if err := s.Reload(t.Context(), &fleet); err != nil {
			t.Fatal(err)
		}
		if s.current.Load() != before {
			t.Error("a new generation for the same fleet")
		}
	})
}
