package river

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
)

const (
	// maxRecent bounds among how many failed attempts the kinds of failures are looked for.
	maxRecent = 2_000
)

// GaveUp counts the jobs that were discarded since a time and are still there, up to most.
func (t *Table) GaveUp(ctx context.Context, since time.Time, most int64) (n int64, err error) {
	err = t.db.Read.QueryRowContext(ctx, `select count(*) from (select 1 from river_job
		where state = 'discarded' and finalized_at is not null and finalized_at >= $1 limit $2) discarded`, t.db.Stamp(since), most).Scan(&n)
	return n, err
}

// CountGaveUp fills in the jobs that gave up.
func (t *Table) CountGaveUp(ctx context.Context, now time.Time, today *engine.Today) error {
	all, err := t.GaveUp(ctx, today.DayStart, maxCancelled)
	if err != nil {
		return engine.WrapDB("count the jobs that gave up", err)
	}
	recently, err := t.GaveUp(ctx, now.Add(-engine.GaveUpRecently), maxCancelled)
	today.GaveUp, today.Recently = &all, &recently
	return engine.WrapDB("count the jobs that gave up", err)
}

// Failures returns the newest failure of each of n kinds at most: see GroupFailures. The kinds are looked for among the last
// attempts that failed and the last jobs that gave up, so that no number of failures of one kind hides another.
func (rd *Reader) Failures(ctx context.Context, n int) ([]engine.Failure, error) {
	all, err := rd.groupedFailures(ctx, n)
	return all, engine.WrapDB("read the newest failures", err)
}

func (rd *Reader) groupedFailures(ctx context.Context, n int) ([]engine.Failure, error) {
	rows, err := rd.db.Read.QueryContext(ctx, `select (select max(r.id) from run r where r.job_id = j.id and r.outcome in ('failed', 'timeout', 'lost'))
		from river_job j where j.state = 'discarded' and j.finalized_at is not null and j.finalized_at >= $1
		order by j.finalized_at desc limit $2`, rd.db.Stamp(time.Now().Add(-24*time.Hour)), engine.MaxGaveUp)
	given, err := db.Collect(rows, err, scanRunID)
	if err != nil {
		return nil, err
	}
	rows, err = rd.db.Read.QueryContext(ctx, `select max(id) from (select id, agent, fingerprint, ended_ms from run
			where outcome in ('failed', 'timeout', 'lost') order by ended_ms desc, id desc limit $1) recent
		group by agent, fingerprint order by max(ended_ms) desc limit $2`, maxRecent, n)
	recent, err := db.Collect(rows, err, scanRunID)
	if err != nil {
		return nil, err
	}
	gaveUp, err := rd.failuresOf(ctx, given)
	if err != nil {
		return nil, err
	}
	failed, err := rd.failuresOf(ctx, recent)
	if err != nil {
		return nil, err
	}
	groups := engine.GroupFailures(gaveUp, failed, n)
	return groups, rd.countSimilar(ctx, groups)
}

func scanRunID(rows *sql.Rows) (id sql.NullInt64, err error) {
	err = rows.Scan(&id)
	return id, err
}

// failuresOf reads failed attempts, the newest first. A job whose attempts are no longer known has none.
func (rd *Reader) failuresOf(ctx context.Context, ids []sql.NullInt64) ([]engine.Failure, error) {
	known := []int64{}
	for _, id := range ids {
		if id.Valid {
			known = append(known, id.Int64)
		}
	}
	if len(known) == 0 {
		return nil, nil
	}
	condition, args := rd.db.In("id", known)
	all, err := rd.readFailures(ctx, `where `+condition+` order by id desc`, args...)
	slices.SortStableFunc(all, func(a, b engine.Failure) int { return cmp.Compare(a.Order, b.Order) })
	return all, err
}
