package jobs

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Counts are of consecutive spans of time. One that is not recorded is NotRecorded: nothing is known of it, which
// is not that nothing happened.
type Counts []int64

// NotRecorded stands in Counts for a span before anything was recorded.
const NotRecorded = -1

// newCounts makes counts of spans of step seconds from start on, zero where they are recorded.
func newCounts(n int, start, step int64, recorded time.Time) Counts {
	c := make(Counts, n)
	for i := range c {
		if start+int64(i+1)*step <= recorded.Unix() && !recorded.IsZero() {
			c[i] = NotRecorded
		}
	}
	return c
}

// add counts something in a span, which is recorded by that.
func (c Counts) add(i int64, n int64) {
	if c[i] == NotRecorded {
		c[i] = 0
	}
	c[i] += n
}

// recordedSince tells since when the sums hold everything that ended; zero: for ever.
func (r *Rollups) recordedSince(ctx context.Context) (time.Time, error) {
	if r.Recorded == nil {
		return time.Time{}, nil
	}
	return r.Recorded(ctx)
}

// recordedFrom is when this database was made, or the first minute that is summed up in it: it may have been filled later.
func (s *Service) recordedFrom(ctx context.Context) (time.Time, error) {
	var made sql.NullTime
	err := s.db.Read.QueryRowContext(ctx, `select created_at from river_migration order by created_at limit 1`).Scan(&made)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, Explain("read when recording began", err)
	}
	hour, err := s.firstSum(ctx, hourStep)
	if err != nil || !hour.Valid {
		return made.Time, Explain("read when recording began", err)
	}
	first := hour.Int64
	minute, err := s.firstSum(ctx, minuteStep)
	if err != nil {
		return time.Time{}, Explain("read when recording began", err)
	}
	if minute.Valid && minute.Int64-first < hourStep { // minutes are kept for less long than hours
		first = minute.Int64
	}
	if made.Valid && made.Time.Unix() < first {
		return made.Time, nil
	}
	return time.Unix(first, 0), nil
}

func (s *Service) firstSum(ctx context.Context, step int64) (start sql.NullInt64, err error) {
	err = s.db.Read.QueryRowContext(ctx, `select min(start_s) from rollup where step_s = $1`, step).Scan(&start)
	return start, err
}
