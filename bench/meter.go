package main

import (
	"context"
	"time"
)

// usage is what a role has asked of Postgres so far.
type usage struct {
	statements int64
	blocks     int64         // of 8 KB that they looked at, in memory or on disk: what does not depend on the machine
	spent      time.Duration // by statements, those under way included
	underWay   bool          // some were
	at         time.Time
}

// usageOf reads what a role has used since the statistics began. A statement counts in full time only when it has ended; what
// is under way is added as far as it has come, so that the difference of two readings is the time between them.
// Statements that were broken off never enter the statistics: see the limits in the report.
func (d *database) usageOf(ctx context.Context, role string) (u usage, err error) {
	var ended, underWay float64
	err = d.conn.QueryRow(ctx, `select
		coalesce(sum(s.calls), 0)::bigint, coalesce(sum(s.shared_blks_hit + s.shared_blks_read), 0)::bigint, coalesce(sum(s.total_exec_time), 0)::float8,
		(select coalesce(sum(extract(epoch from clock_timestamp() - query_start)) * 1000, 0)::float8
			from pg_stat_activity where usename = $1 and state = 'active' and backend_type = 'client backend')
		from pg_stat_statements s join pg_roles r on r.oid = s.userid where r.rolname = $1`, role).
		Scan(&u.statements, &u.blocks, &ended, &underWay)
	u.spent = time.Duration((ended + underWay) * float64(time.Millisecond))
	u.underWay = underWay > 0
	u.at = time.Now()
	return u, err
}

// since is the difference to an earlier reading.
func (u usage) since(before usage) usage {
	return usage{u.statements - before.statements, u.blocks - before.blocks, max(u.spent-before.spent, 0), u.underWay || before.underWay, before.at}
}

// rate is what was used per minute.
type rate struct {
	statements float64
	spent      time.Duration
	brokenOff  bool // there were statements, and not one came to its end: what they cost is not known
}

// time is how the time spent stands in a table.
func (r rate) time() string {
	if r.brokenOff {
		return "all broken off"
	}
	return took(r.spent)
}

// during counts what a role uses per minute for as long as the plan says.
func (d *database) during(ctx context.Context, role string, window time.Duration) (rate, error) {
	before, err := d.usageOf(ctx, role)
	if err != nil {
		return rate{}, err
	}
	if err := pause(ctx, window); err != nil {
		return rate{}, err
	}
	after, err := d.usageOf(ctx, role)
	if err != nil {
		return rate{}, err
	}
	used, minutes := after.since(before), after.at.Sub(before.at).Minutes()
	return rate{float64(used.statements) / minutes, time.Duration(float64(used.spent) / minutes), used.statements == 0 && used.underWay}, nil
}

// pause waits, unless the bench is stopped.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
