package rollup

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/agentos/agentos/internal/db"
)

// Store are the sums of ended attempts by minute and by hour, in a database of ours.
type Store struct {
	db      *db.DB
	dialect dialect
	hoursTo atomic.Int64                      // see HoursBefore; zero: all
	closed  atomic.Pointer[map[part]partSums] // see kept

	// Recorded reports since when the sums hold everything that ended. Nil: since the database was made, or was first summed up in.
	Recorded func(context.Context) (time.Time, error)
}

// New makes what adds up and reads the sums of a migrated database.
func New(d *db.DB) *Store {
	if d.Kind == db.Postgres {
		return &Store{db: d, dialect: postgresDialect}
	}
	return &Store{db: d, dialect: sqliteDialect}
}

// dialect is what differs between the databases.
type dialect struct {
	orFresh    string // whether there are sums in rollup_fresh
	andFresh   string // when the attempts of those ended
	byAgent    string // the sums, found by agent and time
	amongNames string // that a sum's agent is among the names in $4
}

var (
	sqliteDialect = dialect{
		byAgent:    `rollup indexed by rollup_agent`, // without statistics it would read all that there is of an agent
		amongNames: `agent in (select value from json_each($4))`,
	}
	postgresDialect = dialect{
		orFresh: ` or exists (select 1 from rollup_fresh)`, andFresh: ` union all select ended_ms from rollup_fresh`,
		byAgent: `rollup`, amongNames: `agent = any($4::text[])`,
	}
)

// How long sums are kept.
const (
	minutesKept = 48 * time.Hour
	hoursKept   = 90 * 24 * time.Hour
)

// DeleteOld deletes some of the sums that are too old, and returns how many.
func (r *Store) DeleteOld(ctx context.Context, most int) (deleted int64, err error) {
	now := time.Now()
	for step, before := range map[int]time.Time{minuteStep: now.Add(-minutesKept), hourStep: now.Add(-hoursKept)} {
		result, err := r.db.Write.ExecContext(ctx, `delete from rollup where step_s = $1 and start_s in (select start_s from rollup
			where step_s = $1 and start_s < $2 order by start_s limit $3)`, step, before.Unix(), most)
		if err != nil {
			return deleted, err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return deleted, err
		}
		deleted += n
	}
	return deleted, nil
}

// LastOK returns the beginning of the last minute or hour, not before the hour of a time, in which an attempt of an agent succeeded, in
// milliseconds; 0: there is none. Both times are milliseconds.
func (r *Store) LastOK(ctx context.Context, agent string, since int64) (ok int64, err error) {
	err = r.db.Read.QueryRowContext(ctx, `select coalesce(max(start_s), 0) * 1000 from rollup
		where step_s in (60, 3600) and agent = $1 and start_s >= $2 and ok > 0`, agent, floorTo(since/1000, hourStep)).Scan(&ok)
	return ok, err
}
