package jobs

import (
	"context"
	"sync"
	"time"
)

const (
	maxIDsAtOnce = 500
	// idsHurry: those that are used up sooner are too few.
	idsHurry = time.Second
	// idsKeep bounds how far the order of ids may be from that of time: what is deleted by age looks at the lowest ids first.
	idsKeep = 30 * time.Second
)

// runIDs hands out ids for runs before they have rows, from a stretch reserved in Postgres.
type runIDs struct {
	service *Service

	mu    sync.Mutex
	free  []int64
	size  int       // how many were reserved last
	since time.Time // when
}

func (r *runIDs) next(ctx context.Context) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.free) == 0 || time.Since(r.since) > idsKeep {
		err := r.service.persist(ctx, "number the runs", r.reserve)
		if err != nil {
			return 0, err
		}
	}
	id := r.free[0]
	r.free = r.free[1:]
	return id, nil
}

// reserve takes as many as will be needed soon. Few are wasted, because what is kept is bounded by ids.
func (r *runIDs) reserve(ctx context.Context) error {
	size := 1
	if time.Since(r.since) < idsHurry {
		size = min(2*r.size, maxIDsAtOnce)
	}
	rows, err := r.service.db.Write.QueryContext(ctx, `select nextval('run_id_seq') from generate_series(1, $1::int)`, size)
	ids, err := Collect(rows, err, scanID)
	if err == nil {
		r.free, r.size, r.since = ids, size, time.Now()
	}
	return err
}
