package worker

import (
	"context"
	"database/sql"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine/river"
)

const (
	// lookTimeout is how long reading the heartbeats may take, and blindFor how long ago the last look may be, for silence
	// to count: while this process or the database was suspended, no heartbeat was read.
	lookTimeout = 2 * time.Second
	blindFor    = 5 * time.Second
)

// watch is what this process has seen of the workers. It is used by one goroutine at a time.
type watch struct {
	looked  time.Time // when the workers were looked at last; zero: never, or in vain
	workers map[string]*sighting
	reaped  time.Time         // when everything that runs was gone through last
	orphans map[int64]*orphan // jobs of this worker that none of its attempts has
}

// orphan is such a job: since when, and how often it was seen so.
type orphan struct {
	since time.Time
	looks int
}

// sighting is a worker's row as read last.
type sighting struct {
	host, state string
	beat        int64
	age         time.Duration // of the heartbeat by the database's clock
	since       time.Time     // since when this process has seen no other heartbeat, looking all the time
}

// look reads the workers' heartbeats.
func (s *Service) look(ctx context.Context) error {
	w := &s.watch
	began := time.Now()
	rows, err := s.db.Read.QueryContext(ctx, `select id, host, state, beat_ms, `+s.db.NowMS()+` - beat_ms from worker`)
	seen := map[string]*sighting{}
	_, err = db.Collect(rows, err, func(rows *sql.Rows) (id string, err error) {
		var now sighting
		var age int64
		err = rows.Scan(&id, &now.host, &now.state, &now.beat, &age)
		now.age = time.Duration(age) * time.Millisecond
		seen[id] = &now
		return id, err
	})
	ended := time.Now()
	if err != nil {
		w.looked, w.workers = time.Time{}, nil
		return err
	}
	blind := ended.Sub(w.looked) > blindFor || ended.Sub(began) > lookTimeout
	for id, now := range seen {
		now.since = ended
		if before := w.workers[id]; before != nil && before.beat == now.beat && !blind {
			now.since = before.since
		}
	}
	w.looked, w.workers = ended, seen
	return nil
}

// dead reports whether a worker is. A lock file on this host knows at once when its process has ended.
//
// On SQLite a lock that is held shows that the worker lives, and without a lock its heartbeat is judged by the clock that
// all share. On Postgres only silence counts that this process has listened to: a worker that is frozen has its lock,
// and after an outage of the database every heartbeat is old.
func (s *Service) dead(worker string) bool {
	if worker == "" || worker == s.id {
		return false
	}
	row := s.watch.workers[worker]
	if row == nil && s.db.Kind == db.Postgres {
		return true // it signed off, or was forgotten long ago; reclaiming it makes sure
	}
	if s.db.Kind == db.Postgres {
		if row.state != "lost" && row.host == hostName() {
			switch lock := stateOfLock(s.dataDir, worker); {
			case lock == lockFree:
				return true
			case lock == lockHeld && processGone(worker): // what its attempts left is not ended yet, or cannot be
				return false
			}
		}
		return row.state == "lost" || s.watch.looked.Sub(row.since) > river.SilentFor
	}
	switch stateOfLock(s.dataDir, worker) {
	case lockFree:
		return true
	case lockHeld:
		return false
	}
	return row == nil || row.state == "lost" || row.age > river.SilentFor
}
