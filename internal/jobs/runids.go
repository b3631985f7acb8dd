package jobs

import (
	"context"
	"database/sql"
	"sync"
	"time"
)

const (
	idsAtOnce = 500
	// idsKeep bounds how far the order of ids may be from that of time: what is deleted by age looks at the lowest ids first.
	idsKeep = 30 * time.Second
)

// runIDs hands out ids for runs before they have rows, from a stretch reserved in Postgres.
type runIDs struct {
	service *Service

	mu    sync.Mutex
	free  []int64
	until time.Time // those that are free may be used
}

func (r *runIDs) next(ctx context.Context) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.free) == 0 || time.Now().After(r.until) {
		err := r.service.persist(ctx, "number the runs", r.reserve)
		if err != nil {
			return 0, err
		}
	}
	id := r.free[0]
	r.free = r.free[1:]
	return id, nil
}

func (r *runIDs) reserve(ctx context.Context) (err error) {
	rows, err := r.service.db.Write.QueryContext(ctx, `select nextval(pg_get_serial_sequence('run', 'id')) from generate_series(1, $1::int)`, idsAtOnce)
	r.free, err = collect(rows, err, func(rows *sql.Rows) (id int64, err error) { return id, rows.Scan(&id) })
	r.until = time.Now().Add(idsKeep)
	return err
}
