package attach

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
)

func (s *site) actions(t testing.TB, of *Service) *Actions {
	t.Helper()
	a, err := NewActions(of, s.admin, s.schema, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// setUnique gives jobs the key and the states that River gives those of InsertOpts.UniqueOpts.
func (s *site) setUnique(t testing.TB, key string, ids ...int64) {
	t.Helper()
	states := `B'11110101'`
	if s.kind == db.SQLite {
		states = `245`
	}
	for _, id := range ids {
		s.exec(t, `update river_job set unique_key = $1, unique_states = `+states+` where id = $2`, []byte(key), id)
	}
}

func TestRefusedActionsSayWhy(t *testing.T) {
	eachSite(t, func(t *testing.T, site *site) {
		now := time.Now()
		running := site.insert(t, job{kind: "mail", state: "running", client: clientA, attempt: 1, attempted: now})
		waiting := site.insert(t, job{kind: "mail", state: "available"})
		parked := site.insert(t, job{kind: "mail", state: "pending"})
		completed := site.insert(t, done("mail", "completed", now))
		discarded := site.insert(t, done("mail", "discarded", now, "no"))
		cancelled := site.insert(t, done("mail", "cancelled", now))
		last := site.insert(t, done("mail", "discarded", now, "no"))
		site.exec(t, `update river_job set attempt = 32767, max_attempts = 32767 where id = $1`, last)
		before := site.insert(t, done("import", "discarded", now, "no"))
		twin := site.insert(t, job{kind: "import", state: "scheduled", scheduled: now.Add(time.Hour)})
		site.setUnique(t, "import of today", before, twin)
		broken := site.insert(t, job{kind: "mail", state: "scheduled", scheduled: now.Add(time.Hour), metadata: `[]`})

		s := site.begun(t, nil)
		a := site.actions(t, s)
		retry := func(ctx context.Context, id int64) error { _, err := a.Retry(ctx, engine.NumberID(id)); return err }
		cancel := func(ctx context.Context, id int64) error { _, err := a.Cancel(ctx, engine.NumberID(id)); return err }
		remove := func(ctx context.Context, id int64) error { return a.Delete(ctx, engine.NumberID(id)) }
		for _, c := range []struct {
			name string
			act  func(context.Context, int64) error
			id   int64
			kind error
			text string
		}{
			{"retry what runs", retry, running, engine.ErrConflict, "is running: cancel it first, or wait for its end"},
			{"retry what waits", retry, waiting, engine.ErrConflict, "is already waiting to be run"},
			{"retry beside its twin", retry, before, engine.ErrConflict, fmt.Sprintf("job %d is unique, and job %d, which is like it, is scheduled: cancel that one first", before, twin)},
			{"retry what is not there", retry, 9_999, engine.ErrNotFound, "there is no job 9999"},
			{"cancel what completed", cancel, completed, engine.ErrConflict, "has already ended (completed): there is nothing to cancel"},
			{"cancel what gave up", cancel, discarded, engine.ErrConflict, "has already ended (discarded)"},
			{"cancel what was cancelled", cancel, cancelled, engine.ErrConflict, "has already ended (cancelled)"},
			{"cancel what is not there", cancel, 9_999, engine.ErrNotFound, "there is no job 9999"},
			{"delete what runs", remove, running, engine.ErrConflict, "is running: cancel it first"},
			{"delete what is not there", remove, 9_999, engine.ErrNotFound, "there is no job 9999"},
		} {
			if err := c.act(t.Context(), c.id); !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%s: %v, want %v with %q", c.name, err, c.kind, c.text)
			}
		}
		if err := a.PauseQueue(t.Context(), "*"); !errors.Is(err, engine.ErrNotFound) {
			t.Errorf("pause all queues: %v", err)
		}
		if site.kind == db.Postgres {
			if err := retry(t.Context(), last); !errors.Is(err, engine.ErrConflict) || !strings.Contains(err.Error(), "counts no further") {
				t.Errorf("retry after 32767 attempts: %v", err)
			}
			if err := cancel(t.Context(), broken); !errors.Is(err, engine.ErrConflict) || !strings.Contains(err.Error(), "correct its row") {
				t.Errorf("cancel what cannot be marked: %v", err)
			}
		}
		// None of it stands in the way of what can be done.
		for name, act := range map[string]func() (engine.Job, error){
			"retry what is parked": func() (engine.Job, error) { return a.Retry(t.Context(), engine.NumberID(parked)) },
			"retry what completed": func() (engine.Job, error) { return a.Retry(t.Context(), engine.NumberID(completed)) },
			"cancel the twin":      func() (engine.Job, error) { return a.Cancel(t.Context(), engine.NumberID(twin)) },
			"cancel what runs":     func() (engine.Job, error) { return a.Cancel(t.Context(), engine.NumberID(running)) },
		} {
			if j, err := act(); err != nil || j.ID == "" {
				t.Errorf("%s: %+v, %v", name, j, err)
			}
		}
		if j, err := a.Retry(t.Context(), engine.NumberID(before)); err != nil || j.State != "available" {
			t.Errorf("retry once the twin is cancelled: %+v, %v", j, err)
		}
	})
}

// TestRetryOfACancelledJobIsNotCancelledAgain: River keeps the note of a cancellation, by which a job ends at its next failure.
func TestRetryOfACancelledJobIsNotCancelledAgain(t *testing.T) {
	eachSite(t, func(t *testing.T, site *site) {
		id := site.insert(t, job{kind: "mail", state: "available"})
		a := site.actions(t, site.begun(t, nil))
		if _, err := a.Cancel(t.Context(), engine.NumberID(id)); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Retry(t.Context(), engine.NumberID(id)); err != nil {
			t.Fatal(err)
		}
		query := `select metadata from app.river_job where id = $1`
		if site.kind == db.SQLite {
			query = `select json(metadata) from river_job where id = $1`
		}
		var metadata string
		if err := site.pool.QueryRowContext(t.Context(), query, id).Scan(&metadata); err != nil || strings.Contains(metadata, "cancel") {
			t.Errorf("metadata %s, %v", metadata, err)
		}
	})
}

// TestActionsOnASchemaOfLongAgo: River's client cannot read its rows.
func TestActionsOnASchemaOfLongAgo(t *testing.T) {
	site := newSite(t, db.Postgres, 5)
	id := site.insert(t, job{kind: "mail", state: "available"})
	a := site.actions(t, site.begun(t, nil))
	for name, act := range map[string]func() error{
		"retry":  func() error { _, err := a.Retry(t.Context(), engine.NumberID(id)); return err },
		"cancel": func() error { _, err := a.Cancel(t.Context(), engine.NumberID(id)); return err },
		"delete": func() error { return a.Delete(t.Context(), engine.NumberID(id)) },
	} {
		if err := act(); !errors.Is(err, engine.ErrConflict) || !strings.Contains(err.Error(), "at version 5, and actions need 6: migrate") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestActionsWorkOnConnectionsThatAreOld lets every connection of the pool grow older than a dial may take.
func TestActionsWorkOnConnectionsThatAreOld(t *testing.T) {
	site := newSite(t, db.Postgres, 0)
	a := site.actions(t, site.begun(t, nil))
	var old sync.WaitGroup
	for range 2 {
		old.Go(func() {
			if _, err := a.db.Write.ExecContext(t.Context(), `select pg_sleep(3.2)`); err != nil {
				t.Error(err)
			}
		})
	}
	old.Wait()
	for range 40 {
		id := site.insert(t, done("mail", "discarded", time.Now(), "no"))
		if _, err := a.Retry(t.Context(), engine.NumberID(id)); err != nil {
			t.Error(err)
		}
	}
}
