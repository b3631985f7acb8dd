package worker

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river"
)

func TestAWorkerRunsOnlyItsAgents(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		yaml := agents(sh("one", "true"), sh("two", "true"), sh("left", "true", "queue: both"), sh("right", "true", "queue: both")) +
			"queues:\n  both: {concurrency: 4}\n"
		first := startWith(t, Options{DB: database, Fleet: fleetOf(t, yaml), Agents: []string{"one", "left"}})
		var others []engine.ID
		for _, queue := range []string{"", "default"} {
			for _, name := range []string{"two", "right"} {
				others = append(others, enqueueWith(t, first, engine.EnqueueParams{Agent: name, Queue: queue}).ID)
			}
			for _, name := range []string{"one", "left"} {
				d := untilState(t, first, enqueueWith(t, first, engine.EnqueueParams{Agent: name, Queue: queue}).ID, "completed")
				if d.Runs[0].Worker != first.Worker() {
					t.Errorf("run %+v", d.Runs[0])
				}
			}
		}
		for _, id := range others {
			if d := get(t, first, id); d.State != "available" {
				t.Errorf("job %+v", d.Job)
			}
		}
		if stats, err := first.Agents(t.Context()); err != nil || stats["one"].Slots != 1 || stats["left"].Slots != 4 || stats["right"].Slots != 0 {
			t.Errorf("agents %+v, %v", stats, err)
		}
		second := startWith(t, Options{DB: database, Fleet: fleetOf(t, yaml), Agents: []string{"two", "right"}})
		for _, id := range others {
			if d := untilState(t, first, id, "completed"); d.Runs[0].Worker != second.Worker() {
				t.Errorf("run %+v", d.Runs[0])
			}
		}
		err := first.Reload(t.Context(), fleetOf(t, agents(sh("one", "true"), sh("two", "true"))))
		if !errors.Is(err, engine.ErrInvalid) || !strings.Contains(err.Error(), "does not have: left; there are: one, two") {
			t.Errorf("reloaded without its agent: %v", err)
		}
		untilState(t, first, enqueue(t, first, "left").ID, "completed")
		w, err := first.Workers(t.Context())
		if err != nil || len(w) != 2 || w[0].ID != first.Worker() || *w[0].Agents != 2 || *w[0].Slots != 5 ||
			!slices.Equal(w[0].AgentNames, []string{"left", "one"}) || !slices.Equal(w[0].Queues, []string{"both", "default", "one"}) {
			t.Errorf("workers %+v, %v", w, err)
		}
	})
}

func TestAWorkerOfUnknownAgentsIsRefused(t *testing.T) {
	_, err := New(t.Context(), Options{DB: dbtest.New(t), Fleet: fleetOf(t, agents(sh("one", "true"), sh("two", "true"))), Agents: []string{"one", "tow"}})
	if !errors.Is(err, engine.ErrInvalid) || !strings.Contains(err.Error(), "does not have: tow; there are: one, two") {
		t.Errorf("error %v", err)
	}
}

// Servers that run nothing themselves must heal a cluster whose workers died.
func TestAServiceWithoutAgentsKeepsHouse(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := startWith(t, Options{DB: database, Fleet: fleetOf(t, agents(sh("tick", "true", `schedule: "@every 1s"`))), Agents: []string{}})
		lost := insertRunning(t, s, river.ClientID(river.WorkerPrefix+"gone-1-aa", 1))
		exec1(t, s, `insert into run (job_id, attempt, max_attempts, agent, queue, worker, outcome, scheduled_ms, started_ms, wait_ms)
			values ($1, 2, 3, 'gone', 'gone', $2, 'running', 0, 0, 0)`, lost, river.WorkerPrefix+"gone-1-aa")
		exec1(t, s, `insert into river_leader (leader_id, name, elected_at, expires_at) values ($1, 'default', $2, $3)`,
			river.ClientID(river.WorkerPrefix+"gone-1-aa", 1), s.db.Stamp(time.Now()), s.db.Stamp(time.Now().Add(time.Hour)))
		untilState(t, s, lost, "available")
		until(t, "the lost run is summed up", func() bool {
			return one[int](t, s, `select coalesce(sum(lost), 0) from rollup where step_s = 60 and agent = 'gone'`) == 1
		})
		until(t, "the schedule inserts", func() bool { return one[int](t, s, `select count(*) from river_job where kind = 'tick'`) == 1 })
		until(t, "the dead leader's lease is dropped", func() bool { return one[int](t, s, `select count(*) from river_leader`) == 0 })
		if n := one[int](t, s, `select count(*) from river_job where state = 'running'`); n != 0 {
			t.Errorf("%d jobs run", n)
		}
		if w, err := s.Workers(t.Context()); err != nil || len(w) != 0 || s.Worker() != "" {
			t.Errorf("workers %+v, %v; it is %q", w, err, s.Worker())
		}
		if err := s.Reload(t.Context(), fleetOf(t, agents(sh("tock", "true")))); err != nil || s.Fleet().Agent("tock") == nil {
			t.Errorf("reload: %v", err)
		}
	})
}
