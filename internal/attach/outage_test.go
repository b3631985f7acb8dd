package attach

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/test/servers"
)

// ownServer makes a site on a Postgres server that the test may kill.
func ownServer(t *testing.T) (*site, *servers.Postgres) {
	t.Helper()
	server := servers.StartPostgres(t)
	if err := server.CreateDatabase("app", ""); err != nil {
		t.Fatal(err)
	}
	return postgresSite(t, server.URL("app"), 0), server
}

// firstOf asks until there is an answer: on a busy machine the first one comes after who asked for it has left.
func firstOf[T any](t *testing.T, ask func(context.Context) (T, error)) (value T, err error) {
	t.Helper()
	until(t, "there is a first answer", func() bool {
		value, err = ask(t.Context())
		return err == nil || !strings.Contains(err.Error(), "the first answer takes long")
	})
	return value, err
}

func until(t *testing.T, what string, met func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !met() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 30 s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func okOfDay(t *testing.T, s *Service) int64 {
	t.Helper()
	_, day, err := s.Windows(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return day.OK
}

// TestTheDatabaseGoesAndComesBack kills it while what is new is read: what it had before stays, and nothing is missing after.
func TestTheDatabaseGoesAndComesBack(t *testing.T) {
	site, server := ownServer(t)
	for i := range 20 {
		site.insert(t, done("mail", "completed", time.Now().Add(-time.Duration(i)*time.Minute)))
	}
	s := site.service(t, nil)
	s.interval = 100 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	until(t, "all is read", func() bool { return okOfDay(t, s) == 20 && s.Progress().Done })
	server.Kill()
	until(t, "the trouble is reported", func() bool { return s.Trouble() != nil })
	if got := okOfDay(t, s); got != 20 {
		t.Errorf("while it is away the day has %d jobs, want 20", got)
	}
	if s.Ready(ctx) == nil {
		t.Error("it is said to be ready")
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	site.pgx.Reset()
	site.insert(t, done("mail", "completed", time.Now()))
	until(t, "the new one is read", func() bool { return okOfDay(t, s) == 21 && s.Trouble() == nil })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestReadsAReplica attaches to a hot standby, which could not be written if one wanted to.
func TestReadsAReplica(t *testing.T) {
	site, primary := ownServer(t)
	furnish(t, site, time.Now())
	standby, err := primary.NewStandby()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := standby.Close(); err != nil {
			t.Error(err)
		}
	}()
	foreign, err := db.Attach(standby.URL("app"), site.schema, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	s, err := New(Options{Foreign: foreign, Own: dbtest.New(t), Interval: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "the replica has the jobs", func() bool {
		filled(t, s)
		return okOfDay(t, s) == 6
	})
	if _, err := firstOf(t, s.Agents); err != nil {
		t.Error(err)
	}
}
