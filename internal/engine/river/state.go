package river

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
)

// This file is where a running job changes its state, and where that is made safe. A job goes these ways:
//
//	enqueued                  available, or scheduled for later        River's insert (internal/jobspec)
//	due                       scheduled, retryable -> available        River's scheduler, in the client that leads
//	fetched                   available -> running                     River's fetch, within the worker's limits
//	attempt ended             running -> completed, available or retryable (failed), scheduled (later), discarded (no attempt left),
//	                          cancelled, available (the worker stops)  SetState, in the transaction that ends the run
//	fetched beyond a limit    running -> available                     PutBack
//	attempt is nobody's       running -> available, or cancelled when that was asked for    Requeue
//	its worker died           running -> available, scheduled or discarded                  RequeueLost, DiscardLost
//	operator                  any but running -> available (retry), not ended -> cancelled (cancel), deleted    actor.go
//
// Whatever leaves running names the attempt that it ends: the number of the attempt and the River client that had it.
// A job that is another attempt's by now is left alone, so that each end is written once, whoever else writes one.

// ErrSuperseded means that the job was taken away from this attempt, whose worker was taken for dead.
var ErrSuperseded = errors.New("another worker has taken the job over")

// Running is a job whose last attempt is under way as far as the database knows.
type Running struct {
	ID        int64
	Attempt   int
	Queue     string
	Client    string // the River client's id
	Worker    string // empty: the client is none of ours
	Cancelled bool   // that was asked for
}

// RunningJobs returns all jobs that run.
func (t *Table) RunningJobs(ctx context.Context) ([]Running, error) {
	rows, err := t.db.Read.QueryContext(ctx, `select j.id, j.attempt, j.queue, `+t.sql.lastClient+`, `+t.sql.cancelNote+`, j.attempted_at
		from river_job j where j.state = 'running'`)
	return db.Collect(rows, err, func(rows *sql.Rows) (j Running, err error) {
		var client, note sql.NullString
		var attempted engine.Time
		err = rows.Scan(&j.ID, &j.Attempt, &j.Queue, &client, &note, &attempted)
		j.Cancelled = noted(note, attempted)
		j.Client = client.String
		j.Worker, _ = WorkerOf(client.String)
		return j, err
	})
}

// AttemptsOf returns whose attempt each of these jobs is, without its queue and worker. Those that were deleted are missing.
func (t *Table) AttemptsOf(ctx context.Context, ids []int64) ([]Running, error) {
	condition, args := t.db.In(`j.id`, ids)
	rows, err := t.db.Read.QueryContext(ctx, `select j.id, j.attempt, `+t.sql.lastClient+`, j.attempted_at,
		case when j.state = 'running' then `+t.sql.cancelNote+` end from river_job j where `+condition, args...)
	return db.Collect(rows, err, func(rows *sql.Rows) (j Running, err error) {
		var client, note sql.NullString
		var attempted engine.Time
		err = rows.Scan(&j.ID, &j.Attempt, &client, &attempted, &note)
		j.Client, j.Cancelled = client.String, noted(note, attempted)
		return j, err
	})
}

// Held asks for the job of an attempt, by the numbers of the parameters that hold the job, the attempt's number and its River client. There is
// a row as long as the job is that attempt's.
func (t *Table) Held(job, attempt, client int) string {
	return fmt.Sprintf(`select 1 from river_job j where j.id = $%d and j.state = 'running' and j.attempt = $%d and `+t.sql.lastClient+` = $%d`, job, attempt, client)
}

// Hold keeps the job of an attempt as it is until the transaction ends, or returns ErrSuperseded when it is not this attempt's any
// more.
func (a *Actor) Hold(ctx context.Context, tx *db.Tx, job int64, attempt int, client string) error {
	var n int
	err := tx.QueryRowContext(ctx, a.table.Held(1, 2, 3)+a.db.ForUpdate(), job, attempt, client).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrSuperseded
	}
	return err
}

// SetState brings one running job to another state, by River's own statement. It is ErrSuperseded when the job runs no more; whether it
// is this attempt's, Hold checks first.
func (a *Actor) SetState(ctx context.Context, tx *db.Tx, to *riverdriver.JobSetStateIfRunningParams) error {
	moved, err := a.queue.SetStateTx(ctx, tx, &riverdriver.JobSetStateIfRunningManyParams{
		ID: []int64{to.ID}, Attempt: []*int{to.Attempt}, ErrData: [][]byte{to.ErrData}, FinalizedAt: []*time.Time{to.FinalizedAt},
		MetadataDoMerge: []bool{to.MetadataDoMerge}, MetadataUpdates: [][]byte{to.MetadataUpdates}, ScheduledAt: []*time.Time{to.ScheduledAt}, State: []rivertype.JobState{to.State},
	})
	if err == nil && len(moved) == 0 {
		return ErrSuperseded
	}
	return err
}

// backChange gives the attempt back that the job has begun.
const backChange = `state = 'available', attempt = case when attempt > 0 then attempt - 1 else 0 end, scheduled_at = $5`

// Requeue makes a job available whose attempt is nobody's, or cancelled when that had been asked for, unless its attempt has
// ended. It does not use up an attempt.
func (a *Actor) Requeue(ctx context.Context, tx *db.Tx, j Running) (moved bool, err error) {
	return a.move(ctx, tx, j, backChange, time.Now(), true)
}

// PutBack makes a job available that was fetched beyond a limit, due at a time. Nobody knows of it yet.
func (a *Actor) PutBack(ctx context.Context, job *rivertype.JobRow, client string, due time.Time) error {
	_, err := a.db.Write.ExecContext(ctx, `update river_job as j set `+backChange+`
		where id = $1 and state = 'running' and attempt = $2 and `+a.table.sql.lastClient+` = $3 and queue = $4`,
		job.ID, job.Attempt, client, job.Queue, a.db.Stamp(due))
	return err
}

// LossesKey is where the metadata of a job has how many workers died while they ran it.
const LossesKey = "agentos_losses"

// Losses returns how many workers died while they ran a job, and the job's kind. That there is no such job is sql.ErrNoRows.
func (a *Actor) Losses(ctx context.Context, tx *db.Tx, job int64) (kind string, losses int, err error) {
	err = tx.QueryRowContext(ctx, `select j.kind, `+a.table.sql.losses+` from river_job j where j.id = $1`+a.db.ForUpdate(), job).Scan(&kind, &losses)
	return kind, losses, err
}

// ScheduleAbove is how soon River's scheduler looks: every five seconds. A job that is due sooner is available at once, for a time to
// come, and found by the queue's own looks.
const ScheduleAbove = 5 * time.Second

// RequeueLost is Requeue of a job that has lost so many workers, after a wait.
func (a *Actor) RequeueLost(ctx context.Context, tx *db.Tx, j Running, losses int, wait time.Duration) (moved bool, err error) {
	change := backChange
	if wait > ScheduleAbove {
		change = strings.Replace(change, "available", "scheduled", 1)
	}
	return a.move(ctx, tx, j, change+`, metadata = `+fmt.Sprintf(a.table.sql.withLosses, 6), time.Now().Add(wait), wait == 0, losses)
}

// DiscardLost gives up a job that has lost so many workers.
func (a *Actor) DiscardLost(ctx context.Context, tx *db.Tx, j Running, losses int, text string) (moved bool, err error) {
	failure, err := json.Marshal(rivertype.AttemptError{At: time.Now().UTC(), Attempt: j.Attempt, Error: text})
	if err != nil {
		return false, err
	}
	return a.move(ctx, tx, j, `state = 'discarded', finalized_at = $5, metadata = `+fmt.Sprintf(a.table.sql.withLosses, 6)+`,
		errors = `+fmt.Sprintf(a.table.sql.withError, 7), time.Now(), false, losses, string(failure))
}

// move changes a job that still runs as it was seen, or cancels it when that had been asked for. The change has a time as $5, and
// more from $6 on.
func (a *Actor) move(ctx context.Context, tx *db.Tx, j Running, change string, at time.Time, announce bool, more ...any) (moved bool, err error) {
	if j.Cancelled {
		change, at, more = `state = 'cancelled', finalized_at = $5`, time.Now(), nil
	}
	result, err := tx.ExecContext(ctx, `update river_job as j set `+change+`
		where id = $1 and state = 'running' and attempt = $2 and `+a.table.sql.lastClient+` = $3 and queue = $4`,
		append([]any{j.ID, j.Attempt, j.Client, j.Queue, a.db.Stamp(at)}, more...)...)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	if err != nil || n == 0 || j.Cancelled || !announce {
		return n > 0, err
	}
	return true, a.announce(ctx, tx, j.Queue)
}

// noted reports whether a note of a cancellation is about the attempt under way. River keeps that of an earlier attempt
// when a cancelled job is retried.
func noted(note sql.NullString, attempted engine.Time) bool {
	if !note.Valid {
		return false
	}
	at, err := time.Parse(time.RFC3339Nano, note.String)
	return err == nil && !at.Before(attempted.Time)
}
