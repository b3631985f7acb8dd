package attach

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"
	_ "modernc.org/sqlite" // the driver

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/jobs"
)

// client is what River's clients can do to jobs that are there.
type client interface {
	JobCancel(ctx context.Context, id int64) (*rivertype.JobRow, error)
	JobDelete(ctx context.Context, id int64) (*rivertype.JobRow, error)
	JobRetry(ctx context.Context, id int64) (*rivertype.JobRow, error)
	QueuePause(ctx context.Context, name string, opts *river.QueuePauseOpts) error
	QueueResume(ctx context.Context, name string, opts *river.QueuePauseOpts) error
}

// Actions changes jobs and queues of the attached database through River's own client, which works no jobs and leads nothing.
type Actions struct {
	service *Service
	river   client
	close   func() error
}

// NewActions makes what acts on the attached database, by the URL of one that takes writes.
func NewActions(ctx context.Context, s *Service, rawURL, schema string, log *slog.Logger) (*Actions, error) {
	config := &river.Config{Logger: log, Schema: schema}
	if s.foreign.Kind == db.SQLite {
		pool, err := sql.Open("sqlite", db.SharedDSN(s.foreign.Path))
		if err != nil {
			return nil, err
		}
		pool.SetMaxOpenConns(1)
		made, err := river.NewClient(riversqlite.New(pool), config)
		if err != nil {
			return nil, errors.Join(err, pool.Close())
		}
		return &Actions{service: s, river: made, close: pool.Close}, nil
	}
	conn, err := db.ConnConfig(rawURL)
	if err != nil {
		return nil, err
	}
	pooled, err := pgxpool.ParseConfig(rawURL)
	if err != nil {
		return nil, err
	}
	pooled.ConnConfig, pooled.MaxConns, pooled.MinConns = conn, 2, 0
	pool, err := pgxpool.NewWithConfig(ctx, pooled)
	if err != nil {
		return nil, err
	}
	made, err := river.NewClient[pgx.Tx](riverpgxv5.New(pool), config)
	if err != nil {
		pool.Close()
		return nil, err
	}
	return &Actions{service: s, river: made, close: func() error { pool.Close(); return nil }}, nil
}

// Close ends its connections.
func (a *Actions) Close() error { return a.close() }

// Retry makes a job run again now.
func (a *Actions) Retry(ctx context.Context, id int64) (jobs.Job, error) {
	row, err := a.river.JobRetry(ctx, id)
	return a.acted(ctx, "retry", id, row, err)
}

// Cancel cancels a job: at once when it waits; one that runs is told to stop.
func (a *Actions) Cancel(ctx context.Context, id int64) (jobs.Job, error) {
	row, err := a.river.JobCancel(ctx, id)
	return a.acted(ctx, "cancel", id, row, err)
}

// Delete deletes a job that does not run.
func (a *Actions) Delete(ctx context.Context, id int64) error {
	_, err := a.river.JobDelete(ctx, id)
	if errors.Is(err, rivertype.ErrJobRunning) {
		return jobs.ErrorOf(jobs.ErrConflict, "job %d is running: cancel it first", id)
	}
	_, err = a.acted(ctx, "delete", id, nil, err)
	return err
}

// acted tells what became of an action, with the job as lists show it. A replica may show it later.
func (a *Actions) acted(ctx context.Context, what string, id int64, row *rivertype.JobRow, err error) (jobs.Job, error) {
	switch {
	case errors.Is(err, rivertype.ErrNotFound):
		return jobs.Job{}, jobs.NoSuchJob(id)
	case err != nil:
		return jobs.Job{}, jobs.Explain(fmt.Sprintf("%s job %d", what, id), err)
	}
	a.service.waiting.drop()
	a.service.running.drop()
	a.service.running.longest.drop()
	a.service.onChange("queue", "jobs", "agents")
	if row == nil {
		return jobs.Job{}, nil
	}
	list, err := a.service.Where(ctx, `where j.id = $1`, id)
	if err != nil || len(list) == 0 {
		return jobs.Job{}, jobs.Explain(fmt.Sprintf("read job %d", id), err)
	}
	list[0].State = string(row.State)
	return list[0], nil
}

// PauseQueue starts no more jobs of a queue.
func (a *Actions) PauseQueue(ctx context.Context, name string) error {
	return a.turned(name, "pause", a.river.QueuePause(ctx, name, nil))
}

// ResumeQueue starts jobs of a queue again.
func (a *Actions) ResumeQueue(ctx context.Context, name string) error {
	return a.turned(name, "resume", a.river.QueueResume(ctx, name, nil))
}

func (a *Actions) turned(name, what string, err error) error {
	if errors.Is(err, rivertype.ErrNotFound) {
		return jobs.ErrorOf(jobs.ErrNotFound, "there is no queue %q: River knows those that a client has worked", name)
	}
	if err == nil {
		a.service.onChange("queue", "agents")
	}
	return jobs.Explain(what+" queue "+name, err)
}
