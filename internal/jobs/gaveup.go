package jobs

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"
)

const (
	// GaveUpRecently is for how long a job that gave up is news.
	GaveUpRecently = time.Hour
	// maxGaveUp bounds how many jobs that gave up are counted and grouped in a cycle.
	maxGaveUp = 200
	// maxRecent bounds among how many failed attempts the kinds of failures are looked for.
	maxRecent = 2_000
	// pinned puts what gave up before all that may still heal: it is more than any time in milliseconds.
	pinned = 1 << 43
)

// GaveUp counts the jobs that were discarded since a time and are still there, up to most.
func (t *Table) GaveUp(ctx context.Context, since time.Time, most int64) (n int64, err error) {
	err = t.db.Read.QueryRowContext(ctx, `select count(*) from (select 1 from river_job
		where state = 'discarded' and finalized_at is not null and finalized_at >= $1 limit $2) discarded`, t.db.Stamp(since), most).Scan(&n)
	return n, err
}

// CountGaveUp fills in the jobs that gave up.
func (t *Table) CountGaveUp(ctx context.Context, now time.Time, today *Today) error {
	all, err := t.GaveUp(ctx, today.DayStart, maxCancelled)
	if err != nil {
		return Explain("count the jobs that gave up", err)
	}
	recently, err := t.GaveUp(ctx, now.Add(-GaveUpRecently), maxCancelled)
	today.GaveUp, today.Recently = &all, &recently
	return Explain("count the jobs that gave up", err)
}

// GroupFailures keeps the newest failure of each kind, which is its agent and fingerprint, at most n: first those of jobs that gave
// up, which need somebody, then those that may heal. Both lists have the newest first.
func GroupFailures(gaveUp, failed []Failure, n int) []Failure {
	type kind struct{ agent, fingerprint string }
	at := map[kind]int{}
	groups := []Failure{}
	for _, f := range gaveUp {
		k := kind{f.Agent, f.Fingerprint}
		i, known := at[k]
		if !known {
			i, at[k] = len(groups), len(groups)
			f.Order, f.GaveUp = f.Order-pinned, 0
			groups = append(groups, f)
		}
		groups[i].GaveUp++
		groups[i].MoreGaveUp = len(gaveUp) >= maxGaveUp
	}
	for _, f := range failed {
		k := kind{f.Agent, f.Fingerprint}
		if _, known := at[k]; !known {
			at[k] = len(groups)
			groups = append(groups, f)
		}
	}
	return groups[:min(n, len(groups))]
}

// Failures returns the newest failure of each of n kinds at most: see GroupFailures. The kinds are looked for among the last
// attempts that failed and the last jobs that gave up, so that no number of failures of one kind hides another.
func (s *Service) Failures(ctx context.Context, n int) ([]Failure, error) {
	all, err := s.groupedFailures(ctx, n)
	return all, Explain("read the newest failures", err)
}

func (s *Service) groupedFailures(ctx context.Context, n int) ([]Failure, error) {
	rows, err := s.db.Read.QueryContext(ctx, `select (select max(r.id) from run r where r.job_id = j.id and r.outcome in ('failed', 'timeout', 'lost'))
		from river_job j where j.state = 'discarded' and j.finalized_at is not null and j.finalized_at >= $1
		order by j.finalized_at desc limit $2`, s.db.Stamp(time.Now().Add(-daySpan)), maxGaveUp)
	given, err := Collect(rows, err, scanRunID)
	if err != nil {
		return nil, err
	}
	rows, err = s.db.Read.QueryContext(ctx, `select max(id) from (select id, agent, fingerprint, ended_ms from run
			where outcome in ('failed', 'timeout', 'lost') order by ended_ms desc, id desc limit $1) recent
		group by agent, fingerprint order by max(ended_ms) desc limit $2`, maxRecent, n)
	recent, err := Collect(rows, err, scanRunID)
	if err != nil {
		return nil, err
	}
	gaveUp, err := s.failuresOf(ctx, given)
	if err != nil {
		return nil, err
	}
	failed, err := s.failuresOf(ctx, recent)
	if err != nil {
		return nil, err
	}
	groups := GroupFailures(gaveUp, failed, n)
	return groups, s.countSimilar(ctx, groups)
}

func scanRunID(rows *sql.Rows) (id sql.NullInt64, err error) {
	err = rows.Scan(&id)
	return id, err
}

// failuresOf reads failed attempts, the newest first. A job whose attempts are no longer known has none.
func (s *Service) failuresOf(ctx context.Context, ids []sql.NullInt64) ([]Failure, error) {
	known := []int64{}
	for _, id := range ids {
		if id.Valid {
			known = append(known, id.Int64)
		}
	}
	if len(known) == 0 {
		return nil, nil
	}
	condition, args := s.sql.in("id", known)
	all, err := s.readFailures(ctx, `where `+condition, args...)
	slices.SortFunc(all, func(a, b Failure) int { return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(b.RunID, a.RunID)) })
	return all, err
}
