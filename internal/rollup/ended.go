package rollup

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
)

// Ended is what came of one job whose attempts another program ran: how they ended, all counted at the time the job ended.
type Ended struct {
	Agent, Queue string
	At           time.Time
	OK           int64 // attempts
	Failed       int64
	Lost         int64
	Cancelled    int64
	Wait         time.Duration // of the last attempt, from being due to being started
	Run          time.Duration // of the last attempt
	Timed        bool          // whether Wait and Run are known
}

// Minutes are sums of ended attempts by minute, agent and queue, to be stored. Its zero value is empty.
type Minutes struct{ sums map[bucket]*sums }

// Add counts a job in the minute it ended.
func (m *Minutes) Add(e Ended) {
	if m.sums == nil {
		m.sums = map[bucket]*sums{}
	}
	minute := floorTo(e.At.Unix(), minuteStep)
	all := bucket{minuteStep, minute, "", ""}
	buckets := []bucket{{minuteStep, minute, e.Agent, e.Queue}, all}
	if buckets[0] == all { // of no agent and queue that is kept apart
		buckets = buckets[1:]
	}
	for _, b := range buckets {
		s := sumsOf(m.sums, b)
		s.ok += e.OK
		s.failed += e.Failed
		s.lost += e.Lost
		s.cancelled += e.Cancelled
		if !e.Timed {
			continue
		}
		s.wait.add(e.Wait.Milliseconds())
		if e.Cancelled == 0 {
			s.run.add(e.Run.Milliseconds())
		}
	}
}

// Replace stores sums in the place of those of the minutes from one time to another, which begin minutes.
func (r *Store) Replace(ctx context.Context, tx *db.Tx, from, to time.Time, with *Minutes) error {
	if _, err := tx.ExecContext(ctx, `delete from rollup where step_s = $1 and start_s >= $2 and start_s < $3`,
		minuteStep, from.Unix(), to.Unix()); err != nil {
		return err
	}
	for b, s := range with.sums {
		if b.start < from.Unix() || b.start >= to.Unix() {
			return fmt.Errorf("replace sums: minute %d is out of range", b.start)
		}
		if err := storeSums(ctx, tx, b, s); err != nil {
			return err
		}
	}
	return nil
}

// Add adds sums to those of their minutes and hours.
func (r *Store) Add(ctx context.Context, tx *db.Tx, more *Minutes) error {
	if err := r.AddHours(ctx, tx, more); err != nil {
		return err
	}
	for b, s := range more.sums {
		if err := addTo(ctx, tx, b, s); err != nil { // which makes s the sum of both
			return err
		}
	}
	return nil
}

// AddHours adds the sums of minutes to those of their hours. Minutes are to be added once.
func (r *Store) AddHours(ctx context.Context, tx *db.Tx, minutes *Minutes) error {
	hours := map[bucket]*sums{}
	for b, s := range minutes.sums {
		sumsOf(hours, bucket{hourStep, floorTo(b.start, hourStep), b.agent, b.queue}).addSums(s)
	}
	for b, s := range hours {
		if err := addTo(ctx, tx, b, s); err != nil {
			return err
		}
	}
	return nil
}

// RebuildHour sums up an hour again from its minutes before a time, which have to be there still.
func (r *Store) RebuildHour(ctx context.Context, tx *db.Tx, hour, before time.Time) error {
	start := floorTo(hour.Unix(), hourStep)
	if _, err := tx.ExecContext(ctx, `delete from rollup where step_s = $1 and start_s = $2`, hourStep, start); err != nil {
		return err
	}
	rows, err := tx.QueryContext(ctx, `select agent, queue, `+sumColumns+` from rollup where step_s = $1 and start_s >= $2 and start_s < $3`,
		minuteStep, start, min(start+hourStep, before.Unix()))
	hours := map[bucket]*sums{}
	_, err = db.Collect(rows, err, func(rows *sql.Rows) (struct{}, error) {
		b := bucket{step: hourStep, start: start}
		var row sumRow
		if err := rows.Scan(append([]any{&b.agent, &b.queue}, row.fields()...)...); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, sumsOf(hours, b).addRow(&row)
	})
	if err != nil {
		return err
	}
	for b, s := range hours {
		if err := storeSums(ctx, tx, b, s); err != nil {
			return err
		}
	}
	return nil
}

// HoursBefore makes Windows and Agents take the sums of whole hours only where the hours end before a time, because later
// minutes are not in the sums of their hours yet. The zero time lifts that.
func (r *Store) HoursBefore(at time.Time) {
	if at.IsZero() {
		r.hoursTo.Store(0)
		return
	}
	r.hoursTo.Store(floorTo(at.Unix(), hourStep))
}

// AgentSums is what the sums of some days hold of an agent. Times are the beginnings of minutes, or of hours that are long ago.
type AgentSums struct {
	Queue   string // that it had most often
	LastRun time.Time
	LastOK  time.Time // zero: no attempt succeeded
}

// AgentsSince returns the agents of which attempts ended in hours or minutes that began at a time or later.
func (r *Store) AgentsSince(ctx context.Context, since time.Time) (map[string]AgentSums, error) {
	rows, err := r.db.Read.QueryContext(ctx, `select agent, queue, sum(ok + failed + timeout + lost + cancelled), max(start_s),
			coalesce(max(case when ok > 0 then start_s end), 0) from rollup
		where step_s in (60, 3600) and start_s >= $1 and agent <> '' group by agent, queue`, floorTo(since.Unix(), hourStep))
	agents, most := map[string]AgentSums{}, map[string]int64{}
	_, err = db.Collect(rows, err, func(rows *sql.Rows) (struct{}, error) {
		var name, queue string
		var n, last, lastOK int64
		if err := rows.Scan(&name, &queue, &n, &last, &lastOK); err != nil {
			return struct{}{}, err
		}
		one, known := agents[name]
		if !known || n > most[name] || n == most[name] && queue < one.Queue {
			one.Queue, most[name] = queue, n
		}
		if at := time.Unix(last, 0); at.After(one.LastRun) {
			one.LastRun = at
		}
		if at := time.Unix(lastOK, 0); lastOK > 0 && at.After(one.LastOK) {
			one.LastOK = at
		}
		agents[name] = one
		return struct{}{}, nil
	})
	return agents, engine.WrapDB("read the kinds", err)
}

func (s *sums) addSums(other *sums) {
	s.addTallies(other.tallies)
	s.run.addAll(&other.run)
	s.wait.addAll(&other.wait)
}

// ForgetBefore leaves out the minutes that began before a time.
func (m *Minutes) ForgetBefore(at time.Time) {
	for b := range m.sums {
		if b.start < at.Unix() {
			delete(m.sums, b)
		}
	}
}
