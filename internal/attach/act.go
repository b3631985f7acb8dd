package attach

import (
	"context"
	"errors"
	"log/slog"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river"
)

// Actions changes jobs and queues of the attached database through River's own client, which works no jobs and leads nothing.
type Actions struct {
	service *Service
	db      *db.DB
	actor   *river.Actor
}

// NewActions makes what acts on the attached database, by the URL of one that takes writes.
func NewActions(s *Service, rawURL, schema string, log *slog.Logger) (*Actions, error) {
	writing, err := db.AttachWriting(rawURL, schema, log)
	if err != nil {
		return nil, err
	}
	actor, err := river.NewActor(writing, schema, s.redact, log)
	if err != nil {
		return nil, errors.Join(err, writing.Close())
	}
	return &Actions{service: s, db: writing, actor: actor}, nil
}

// Close ends its connections.
func (a *Actions) Close() error { return a.db.Close() }

// The oldest versions of River's schema that its client can change.
const (
	actingPostgres = 6
	actingSQLite   = 7
)

// ready is a conflict when River's client knows the schema no more.
func (a *Actions) ready() error {
	found, needed := a.service.Source().SchemaVersion, actingPostgres
	if a.db.Kind == db.SQLite {
		needed = actingSQLite
	}
	if found != 0 && found < needed {
		return engine.ErrorOf(engine.ErrConflict, "River's schema is at version %d, and actions need %d: migrate it with River's own tool", found, needed)
	}
	return nil
}

// Retry makes a job run again now.
func (a *Actions) Retry(ctx context.Context, id engine.ID) (engine.Job, error) {
	if err := a.ready(); err != nil {
		return engine.Job{}, err
	}
	job, err := a.actor.Retry(ctx, id)
	return job, a.acted(err, engine.JobChanged)
}

// Cancel cancels a job: at once when it waits; one that runs is asked to stop.
func (a *Actions) Cancel(ctx context.Context, id engine.ID) (engine.Job, error) {
	if err := a.ready(); err != nil {
		return engine.Job{}, err
	}
	job, err := a.actor.Cancel(ctx, id)
	return job, a.acted(err, engine.JobChanged)
}

// Delete deletes a job that does not run.
func (a *Actions) Delete(ctx context.Context, id engine.ID) error {
	if err := a.ready(); err != nil {
		return err
	}
	return a.acted(a.actor.Delete(ctx, id, nil), engine.JobChanged)
}

// PauseQueue starts no more jobs of a queue.
func (a *Actions) PauseQueue(ctx context.Context, name string) error {
	return a.acted(a.actor.PauseQueue(ctx, name, nil), engine.QueueChanged)
}

// ResumeQueue starts jobs of a queue again.
func (a *Actions) ResumeQueue(ctx context.Context, name string) error {
	return a.acted(a.actor.ResumeQueue(ctx, name, nil), engine.QueueChanged)
}

// acted drops what an act changed, and notifies whoever shows it.
func (a *Actions) acted(err error, event engine.Event) error {
	if err == nil {
		a.service.waiting.Drop()
		a.service.running.Drop()
		a.service.running.longest.Drop()
		a.service.notify(event)
	}
	return err
}
