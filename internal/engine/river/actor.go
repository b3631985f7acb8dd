package river

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/redact"
)

// Actor changes jobs of a River database, ours or another program's, by River's own client.
//
// That client leaves a job alone, without a word, whose state does not allow what is asked. So each act locks the job's row
// first and looks at it: what cannot be done is an ErrConflict that says why, and nobody can get in between.
type Actor struct {
	db    *db.DB
	queue Client
	table *Table
}

// NewActor makes what acts on the jobs of a database that takes writes; schema is where River's tables are, if that is not the
// first that the connections search.
func NewActor(d *db.DB, schema string, rules *redact.Rules, log *slog.Logger) (*Actor, error) {
	client, err := NewClient(d, nil, &river.Config{FetchCooldown: river.FetchCooldownMin, Logger: log, Schema: schema})
	if err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	return &Actor{db: d, queue: client, table: NewTable(d, rules)}, nil
}

// Client is River's, for everything but running jobs. Its cooldown bounds nothing but how often it announces inserts into one queue.
func (a *Actor) Client() Client { return a.queue }

// target is what decides about an act on a job.
type target struct {
	state, queue string
	attempt      int64
}

// Retry makes a job available now, also one that ended. It gets one attempt more when it has none left.
func (a *Actor) Retry(ctx context.Context, job engine.ID) (engine.Job, error) {
	return a.act(ctx, "retry", job, func(tx *db.Tx, id int64, t target) error {
		switch {
		case t.state == string(rivertype.JobStateRunning):
			return engine.ErrorOf(engine.ErrConflict, "job %d is running: cancel it first, or wait for its end", id)
		case t.state == string(rivertype.JobStateAvailable):
			return engine.ErrorOf(engine.ErrConflict, "job %d is already waiting to be run", id)
		case t.attempt >= mostAttempts && a.db.Kind == db.Postgres:
			return engine.ErrorOf(engine.ErrConflict, "job %d has had %d attempts, and River counts no further: enqueue it again", id, t.attempt)
		}
		if err := a.forgetCancel(ctx, tx, id); err != nil {
			return err
		}
		if _, err := a.queue.JobRetryTx(ctx, tx, id); err != nil {
			return err
		}
		return a.announce(ctx, tx, t.queue)
	})
}

// mostAttempts is as far as River's column counts on Postgres.
const mostAttempts = 1<<15 - 1

// Cancel ends a job: at once when it waits; one that runs is asked to stop, and still runs when Cancel returns.
func (a *Actor) Cancel(ctx context.Context, job engine.ID) (engine.Job, error) {
	return a.act(ctx, "cancel", job, func(tx *db.Tx, id int64, t target) error {
		if engine.State(t.state).Ended() {
			return engine.ErrorOf(engine.ErrConflict, "job %d has already ended (%s): there is nothing to cancel", id, t.state)
		}
		_, err := a.queue.JobCancelTx(ctx, tx, id)
		return err
	})
}

// Delete removes a job that does not run, and what also does in the same transaction; nil: nothing.
func (a *Actor) Delete(ctx context.Context, job engine.ID, also func(tx *db.Tx, id int64) error) error {
	_, err := a.act(ctx, "delete", job, func(tx *db.Tx, id int64, t target) error {
		if t.state == string(rivertype.JobStateRunning) {
			return engine.ErrorOf(engine.ErrConflict, "job %d is running: cancel it first", id)
		}
		if _, err := a.queue.JobDeleteTx(ctx, tx, id); err != nil {
			return err
		}
		if also == nil {
			return nil
		}
		return also(tx, id)
	})
	return err
}

// PauseQueue lets no further job of a queue begin, and does what comes first in the same transaction; nil: nothing.
func (a *Actor) PauseQueue(ctx context.Context, name string, first func(*db.Tx) error) error {
	return a.setQueuePaused(ctx, name, "pause", first, a.queue.QueuePauseTx)
}

// ResumeQueue ends a pause, as PauseQueue begins one.
func (a *Actor) ResumeQueue(ctx context.Context, name string, first func(*db.Tx) error) error {
	return a.setQueuePaused(ctx, name, "resume", first, a.queue.QueueResumeTx)
}

func (a *Actor) setQueuePaused(ctx context.Context, name, what string, first func(*db.Tx) error, turn func(context.Context, *db.Tx, string, *river.QueuePauseOpts) error) error {
	if name == "*" { // River takes it for all queues
		return engine.ErrorOf(engine.ErrNotFound, "there is no queue %q", name)
	}
	err := a.db.InTx(ctx, func(tx *db.Tx) error {
		if first != nil {
			if err := first(tx); err != nil {
				return err
			}
		}
		return turn(ctx, tx, name, nil)
	})
	if errors.Is(err, rivertype.ErrNotFound) {
		return engine.ErrorOf(engine.ErrNotFound, "there is no queue %q: River knows those that a client has worked", name)
	}
	return engine.WrapDB(what+" the queue", err)
}

// act does something to a job whose row is locked, and returns the job as lists show it; nothing of one that was deleted.
func (a *Actor) act(ctx context.Context, what string, job engine.ID, do func(tx *db.Tx, id int64, t target) error) (engine.Job, error) {
	id, err := JobNumber(job)
	if err != nil {
		return engine.Job{}, err
	}
	err = a.db.InTx(ctx, func(tx *db.Tx) error {
		t, err := a.lock(ctx, tx, id)
		if err != nil {
			return err
		}
		return do(tx, id, t)
	})
	switch {
	case err == nil && what == "delete":
		return engine.Job{}, nil
	case err == nil:
		return a.table.Job(ctx, id)
	case errors.Is(err, sql.ErrNoRows), errors.Is(err, rivertype.ErrNotFound):
		return engine.Job{}, engine.NoSuchJob(job)
	case errors.Is(err, engine.ErrConflict):
		return engine.Job{}, err
	case errors.Is(err, rivertype.ErrJobRunning):
		return engine.Job{}, engine.ErrorOf(engine.ErrConflict, "job %d is running: cancel it first", id)
	case db.ReadOnly(err):
		return engine.Job{}, engine.ErrorOf(engine.ErrConflict, "the database takes no writes: it is a replica, or failing over; where it is a replica, name its primary with --attach and the replica with --attach-replica")
	case isUniqueConflict(err):
		return engine.Job{}, a.twinned(ctx, id)
	case isUnreadable(err):
		return engine.Job{}, engine.ErrorOf(engine.ErrConflict, "River's own client can neither read nor change job %d (%v): correct its row by SQL", id, err)
	}
	return engine.Job{}, engine.WrapDB(fmt.Sprintf("%s job %d", what, id), err)
}

// lock keeps others from changing a job until the transaction ends, and reads what decides about it. On SQLite a transaction that
// writes keeps all others out.
func (a *Actor) lock(ctx context.Context, tx *db.Tx, id int64) (t target, err error) {
	err = tx.QueryRowContext(ctx, `select state, queue, attempt from river_job where id = $1`+a.db.ForUpdate(), id).Scan(&t.state, &t.queue, &t.attempt)
	return t, err
}

// forgetCancel removes what River keeps of an earlier cancellation: the note at the job, which would cancel it again at
// its first failure, and the notice to workers, which would cancel the new attempt if it came late. On Postgres notices are
// not kept: they arrive at once or never.
func (a *Actor) forgetCancel(ctx context.Context, tx *db.Tx, id int64) error {
	sql := a.table.sql
	_, err := tx.ExecContext(ctx, `update river_job set metadata = `+sql.withoutCancel+` where id = $1 and `+sql.cancelled, id)
	if err != nil || a.db.Kind == db.Postgres {
		return err
	}
	_, err = tx.ExecContext(ctx, `delete from river_notification where topic = 'river_control'
		and json_extract(payload, '$.action') = 'cancel' and json_extract(payload, '$.job_id') = $1`, id)
	return err
}

// announce notifies the workers that a queue has a job that did not come by an insert.
func (a *Actor) announce(ctx context.Context, tx *db.Tx, queue string) error {
	return a.queue.NotifyTx(ctx, tx, InsertTopic, []string{InsertPayload(queue)})
}

// isUniqueConflict reports whether the database refused a second job of one unique key.
func isUniqueConflict(err error) bool {
	var postgres *pgconn.PgError
	if errors.As(err, &postgres) {
		return postgres.Code == "23505"
	}
	var lite *sqlite.Error
	return errors.As(err, &lite) && lite.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE
}

// isUnreadable reports whether River's client or the database failed at what stands in the row: a time without end, metadata that
// is no object.
func isUnreadable(err error) bool {
	var postgres *pgconn.PgError
	if errors.As(err, &postgres) { // data exceptions and broken constraints
		return strings.HasPrefix(postgres.Code, "22") || strings.HasPrefix(postgres.Code, "23")
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return lite.Code()&0xff == sqlite3.SQLITE_CONSTRAINT || strings.Contains(err.Error(), "malformed JSON")
	}
	var scan pgx.ScanArgError
	return errors.As(err, &scan) || strings.Contains(err.Error(), "Scan error on column")
}

// twinTimeout bounds the look for the job that another one is not to be beside.
const twinTimeout = time.Second

// twinned is the conflict of a job that is unique while another one with the same key is under way.
func (a *Actor) twinned(ctx context.Context, id int64) error {
	ctx, cancel := context.WithTimeout(ctx, twinTimeout)
	defer cancel()
	var twin int64
	var state string
	err := a.db.Read.QueryRowContext(ctx, `select j.id, j.state from river_job j where j.unique_key = (select unique_key from river_job where id = $1)
		and j.unique_key is not null and j.unique_states is not null and `+a.table.sql.holdsKey+` and j.id <> $1`, id).Scan(&twin, &state)
	if err != nil { // it ended meanwhile, or River's schema is an older one
		return engine.ErrorOf(engine.ErrConflict, "job %d is unique, and another one like it is under way: cancel that one first, or wait for its end", id)
	}
	return engine.ErrorOf(engine.ErrConflict, "job %d is unique, and job %d, which is like it, is %s: cancel that one first, or wait for its end", id, twin, state)
}
