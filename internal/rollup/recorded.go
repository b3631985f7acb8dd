package rollup

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/agentos/agentos/internal/engine"
)

// recordedSince returns since when the sums hold everything that ended; zero: forever.
func (r *Store) recordedSince(ctx context.Context) (time.Time, error) {
	if r.Recorded == nil {
		return r.recordedFrom(ctx)
	}
	return r.Recorded(ctx)
}

// recordedFrom is when this database was made, or the first minute that is summed up in it: it may have been filled later.
func (r *Store) recordedFrom(ctx context.Context) (time.Time, error) {
	var made sql.NullTime
	err := r.db.Read.QueryRowContext(ctx, `select created_at from river_migration order by created_at limit 1`).Scan(&made)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, engine.WrapDB("read when recording began", err)
	}
	hour, err := r.firstSum(ctx, hourStep)
	if err != nil || !hour.Valid {
		return made.Time, engine.WrapDB("read when recording began", err)
	}
	first := hour.Int64
	minute, err := r.firstSum(ctx, minuteStep)
	if err != nil {
		return time.Time{}, engine.WrapDB("read when recording began", err)
	}
	if minute.Valid && minute.Int64-first < hourStep { // minutes are kept for less long than hours
		first = minute.Int64
	}
	if made.Valid && made.Time.Unix() < first {
		return made.Time, nil
	}
	return time.Unix(first, 0), nil
}

func (r *Store) firstSum(ctx context.Context, step int64) (start sql.NullInt64, err error) {
	err = r.db.Read.QueryRowContext(ctx, `select min(start_s) from rollup where step_s = $1`, step).Scan(&start)
	return start, err
}
