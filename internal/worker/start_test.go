package worker

import (
	"context"
	"errors"
	"testing"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
)

// away is a Postgres that cannot be reached, and what brings it back.
func away(t *testing.T) (database *db.DB, back func()) {
	t.Helper()
	url, proxy := proxied(t, dbtest.PostgresURL(t))
	proxy.Cut()
	database, err := db.Prepare(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := database.Close(); err != nil {
			t.Error(err)
		}
	})
	return database, func() { mend(t, proxy) }
}

func TestAServiceStartsWhileTheDatabaseIsAway(t *testing.T) {
	for name, only := range map[string][]string{"worker": nil, "without agents": {}} {
		t.Run(name, func(t *testing.T) {
			database, back := away(t)
			got := &happened{seen: map[engine.Event]int{}}
			readied := false
			s := startWith(t, Options{
				DB: database, Fleet: fleetOf(t, agents(sh("quick", "true"), sh("tick", "true", `schedule: "@every 1s"`))), Agents: only, OnEvent: got.add,
				Ready: func(ctx context.Context) error {
					err := database.Migrate(ctx)
					readied = err == nil
					return err
				},
			})
			if s.WriteError() == nil {
				t.Error("nothing is amiss")
			}
			if err := s.Reload(t.Context(), fleetOf(t, agents(sh("quick", "true"), sh("tick", "true", `schedule: "@every 1s"`), sh("fresh", "true")))); err != nil {
				t.Errorf("reload: %v", err)
			}
			back()
			until(t, "it works", func() bool { return s.WriteError() == nil })
			if !readied || !got.has(engine.EverythingChanged) {
				t.Errorf("ready: %v, events %v", readied, got.seen)
			}
			until(t, "the schedule inserts", func() bool { return one[int](t, s, `select count(*) from river_job where kind = 'tick'`) > 0 })
			if only == nil {
				untilState(t, s, enqueue(t, s, "fresh").ID, "completed")
			}
		})
	}
}

func TestAServiceThatHasNotBegunCanBeStopped(t *testing.T) {
	database, _ := away(t)
	s := startWith(t, Options{DB: database, Fleet: fleetOf(t, agents(sh("quick", "true")))})
	stop(t, s)
	if err := s.Start(t.Context()); err == nil {
		t.Error("started again")
	}
}

func TestADatabaseThatIsNotReadyIsReportedAtTheStart(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		unfit := errors.New("run that version")
		s := newWith(t, Options{DB: database, Fleet: fleetOf(t, agents(sh("quick", "true"))), DataDir: t.TempDir(), Ready: func(context.Context) error { return unfit }})
		if err := s.Start(t.Context()); !errors.Is(err, unfit) {
			t.Errorf("error %v", err)
		}
	})
}

// Jobs that other programs insert are announced by River, whichever client does it.
func TestInsertsOfOthersAreReported(t *testing.T) {
	database := dbtest.Postgres(t)
	fleet := fleetOf(t, agents(sh("quick", "true")))
	got := &happened{seen: map[engine.Event]int{}}
	s := startWith(t, Options{DB: database, Fleet: fleet, Agents: []string{}, OnEvent: got.add})
	until(t, "it listens", func() bool {
		return one[int](t, s, `select count(*) from pg_stat_activity where datname = current_database() and query like 'LISTEN%river_insert%'`) > 0
	})
	other := newService(t, database, "", fleet)
	until(t, "the first is reported", func() bool { return got.has(engine.JobEnqueued) })
	got.reset()
	enqueue(t, other, "quick")
	until(t, "the insert is reported", func() bool { return got.has(engine.JobEnqueued) })
}
