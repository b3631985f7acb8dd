package worker

import (
	"context"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/agent/agenttest"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/runner"
	"github.com/agentos/agentos/test/servers"
)

// The test binary is also the attempts' supervisor, and a whole worker process for tests that kill one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "supervisor":
			os.Exit(runner.SupervisorMain())
		case "worker-process":
			os.Exit(workerProcess(os.Args[2:]))
		}
	}
	servers.AtOnce(4)
	goleak.VerifyTestMain(dbtest.Main(m))
}

// Fleets are written and read by short names: each test has many of them.
var (
	fleetOf = agenttest.Fleet
	agents  = agenttest.Agents
	sh      = agenttest.Sh
)

// start runs a service until the test ends.
func start(t testing.TB, d *db.DB, yaml string) *Service {
	t.Helper()
	return startOn(t, d, t.TempDir(), fleetOf(t, yaml))
}

func startOn(t testing.TB, d *db.DB, dataDir string, fleet *agent.Fleet) *Service {
	t.Helper()
	s := newService(t, d, dataDir, fleet)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func newService(t testing.TB, d *db.DB, dataDir string, fleet *agent.Fleet) *Service {
	t.Helper()
	return newWith(t, Options{DB: d, Fleet: fleet, DataDir: dataDir})
}

// newWith makes a service that is stopped when the test ends.
func newWith(t testing.TB, o Options) *Service {
	t.Helper()
	o.Version, o.Log = "test", testLog(t)
	s, err := New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

// startWith runs a service in a folder of its own, as on another host.
func startWith(t testing.TB, o Options) *Service {
	t.Helper()
	o.DataDir = t.TempDir()
	s := newWith(t, o)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// stop ends a service within the time a test allows.
func stop(t testing.TB, s *Service) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func enqueue(t testing.TB, s *Service, agent string) engine.Job {
	t.Helper()
	return enqueueWith(t, s, engine.EnqueueParams{Agent: agent})
}

func enqueueWith(t testing.TB, s *Service, p engine.EnqueueParams) engine.Job {
	t.Helper()
	job, err := s.Enqueue(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// until polls a condition for as long as a slow machine may need.
func until(t testing.TB, what string, met func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for pause := 2 * time.Millisecond; !met(); pause = min(pause*3/2, 50*time.Millisecond) { // the longer it takes, the less often
		select {
		case <-deadline:
			t.Fatalf("timed out waiting: %s", what)
		case <-time.After(pause):
		}
	}
}

func get(t testing.TB, s *Service, id engine.ID) engine.Detail {
	t.Helper()
	d, err := s.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func untilState(t testing.TB, s *Service, id engine.ID, state engine.State) engine.Detail {
	t.Helper()
	var d engine.Detail
	until(t, "job in state "+string(state), func() bool { d = get(t, s, id); return d.State == state })
	return d
}

func touch(t testing.TB, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }
