// Package ends reads which jobs ended in River's tables, whoever fills them, by River's own index of the states and ends of jobs: at a
// cost of some 4 µs for each of them, whatever the history.
package ends

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river"
	"github.com/agentos/agentos/internal/fingerprint"
	"github.com/agentos/agentos/internal/redact"
	"github.com/agentos/agentos/internal/rollup"
)

// Ended is a job that is over.
type Ended struct {
	rollup.Ended
	ID          int64
	Client      string // of the last attempt
	Failure     string // what the last failed attempt said, without secrets; only of jobs that did not complete
	Fingerprint string // of the failure
}

// What River itself writes into a job's errors.
const (
	CancelledText = "JobCancelError: "
	RescuedText   = "Stuck job rescued by Rescuer"
)

// states come first in River's index.
const states = `j.state in ('cancelled', 'completed', 'discarded') and j.finalized_at is not null`

// Overlap is how far each reading goes back at least behind the one before: the end of a job becomes visible some time after the time it
// bears, when its transaction commits, and that is of its client's clock.
const Overlap = 10 * time.Second

// Ahead is how far into the future ends of jobs are read: clocks differ, but what bears next year's date, or the time without end,
// would be read again each time.
const Ahead = time.Hour

// Reader reads the jobs of one database.
type Reader struct {
	db      *db.DB
	redact  *redact.Rules
	columns string
}

// NewReader reads a database whose connections find River's tables.
func NewReader(d *db.DB, rules *redact.Rules) *Reader {
	client, failure := river.LastAttempt(d.Kind)
	return &Reader{db: d, redact: rules, columns: `j.id, j.kind, j.queue, j.state, j.scheduled_at, j.attempted_at, j.finalized_at,
		` + failures[d.Kind] + `, ` + client + `, case when j.state <> 'completed' then ` + failure + ` end`}
}

// failures is how many attempts failed; asked only of jobs that may have some.
var failures = map[db.Kind]string{
	db.Postgres: `case when j.attempt > 1 or j.state <> 'completed' then coalesce(array_length(j.errors, 1), 0) else 0 end`,
	db.SQLite: `case when (j.attempt > 1 or j.state <> 'completed') and json_valid(j.errors, 9) and json_type(j.errors) = 'array'
		then json_array_length(j.errors) else 0 end`,
}

// Between reads the jobs that ended in a span, at most limit of them, in no order; 0: all.
func (r *Reader) Between(ctx context.Context, from, to time.Time, limit int, each func(*Ended)) (n int, err error) {
	condition, args := ` and j.finalized_at >= $1 and j.finalized_at < $2`, []any{r.db.Stamp(from), r.db.Stamp(to)}
	if limit > 0 {
		condition, args = condition+` limit $3`, append(args, limit)
	}
	rows, err := r.db.Read.QueryContext(ctx, `select `+r.columns+` from river_job j where `+states+condition, args...)
	if err != nil {
		return 0, engine.WrapDB("read the ended jobs", err)
	}
	defer rows.Close()
	for rows.Next() {
		e, err := scan(rows)
		if err != nil {
			return n, engine.WrapDB("read the ended jobs", err)
		}
		n++
		if e != nil {
			e.Failure = r.redact.Text(e.Failure)
			each(e)
		}
	}
	return n, engine.WrapDB("read the ended jobs", rows.Err())
}

func scan(rows *sql.Rows) (*Ended, error) {
	var e Ended
	var state string
	var failed int64
	var scheduled, attempted, finalized engine.Time
	var client, failure sql.NullString
	err := rows.Scan(&e.ID, engine.ScanName(&e.Agent), engine.ScanName(&e.Queue), &state, &scheduled, &attempted, &finalized, &failed, &client, &failure)
	if err != nil {
		return nil, err
	}
	if !finalized.Known() { // no time, though the database orders it among them
		return nil, nil
	}
	e.At, e.Client = finalized.Time, client.String
	var waited, ran bool
	e.Wait, waited = attempted.Since(scheduled)
	e.Run, ran = finalized.Since(attempted)
	e.Timed = waited && ran
	e.judge(state, failed, failure.String)
	return &e, nil
}

// judge decides how the attempts at a job ended, from its last state, the number of its errors, and the last of those.
func (e *Ended) judge(state string, failed int64, failure string) {
	switch state {
	case "completed":
		e.OK, e.Failed = 1, failed
		return
	case "cancelled":
		e.Cancelled, e.Failed = 1, failed
		if strings.HasPrefix(failure, CancelledText) { // that attempt did not fail, it was asked to stop
			e.Failed = max(failed-1, 0)
		} else {
			e.Timed = false // cancelled while it waited
		}
		return
	}
	e.Failure = failure
	e.Fingerprint = fingerprint.Of(failure, "").In(e.Agent)
	e.Failed = max(failed, 1)
	if strings.HasPrefix(failure, RescuedText) {
		e.Failed, e.Lost, e.Timed = e.Failed-1, 1, false
	}
}

// Count counts the jobs that ended in a span, by the index alone.
func (r *Reader) Count(ctx context.Context, from, to time.Time) (n int64, err error) {
	err = r.db.Read.QueryRowContext(ctx, `select count(*) from river_job j where `+states+` and j.finalized_at >= $1 and j.finalized_at < $2`,
		r.db.Stamp(from), r.db.Stamp(to)).Scan(&n)
	return n, engine.WrapDB("count the ended jobs", err)
}

// First returns when the first job of a span ended of those that are still there; Last when the last did. Both are the zero time when
// there is none.
func (r *Reader) First(ctx context.Context, from, to time.Time) (time.Time, error) {
	return r.extreme(ctx, from, to, `order by finalized_at limit 1`, func(a, b time.Time) bool { return b.Before(a) })
}

// Last is described at First.
func (r *Reader) Last(ctx context.Context, from, to time.Time) (time.Time, error) {
	return r.extreme(ctx, from, to, `order by finalized_at desc limit 1`, time.Time.Before)
}

// extreme returns the time at one end of the index, of all three states; better reports whether the second of two times is further out.
func (r *Reader) extreme(ctx context.Context, from, to time.Time, order string, better func(a, b time.Time) bool) (best time.Time, err error) {
	for _, state := range []string{"cancelled", "completed", "discarded"} { // one step down the index for each
		var at engine.Time
		rows, err := r.db.Read.QueryContext(ctx, `select finalized_at from river_job where state = '`+state+`' and finalized_at is not null
			and finalized_at >= $1 and finalized_at < $2 `+order, r.db.Stamp(from), r.db.Stamp(to))
		_, err = db.Collect(rows, err, func(rows *sql.Rows) (struct{}, error) { return struct{}{}, rows.Scan(&at) })
		if err != nil {
			return best, engine.WrapDB("look for ended jobs", err)
		}
		if at.Known() && (best.IsZero() || better(best, at.Time)) {
			best = at.Time
		}
	}
	return best, nil
}
