package jobs

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"
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
func (s *Service) Today(ctx context.Context) (Today, error) {
	now := time.Now()
	start := Midnight(now)
	t := Today{DayStart: start}
	var err error
	if t.Total, err = s.createdSince(ctx, start); err != nil {
		return Today{}, Explain("count today's jobs", err)
	}
	all, err := s.totalBetween(ctx, floorTo(start.Unix(), minuteStep), floorTo(now.Unix(), minuteStep)+minuteStep)
	if err != nil {
		return Today{}, Explain("sum up today's runs", err)
	}
	t.Completed, t.Failed = all.ok, all.failed+all.timeout+all.lost
	err = s.db.Read.QueryRowContext(ctx, `select count(*) from (select 1 from river_job
		where state = 'cancelled' and finalized_at is not null and finalized_at >= $1 limit $2) cancelled`, s.db.Stamp(start), maxCancelled).Scan(&t.Cancelled)
	t.Capped = t.Cancelled >= maxCancelled
	return t, Explain("count today's cancelled jobs", err)
}

// Midnight is when the local day began.
func Midnight(now time.Time) time.Time {
	year, month, day := now.Date()
	return time.Date(year, month, day, 0, 0, 0, 0, now.Location())
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
		var id int64
		var created time.Time
		err := t.db.Read.QueryRowContext(ctx, `select id, created_at from river_job where id >= $1 order by id limit 1`, middle).Scan(&id, &created)
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
