package observe

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/rollup"
)

// errOvertaken means that another process has followed further.
var errOvertaken = errors.New("another process follows the engine")

// ledger is what is remembered of the engine, in a database of our own.
type ledger struct {
	db      *db.DB
	rollups *rollup.Store
}

// mark is how far the engine was followed.
type mark struct {
	cursor engine.Cursor
	number int64 // of the batch
	since  time.Time
}

// read returns how far the engine was followed; the zero mark: it was not.
func (l *ledger) read(ctx context.Context) (m mark, err error) {
	var since int64
	err = l.db.Read.QueryRowContext(ctx, `select place, number, since_ms from follow_cursor`).Scan(&m.cursor, &m.number, &since)
	if errors.Is(err, sql.ErrNoRows) {
		return mark{}, nil
	}
	m.since = db.FromMS(since)
	return m, err
}

// gap is a span of which it is not known when what ended did, or not even how much did.
type gap struct {
	queue      string
	from, to   time.Time
	ok, failed *int64 // nil: not known; without failed, ok counts all that ended
	cause      string
}

// store adds what came of a batch to the sums and goes on to the mark after it, at once or not at all.
func (l *ledger) store(ctx context.Context, from mark, next engine.Cursor, at time.Time, ended *rollup.Minutes, gaps []gap) (mark, error) {
	to := mark{cursor: next, number: from.number + 1, since: from.since}
	err := l.db.InTx(ctx, func(tx *db.Tx) error {
		if from.number == 0 {
			to.since = at
			result, err := tx.ExecContext(ctx, `insert into follow_cursor (one, place, number, since_ms) values (1, $1, 1, $2) on conflict (one) do nothing`,
				string(next), at.UnixMilli())
			return changed(result, err)
		}
		result, err := tx.ExecContext(ctx, `update follow_cursor set place = $1, number = number + 1 where one = 1 and number = $2`, string(next), from.number)
		if err := changed(result, err); err != nil {
			return err
		}
		if err := l.rollups.Add(ctx, tx, ended); err != nil {
			return err
		}
		for i, g := range gaps {
			_, err := tx.ExecContext(ctx, `insert into follow_gap (number, part, queue, from_ms, to_ms, ok, failed, cause) values ($1, $2, $3, $4, $5, $6, $7, $8)`,
				to.number, i, g.queue, g.from.UnixMilli(), g.to.UnixMilli(), g.ok, g.failed, g.cause)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return from, err
	}
	return to, nil
}

// changed is errOvertaken when a statement found another mark than it should.
func changed(result sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return errOvertaken
}

// gaps returns those that reach into the time since, oldest first; of more than maxGaps the newest.
func (l *ledger) gaps(ctx context.Context, since time.Time) ([]gap, error) {
	rows, err := l.db.Read.QueryContext(ctx, `select queue, from_ms, to_ms, ok, failed, cause from follow_gap where to_ms > $1 order by to_ms desc, number desc, part desc limit $2`,
		since.UnixMilli(), maxGaps)
	found, err := db.Collect(rows, err, func(rows *sql.Rows) (g gap, err error) {
		var from, to int64
		err = rows.Scan(&g.queue, &from, &to, &g.ok, &g.failed, &g.cause)
		g.from, g.to = db.FromMS(from), db.FromMS(to)
		return g, err
	})
	slices.Reverse(found)
	return found, err
}

// maxGaps bounds how many gaps are looked at.
const maxGaps = 20_000

// gapsKept is how long gaps are kept: as long as there are sums by minute.
const gapsKept = 48 * time.Hour

// sweep deletes what is old.
func (l *ledger) sweep(ctx context.Context, now time.Time) error {
	const most = 20_000 // rows at a time
	if _, err := l.rollups.DeleteOld(ctx, most); err != nil {
		return err
	}
	_, err := l.db.Write.ExecContext(ctx, `delete from follow_gap where to_ms < $1`, now.Add(-gapsKept).UnixMilli())
	return err
}
