package attach

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river"
	"github.com/agentos/agentos/internal/rollup"
)

// ended is a job that is over.
type ended struct {
	rollup.Ended
	id          int64
	client      string // of the last attempt
	failure     string // what the last failed attempt said; only of jobs that did not complete
	fingerprint string
}

// What River itself writes into a job's errors.
const (
	cancelledText = "JobCancelError: "
	rescuedText   = "Stuck job rescued by Rescuer"
)

// endedStates come first in endedIndex.
const endedStates = `j.state in ('cancelled', 'completed', 'discarded') and j.finalized_at is not null`

// endedBetween reads the jobs that ended in a span, at most limit of them, in no order. The database does this by endedIndex: some
// 4 µs a job.
func (s *Service) endedBetween(ctx context.Context, of span, limit int, each func(*ended)) (n int, err error) {
	condition, args := ` and j.finalized_at >= $1 and j.finalized_at < $2`, []any{s.foreign.Stamp(of.from), s.foreign.Stamp(of.to)}
	if limit > 0 {
		condition, args = condition+` limit $3`, append(args, limit)
	}
	rows, err := s.foreign.Read.QueryContext(ctx, `select j.id, j.kind, j.queue, j.state, j.scheduled_at, j.attempted_at, j.finalized_at,
		`+s.sql.errors+`, `+s.sql.lastClient+`, case when j.state <> 'completed' then `+s.sql.lastError+` end
		from river_job j where `+endedStates+condition, args...)
	if err != nil {
		return 0, engine.WrapDB("read the ended jobs", err)
	}
	defer rows.Close()
	for rows.Next() {
		e, err := scanEnded(rows)
		if err != nil {
			return n, engine.WrapDB("read the ended jobs", err)
		}
		n++
		if e != nil {
			e.failure = s.redact.Text(e.failure)
			each(e)
		}
	}
	return n, engine.WrapDB("read the ended jobs", rows.Err())
}

func scanEnded(rows *sql.Rows) (*ended, error) {
	var e ended
	var state string
	var failed int64
	var scheduled, attempted, finalized engine.Time
	var client, failure sql.NullString
	err := rows.Scan(&e.id, river.Name(&e.Agent), river.Name(&e.Queue), &state, &scheduled, &attempted, &finalized, &failed, &client, &failure)
	if err != nil {
		return nil, err
	}
	if !finalized.Known() { // no time, though the database orders it among them
		return nil, nil
	}
	e.At, e.client = finalized.Time, client.String
	var waited, ran bool
	e.Wait, waited = attempted.Since(scheduled)
	e.Run, ran = finalized.Since(attempted)
	e.Timed = waited && ran
	e.judge(state, failed, failure.String)
	return &e, nil
}

// judge returns how the attempts at a job ended, from its last state, the number of its errors, and the last of those.
func (e *ended) judge(state string, failed int64, failure string) {
	switch state {
	case "completed":
		e.OK, e.Failed = 1, failed
		return
	case "cancelled":
		e.Cancelled, e.Failed = 1, failed
		if strings.HasPrefix(failure, cancelledText) { // that attempt did not fail, it was asked to stop
			e.Failed = max(failed-1, 0)
		} else {
			e.Timed = false // cancelled while it waited
		}
		return
	}
	e.failure = failure
	e.fingerprint = engine.Fingerprint(e.Agent, failure)
	e.Failed = max(failed, 1)
	if strings.HasPrefix(failure, rescuedText) {
		e.Failed, e.Lost, e.Timed = e.Failed-1, 1, false
	}
}

// countEnded counts the jobs that ended in a span, by the index alone.
func (s *Service) countEnded(ctx context.Context, of span) (n int64, err error) {
	err = s.foreign.Read.QueryRowContext(ctx, `select count(*) from river_job j where `+endedStates+` and j.finalized_at >= $1 and j.finalized_at < $2`,
		s.foreign.Stamp(of.from), s.foreign.Stamp(of.to)).Scan(&n)
	return n, engine.WrapDB("count the ended jobs", err)
}

// firstEnded returns when the first job of a span ended of those that are still there; lastEnded when the last did. Both are the
// zero time when there is none.
func (s *Service) firstEnded(ctx context.Context, of span) (time.Time, error) {
	return s.extreme(ctx, of, `order by finalized_at limit 1`, func(a, b time.Time) bool { return b.Before(a) })
}

func (s *Service) lastEnded(ctx context.Context, of span) (time.Time, error) {
	return s.extreme(ctx, of, `order by finalized_at desc limit 1`, time.Time.Before)
}

// extreme returns the time at one end of the index, of all three states; better reports whether the second of two times is further out.
func (s *Service) extreme(ctx context.Context, of span, order string, better func(a, b time.Time) bool) (best time.Time, err error) {
	for _, state := range []string{"cancelled", "completed", "discarded"} { // one step down the index for each
		var at engine.Time
		rows, err := s.foreign.Read.QueryContext(ctx, `select finalized_at from river_job where state = '`+state+`' and finalized_at is not null
			and finalized_at >= $1 and finalized_at < $2 `+order, s.foreign.Stamp(of.from), s.foreign.Stamp(of.to))
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
