package attach

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/test/servers"
)

// replicated is a site with a replica, read by a user who may read and no more.
type replicated struct {
	*site
	primary, standby *servers.Postgres
}

func newReplicated(t *testing.T) *replicated {
	t.Helper()
	site, primary := ownServer(t)
	err := primary.Exec(t.Context(), "app", `create role reader login`, `grant usage on schema app to reader`, `grant select on all tables in schema app to reader`)
	if err != nil {
		t.Fatal(err)
	}
	standby, err := primary.NewStandby()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := standby.Close(); err != nil {
			t.Error(err)
		}
	})
	return &replicated{site, primary, standby}
}

// attach makes a service that reads the replica, and asks the primary for its position if asked to.
func (r *replicated) attach(t *testing.T, asks bool) *Service {
	t.Helper()
	open := func(server *servers.Postgres) *db.DB {
		d, err := db.Attach(strings.Replace(server.URL("app"), "agentos:", "reader:", 1), r.schema, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		return d
	}
	opts := Options{Foreign: open(r.standby), Own: dbtest.New(t), Interval: 100 * time.Millisecond}
	if asks {
		opts.Primary = open(r.primary)
	}
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func (s *Service) stands(t *testing.T) Standing {
	t.Helper()
	found, err := s.readStanding(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestAReplicaIsAsOldAsItsData(t *testing.T) {
	r := newReplicated(t)
	exec := func(server *servers.Postgres, statement string) {
		t.Helper()
		if err := server.Exec(context.WithoutCancel(t.Context()), "postgres", statement); err != nil {
			t.Fatal(err)
		}
	}
	asking, alone := r.attach(t, true), r.attach(t, false)
	for name, s := range map[string]*Service{"asking": asking, "alone": alone} {
		until(t, name+" follows", func() bool {
			began := time.Now()
			found := s.stands(t)
			return found.Replica && found.Known && !found.DataAt.Before(began)
		})
	}
	// A primary that rests makes no replica look old.
	rested := time.Now()
	until(t, "the primary has rested", func() bool { return time.Since(rested) > 2500*time.Millisecond })
	for name, s := range map[string]*Service{"asking": asking, "alone": alone} {
		if found := s.stands(t); found.Behind(time.Now()) > 1500*time.Millisecond || found.Paused {
			t.Errorf("%s: behind a primary that rests: %+v", name, found)
		}
	}
	before := r.insert(t, done("mail", "discarded", time.Now(), "no"))
	until(t, "the replica has the job", func() bool { _, err := alone.Get(t.Context(), engine.NumberID(before)); return err == nil })
	exec(r.standby, `select pg_wal_replay_pause()`)
	pausedAt := time.Now()
	id := r.insert(t, job{kind: "mail", state: "available"})
	until(t, "some time passes", func() bool { return time.Since(pausedAt) > 2500*time.Millisecond })
	for name, s := range map[string]*Service{"asking": asking, "alone": alone} {
		found := s.stands(t)
		if behind := found.Behind(time.Now()); !found.Paused || behind < 2*time.Second || !strings.Contains(found.Reason, "paused") {
			t.Errorf("%s: while the replay is paused: %+v, %v behind", name, found, behind)
		}
		if at, err := s.present(t.Context()); err != nil || at.After(pausedAt.Add(1500*time.Millisecond)) {
			t.Errorf("%s: what ended is read as of %v, and the replay was paused at %v: %v", name, at, pausedAt, err)
		}
	}
	// An action goes to the primary, and what it returns comes from there.
	a, err := NewActions(alone, r.primary.URL("app"), r.schema, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if j, err := a.Cancel(t.Context(), engine.NumberID(id)); err != nil || j.ID != engine.NumberID(id) || j.State != "cancelled" {
		t.Errorf("cancel what the replica lacks: %+v, %v", j, err)
	}
	// One on the replica is refused.
	onReplica, err := NewActions(alone, r.standby.URL("app"), r.schema, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer onReplica.Close()
	if _, err := onReplica.Retry(t.Context(), engine.NumberID(before)); !errors.Is(err, engine.ErrConflict) || !strings.Contains(err.Error(), "takes no writes") {
		t.Errorf("retry on a replica: %v", err)
	}
	exec(r.standby, `select pg_wal_replay_resume()`)
	for name, s := range map[string]*Service{"asking": asking, "alone": alone} {
		until(t, name+" has caught up", func() bool {
			began := time.Now()
			found := s.stands(t)
			return !found.Paused && !found.DataAt.Before(began)
		})
	}
	// Without its primary nobody knows what the replica lacks.
	r.primary.Kill()
	until(t, "the replica hears nothing", func() bool {
		return strings.Contains(alone.stands(t).Reason, "receives nothing")
	})
	killed := time.Now()
	until(t, "some time passes", func() bool { return time.Since(killed) > 500*time.Millisecond })
	for name, s := range map[string]*Service{"asking": asking, "alone": alone} {
		if found := s.stands(t); found.Behind(time.Now()) < 500*time.Millisecond {
			t.Errorf("%s: cut off from the primary: %+v", name, found)
		}
	}
}
