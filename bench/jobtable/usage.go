package jobtable

import (
	"context"
	"time"
)

// Usage is what a role has asked of Postgres so far.
type Usage struct {
	Statements int64
	Blocks     int64         // of 8 KB that they looked at, in memory or on disk: what does not depend on the machine
	Spent      time.Duration // by statements, those under way included
	UnderWay   bool          // some were
	At         time.Time
}

// UsageOf reads what a role has used since the statistics began. A statement counts in full time only when it has ended; what
// is under way is added as far as it has come, so that the difference of two readings is the time between them.
// Statements that were broken off never enter the statistics: see the limits in the report.
func (d *Table) UsageOf(ctx context.Context, role string) (u Usage, err error) {
	var ended, underWay float64
	err = d.conn.QueryRow(ctx, `select
		coalesce(sum(s.calls), 0)::bigint, coalesce(sum(s.shared_blks_hit + s.shared_blks_read), 0)::bigint, coalesce(sum(s.total_exec_time), 0)::float8,
		(select coalesce(sum(extract(epoch from clock_timestamp() - query_start)) * 1000, 0)::float8
			from pg_stat_activity where usename = $1 and state = 'active' and backend_type = 'client backend')
		from pg_stat_statements s join pg_roles r on r.oid = s.userid where r.rolname = $1`, role).
		Scan(&u.Statements, &u.Blocks, &ended, &underWay)
	u.Spent = time.Duration((ended + underWay) * float64(time.Millisecond))
	u.UnderWay = underWay > 0
	u.At = time.Now()
	return u, err
}

// Since is the difference to an earlier reading.
func (u Usage) Since(before Usage) Usage {
	return Usage{u.Statements - before.Statements, u.Blocks - before.Blocks, max(u.Spent-before.Spent, 0), u.UnderWay || before.UnderWay, before.At}
}
