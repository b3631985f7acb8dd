package river

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
)

const (
	maxPreview   = 120 // bytes of arguments in a list
	maxListError = 200 // bytes of an error in a list
)

// jobRow is a job as read: its arguments are those of the database, with secrets.
type jobRow struct {
	engine.Job
	id      int64
	size    int64
	rawArgs sql.NullString
}

func (r *jobRow) fields() []any {
	r.Attempt, r.MaxAttempts, r.Priority = new(int), new(int), new(int) // River always has them
	r.CreatedAt, r.ScheduledAt = new(engine.Time), new(engine.Time)
	return []any{&r.id, engine.ScanName(&r.Agent), engine.ScanName(&r.Queue), engine.ScanName((*string)(&r.State)), engine.ScanNumber(r.Attempt), engine.ScanNumber(r.MaxAttempts), engine.ScanNumber(r.Priority),
		r.CreatedAt, r.ScheduledAt, &r.AttemptedAt, &r.FinalizedAt}
}

// scanJob reads a dialect's jobColumns and what follows them.
func (t *Table) scanJob(rows interface{ Scan(...any) error }, after ...any) (r jobRow, err error) {
	var size sql.NullInt64
	var client, failure sql.NullString
	into := append(r.fields(), &size, &r.rawArgs, &client, &failure)
	if err := rows.Scan(append(into, after...)...); err != nil {
		return r, err
	}
	r.ID, r.Order = engine.NumberID(r.id), -r.id
	r.size = size.Int64
	r.Args = t.preview(r.rawArgs, r.size)
	if client.Valid {
		name := engine.Clip(engine.Clean(client.String), engine.MaxName)
		if worker, ours := WorkerOf(name); ours {
			name = worker
		}
		r.Worker = &name
	}
	if failure.Valid {
		text := engine.Clip(engine.Clean(t.redact.Text(plainError(failure.String))), maxListError)
		r.Error = &text
	}
	return r, nil
}

// plainError leaves out what River puts before the text of a cancellation.
func plainError(text string) string { return strings.TrimPrefix(text, "JobCancelError: ") }

// preview is one short line of a job's arguments without secrets.
func (t *Table) preview(raw sql.NullString, size int64) string {
	if !raw.Valid {
		return fmt.Sprintf("(%s of JSON)", engine.SizeText(size))
	}
	return engine.Clip(t.redact.Any(raw.String), maxPreview)
}

// Job reads one job as lists show it.
func (t *Table) Job(ctx context.Context, id int64) (engine.Job, error) {
	r, err := t.scanJob(t.db.Read.QueryRowContext(ctx, `select `+t.sql.jobColumns()+` from river_job j where j.id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return engine.Job{}, engine.NoSuchJob(engine.NumberID(id))
	}
	return r.Job, engine.WrapDB(fmt.Sprintf("read job %d", id), err)
}

// JobNumber is River's number of a job's id; that no job has such an id is the error.
func JobNumber(id engine.ID) (int64, error) {
	if n, ok := id.Number(); ok {
		return n, nil
	}
	return 0, engine.NoSuchJob(id)
}

// jobsWhere reads jobs; the condition says which and in what order.
func (t *Table) jobsWhere(ctx context.Context, condition string, args ...any) ([]jobRow, error) {
	rows, err := t.db.Read.QueryContext(ctx, `select `+t.sql.jobColumns()+` from river_job j `+condition, args...)
	return db.Collect(rows, err, func(rows *sql.Rows) (jobRow, error) { return t.scanJob(rows) })
}

// Where reads jobs; the condition, on river_job j, says which and in what order, and has to be one that an index answers.
func (t *Table) Where(ctx context.Context, condition string, args ...any) ([]engine.Job, error) {
	rows, err := t.jobsWhere(ctx, condition, args...)
	return plain(rows), err
}

func plain(rows []jobRow) []engine.Job {
	all := make([]engine.Job, len(rows))
	for i, r := range rows {
		all[i] = r.Job
	}
	return all
}

// Newest returns the n jobs created last, newest first.
func (t *Table) Newest(ctx context.Context, n int) ([]engine.Job, error) {
	rows, err := t.jobsWhere(ctx, `order by j.id desc limit $1`, n)
	return plain(rows), engine.WrapDB("read the newest jobs", err)
}
