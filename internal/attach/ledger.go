package attach

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine/river/ends"
	"github.com/agentos/agentos/internal/rollup"
)

var errCovered = errors.New("these minutes are in the sums already")

const (
	minute = time.Minute
	// failuresKept is how far back failures with one fingerprint are counted.
	failuresKept = 24 * time.Hour
	// minutesKept is how far back there are sums by minute; those by hour go further.
	minutesKept = 48 * time.Hour
	hoursKept   = 90 * 24 * time.Hour
)

// ledger is what is remembered of the source, in a database of our own. Sums change only together with the spans of time
// that they cover, in one transaction: wherever a kill falls, a minute is in the sums of its hour once, or not yet.
type ledger struct {
	db      *db.DB
	rollups *rollup.Store
	mu      sync.Mutex // one transaction at a time
}

// span is from one time to another, the latter excluded.
type span struct{ from, to time.Time }

// tally is what came of the jobs that ended in some minutes.
type tally struct {
	sums     rollup.Minutes
	failures map[time.Time]map[string]int64 // by minute and fingerprint
	jobs     int64
}

func (l *ledger) tx(ctx context.Context, do func(tx *db.Tx) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	tx, err := l.db.Begin(ctx)
	if err != nil {
		return err
	}
	if l.db.Kind == db.Postgres { // other processes may share the sums
		if _, err := tx.ExecContext(ctx, `select pg_advisory_xact_lock(hashtext('agentos attach'))`); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// open makes sure that the sums are those of this source, or that there are none yet. What was written of minutes that were
// not over yet is dropped: it is read again.
func (l *ledger) open(ctx context.Context, identity, url string) error {
	if err := l.rollups.Claim(ctx, identity, url); err != nil {
		return fmt.Errorf("attach: %w", err)
	}
	return l.dropOpen(ctx)
}

// dropOpen deletes the sums of minutes that no span covers.
func (l *ledger) dropOpen(ctx context.Context) error {
	return l.tx(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `delete from rollup where step_s = 60 and not exists (
			select 1 from attach_span where from_s <= rollup.start_s and rollup.start_s < to_s)`)
		return err
	})
}

// spans returns what is covered, oldest first.
func (l *ledger) spans(ctx context.Context) ([]span, error) {
	rows, err := l.db.Read.QueryContext(ctx, `select from_s, to_s from attach_span order by from_s`)
	return db.Collect(rows, err, scanSpan)
}

func scanSpan(rows *sql.Rows) (span, error) {
	var from, to int64
	err := rows.Scan(&from, &to)
	return span{time.Unix(from, 0), time.Unix(to, 0)}, err
}

// showOpen stores the sums of minutes that are not over yet, for those who read the sums. They do not count as covered.
func (l *ledger) showOpen(ctx context.Context, minutes map[time.Time]*tally) error {
	return l.tx(ctx, func(tx *db.Tx) error {
		for start, t := range minutes {
			if err := l.replace(ctx, tx, span{start, start.Add(minute)}, t); err != nil {
				return err
			}
		}
		return nil
	})
}

func (l *ledger) replace(ctx context.Context, tx *db.Tx, of span, t *tally) error {
	if err := l.rollups.Replace(ctx, tx, of.from, of.to, &t.sums); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `delete from attach_failure where start_s >= $1 and start_s < $2`, of.from.Unix(), of.to.Unix()); err != nil {
		return err
	}
	for start, counts := range t.failures {
		for fingerprint, n := range counts {
			_, err := tx.ExecContext(ctx, `insert into attach_failure (start_s, fingerprint, failures) values ($1, $2, $3)`, start.Unix(), fingerprint, n)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// cover adds the sums of minutes that no span covers yet, and the span. It is errCovered when another process was faster.
func (l *ledger) cover(ctx context.Context, of span, t *tally, recheck bool) error {
	return l.tx(ctx, func(tx *db.Tx) error {
		var covered bool
		err := tx.QueryRowContext(ctx, `select exists (select 1 from attach_span where from_s < $1 and to_s > $2)`, of.to.Unix(), of.from.Unix()).Scan(&covered)
		if err != nil {
			return err
		}
		if covered {
			return errCovered
		}
		if err := l.rollups.AddHours(ctx, tx, &t.sums); err != nil {
			return err
		}
		recent := of
		if oldest := time.Now().Add(-minutesKept).Truncate(minute); recent.from.Before(oldest) {
			recent.from = oldest
			t.forgetBefore(oldest)
		}
		if recent.from.Before(recent.to) {
			if err := l.replace(ctx, tx, recent, t); err != nil {
				return err
			}
		}
		if recheck {
			_, err := tx.ExecContext(ctx, `insert into attach_minute (start_s, jobs) values ($1, $2)`, of.from.Unix(), t.jobs)
			if err != nil {
				return err
			}
		}
		return addSpan(ctx, tx, of)
	})
}

// addSpan joins a span with those it touches.
func addSpan(ctx context.Context, tx *db.Tx, of span) error {
	rows, err := tx.QueryContext(ctx, `select from_s, to_s from attach_span where from_s <= $1 and to_s >= $2`, of.to.Unix(), of.from.Unix())
	touched, err := db.Collect(rows, err, scanSpan)
	if err != nil {
		return err
	}
	for _, other := range touched {
		if other.from.Before(of.from) {
			of.from = other.from
		}
		if other.to.After(of.to) {
			of.to = other.to
		}
		if _, err := tx.ExecContext(ctx, `delete from attach_span where from_s = $1`, other.from.Unix()); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, `insert into attach_span (from_s, to_s) values ($1, $2)`, of.from.Unix(), of.to.Unix())
	return err
}

// counted is a minute of which more jobs may have come to light.
type counted struct {
	start  time.Time
	jobs   int64
	checks int
}

// due returns at most n minutes that are to be counted again: once when they are five minutes old, once at an hour.
func (l *ledger) due(ctx context.Context, now time.Time, n int) ([]counted, error) {
	rows, err := l.db.Read.QueryContext(ctx, `select start_s, jobs, checks from attach_minute
		where checks = 0 and start_s < $1 or start_s < $2 order by start_s limit $3`, now.Add(-6*minute).Unix(), now.Add(-61*minute).Unix(), n)
	return db.Collect(rows, err, func(rows *sql.Rows) (c counted, err error) {
		var start int64
		err = rows.Scan(&start, &c.jobs, &c.checks)
		c.start = time.Unix(start, 0)
		return c, err
	})
}

// checked notes that a minute was counted again. If more jobs came to light, t is what came of all; else nil. Open is where
// the minutes that are not over begin.
func (l *ledger) checked(ctx context.Context, c counted, t *tally, open, now time.Time) error {
	return l.tx(ctx, func(tx *db.Tx) error {
		if t != nil {
			if err := l.replace(ctx, tx, span{c.start, c.start.Add(minute)}, t); err != nil {
				return err
			}
			if err := l.rollups.RebuildHour(ctx, tx, c.start, open); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `update attach_minute set jobs = $1 where start_s = $2`, t.jobs, c.start.Unix()); err != nil {
				return err
			}
		}
		change := `update attach_minute set checks = checks + 1 where start_s = $1`
		if c.start.Before(now.Add(-61 * minute)) {
			change = `delete from attach_minute where start_s = $1`
		}
		_, err := tx.ExecContext(ctx, change, c.start.Unix())
		return err
	})
}

// similar counts the failures with a fingerprint since a time.
func (l *ledger) similar(ctx context.Context, fingerprint string, since time.Time) (n int64, err error) {
	err = l.db.Read.QueryRowContext(ctx, `select coalesce(sum(failures), 0) from attach_failure where fingerprint = $1 and start_s >= $2`,
		fingerprint, since.Unix()).Scan(&n)
	return n, err
}

// sweep deletes what is old.
func (l *ledger) sweep(ctx context.Context, now time.Time) error {
	return l.tx(ctx, func(tx *db.Tx) error {
		for _, rule := range []struct {
			delete string
			kept   time.Duration
		}{
			{`delete from rollup where step_s = 60 and start_s < $1`, minutesKept},
			{`delete from rollup where step_s = 3600 and start_s < $1`, hoursKept},
			{`delete from attach_failure where start_s < $1`, failuresKept},
		} {
			if _, err := tx.ExecContext(ctx, rule.delete, now.Add(-rule.kept).Unix()); err != nil {
				return err
			}
		}
		return nil
	})
}

// add counts a job.
func (t *tally) add(e *ends.Ended) {
	t.jobs++
	t.sums.Add(e.Ended)
	if e.Fingerprint == "" {
		return
	}
	start := e.At.Truncate(minute)
	if t.failures == nil {
		t.failures = map[time.Time]map[string]int64{}
	}
	if t.failures[start] == nil {
		t.failures[start] = map[string]int64{}
	}
	if counts := t.failures[start]; len(counts) < maxFingerprints || counts[e.Fingerprint] > 0 {
		counts[e.Fingerprint] += e.Failed + e.Lost
	}
}

// maxFingerprints bounds what is kept of a minute in which every error is another.
const maxFingerprints = 500

// forgetBefore leaves out minutes that are too old to be kept.
func (t *tally) forgetBefore(at time.Time) {
	t.sums.ForgetBefore(at)
	for start := range t.failures {
		if start.Before(at) {
			delete(t.failures, start)
		}
	}
}

// gaps returns what of a span is not covered, newest first.
func gaps(of span, covered []span) []span {
	var open []span
	to := of.to
	for _, c := range slices.Backward(covered) {
		if !c.from.Before(to) {
			continue
		}
		if c.to.Before(to) && c.to.Before(of.to) {
			open = append(open, span{later(c.to, of.from), to})
		}
		to = c.from
		if !to.After(of.from) {
			return open
		}
	}
	if of.from.Before(to) {
		open = append(open, span{of.from, to})
	}
	return open
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
