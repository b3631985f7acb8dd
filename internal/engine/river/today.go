package river

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
)

// today remembers how many jobs of the present day were counted, so that each cycle counts only the new ones.
type today struct {
	mu      sync.Mutex
	start   time.Time // local midnight
	counted int64     // jobs created since, up to id last
	last    int64
}

// maxCancelled bounds how many cancelled jobs of today are counted.
const maxCancelled = 100_000

// Today counts since the local midnight. Jobs created counts those deleted since, too, as far as they were seen.
func (rd *Reader) Today(ctx context.Context) (engine.Today, error) {
	now := time.Now()
	start := agent.StartOfDay(now)
	t := engine.Today{DayStart: start, Zone: agent.ZoneName()}
	total, err := rd.createdSince(ctx, start)
	if err != nil {
		return engine.Today{}, engine.WrapDB("count today's jobs", err)
	}
	all, err := rd.Between(ctx, start, now)
	if err != nil {
		return engine.Today{}, engine.WrapDB("sum up today's runs", err)
	}
	var cancelled int64
	err = rd.db.Read.QueryRowContext(ctx, `select count(*) from (select 1 from river_job
		where state = 'cancelled' and finalized_at is not null and finalized_at >= $1 and finalized_at < $2 limit $3) cancelled`,
		rd.db.Stamp(start), rd.db.Stamp(now.Add(24*time.Hour)), maxCancelled).Scan(&cancelled)
	t.Total, t.Completed, t.Failed, t.Cancelled, t.Capped = &total, &all.OK, &all.Failed, &cancelled, cancelled >= maxCancelled
	if err != nil {
		return engine.Today{}, engine.WrapDB("count today's cancelled jobs", err)
	}
	return t, rd.CountGaveUp(ctx, now, &t)
}

func (t *Table) createdSince(ctx context.Context, start time.Time) (int64, error) {
	n := &t.today
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.start.Equal(start) {
		first, err := t.FirstSince(ctx, start)
		if err != nil {
			return 0, err
		}
		n.start, n.counted, n.last = start, 0, first-1
	}
	var fresh, last int64
	err := t.db.Read.QueryRowContext(ctx, `select count(*), coalesce(max(id), $1) from river_job where id > $1`, n.last).Scan(&fresh, &last)
	if err != nil {
		return 0, err
	}
	n.counted += fresh
	n.last = last
	return n.counted, nil
}

// FirstSince returns an id from which on all jobs were created at that time or later, and none before. Ids grow with the
// time of creation, so some twenty steps down the primary key find it in any table.
func (t *Table) FirstSince(ctx context.Context, at time.Time) (int64, error) {
	var low, high int64
	err := t.db.Read.QueryRowContext(ctx, `select coalesce((select id from river_job order by id limit 1), 1),
		coalesce((select id from river_job order by id desc limit 1), 0) + 1`).Scan(&low, &high)
	if err != nil {
		return 0, err
	}
	for low < high { // the answer is in [low, high]
		middle := low + (high-low)/2
		id, created, err := t.createdFrom(ctx, middle)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			high = middle
		case err != nil:
			return 0, err
		case created.Before(at):
			low = id + 1
		default:
			high = middle
		}
	}
	return low, nil
}

// oddRows is how many jobs in a row may have a creation that cannot be right.
const oddRows = 20

// createdFrom returns the first job from an id on whose creation can be right, and that. One that bears no time, one without end or
// one in the future would lead the search astray; where there are only such, the first is taken as it is.
func (t *Table) createdFrom(ctx context.Context, from int64) (id int64, created time.Time, err error) {
	rows, err := t.db.Read.QueryContext(ctx, `select id, created_at from river_job where id >= $1 order by id limit $2`, from, oddRows)
	type row struct {
		id      int64
		created engine.Time
	}
	all, err := db.Collect(rows, err, func(rows *sql.Rows) (r row, err error) { return r, rows.Scan(&r.id, &r.created) })
	if err != nil {
		return 0, time.Time{}, err
	}
	if len(all) == 0 {
		return 0, time.Time{}, sql.ErrNoRows
	}
	future := time.Now().Add(24 * time.Hour)
	for _, r := range all {
		if r.created.Known() && r.created.Before(future) && r.created.After(epoch) {
			return r.id, r.created.Time, nil
		}
	}
	return all[0].id, all[0].created.Time, nil
}

// epoch is before every job.
var epoch = time.Unix(0, 0)
