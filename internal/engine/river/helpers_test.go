package river

import (
	"context"
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"github.com/riverqueue/river"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/agent/agenttest"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/rollup"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(dbtest.Main(m)) }

// Fleets are written and read by short names: each test has many of them.
var (
	fleetOf = agenttest.Fleet
	agents  = agenttest.Agents
	sh      = agenttest.Sh
)

// newReader reads a fleet that nobody runs.
func newReader(t testing.TB, d *db.DB, fleet *agent.Fleet) *Reader {
	t.Helper()
	return NewReader(d, nil, rollup.New(d), func() *agent.Fleet { return fleet }, "all lines are kept")
}

// enqueueWith puts a job on its queue.
func enqueueWith(t testing.TB, s *Reader, p engine.EnqueueParams) engine.Job {
	t.Helper()
	actor, err := NewActor(s.db, "", nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	inserted, err := actor.Client().Insert(t.Context(), NewArgs(p.Agent, p.Args), &river.InsertOpts{Queue: p.Agent})
	if err != nil {
		t.Fatal(err)
	}
	job, err := s.Job(t.Context(), inserted.Job.ID)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// described is all that is known of each agent.
func described(ctx context.Context, s *Reader) (map[string]*engine.AgentStats, error) {
	stats, err := s.Agents(ctx)
	if err != nil {
		return nil, err
	}
	return stats, s.DescribeAgents(ctx, stats)
}

// one reads a single value.
func one[T any](t testing.TB, s *Reader, query string, args ...any) (value T) {
	t.Helper()
	if err := s.db.Read.QueryRowContext(t.Context(), query, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

func exec1(t testing.TB, s *Reader, query string, args ...any) {
	t.Helper()
	if _, err := s.db.Write.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// by picks the statement for a service's database.
func by(s *Reader, sqlite, postgres string) string {
	if s.db.Kind == db.Postgres {
		return postgres
	}
	return sqlite
}

func get(t testing.TB, s *Reader, id engine.ID) engine.Detail {
	t.Helper()
	d, err := s.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
