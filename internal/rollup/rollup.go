package rollup

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
)

// Every ended run is added to the sums of its minute and its hour exactly once: adding it and marking it as added are
// one transaction. Whatever order attempts commit their ends in, and wherever a crash falls, none is missed or counted
// twice, and a pass costs only what is new.
const (
	minuteStep = 60
	hourStep   = 3600

	rollupBatch = 500 // runs of one transaction
	// rollupLag is how late the end of a run may be written, for RollupsCompleteTo.
	rollupLag = 2 * time.Second
)

// bucket names a row of sums. The bucket of all agents has no agent and no queue.
type bucket struct {
	step, start  int64 // seconds
	agent, queue string
}

// sums of ended attempts.
type sums struct {
	tallies
	run, wait histogram
}

// tallies count what attempts came to and what they used.
type tallies struct {
	ok, failed, timeout, lost, cancelled int64
	usage                                engine.Usage
}

func (t *tallies) addTallies(more tallies) {
	t.ok += more.ok
	t.failed += more.failed
	t.timeout += more.timeout
	t.lost += more.lost
	t.cancelled += more.cancelled
	t.usage.InputTokens += more.usage.InputTokens
	t.usage.OutputTokens += more.usage.OutputTokens
	t.usage.CostUSD += more.usage.CostUSD
}

func newSums() *sums { return &sums{run: newHistogram(), wait: newHistogram()} }

// endedRun is what the sums are made of.
type endedRun struct {
	id           int64
	agent, queue string
	outcome      string
	ended        int64 // ms
	run, wait    int64 // ms
	usage        engine.Usage
}

// add counts an attempt. How long it ran counts only when it came to an end of its own or to its time limit.
func (s *sums) add(r endedRun) {
	switch r.outcome {
	case "ok":
		s.ok++
	case "failed":
		s.failed++
	case "timeout":
		s.timeout++
	case "lost":
		s.lost++
	case "cancelled":
		s.cancelled++
	}
	if r.outcome != "lost" && r.outcome != "cancelled" {
		s.run.add(r.run)
	}
	s.wait.add(r.wait)
	s.usage.InputTokens += r.usage.InputTokens
	s.usage.OutputTokens += r.usage.OutputTokens
	s.usage.CostUSD += r.usage.CostUSD
}

// AddEnded adds all attempts that ended to the sums, and reports whether there were any. One process at a time does.
func (r *Store) AddEnded(ctx context.Context) (added bool, err error) {
	for {
		some, err := r.waiting(ctx)
		if err != nil || !some {
			return added, err
		}
		locked := false
		err = r.db.InTx(ctx, func(tx *db.Tx) (err error) {
			if locked, err = r.db.TryLock(ctx, tx, "rollup"); err == nil && locked {
				err = r.addBatch(ctx, tx)
			}
			return err
		})
		if err != nil {
			return added, err
		}
		if !locked { // another process is at it, and reports it
			return false, nil
		}
		added = true
	}
}

// waiting reports whether there are ends that the sums do not hold.
func (r *Store) waiting(ctx context.Context) (some bool, err error) {
	err = r.db.Read.QueryRowContext(ctx, `select exists (select 1 from run where rolled = 0 and ended_ms is not null)`+r.dialect.orFresh).Scan(&some)
	return some, err
}

// AddLast is AddEnded for a process that ends. Should another process have the sums, which may be dead, it waits
// for a moment.
func (r *Store) AddLast(ctx context.Context) (added bool, err error) {
	moment := time.After(time.Second)
	for {
		some, err := r.AddEnded(ctx)
		added = added || some
		if err != nil {
			return added, err
		}
		if some, err := r.waiting(ctx); err != nil || !some {
			return added, err
		}
		select {
		case <-moment:
			return added, nil // others keep at it
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// addBatch adds one batch of ended runs to the sums and marks them.
func (r *Store) addBatch(ctx context.Context, tx *db.Tx) error {
	rows, err := tx.QueryContext(ctx, `select id, agent, queue, outcome, ended_ms, coalesce(run_ms, 0), wait_ms,
		input_tokens, output_tokens, cost_usd from run where rolled = 0 and ended_ms is not null order by id limit $1`, rollupBatch)
	runs, err := db.Collect(rows, err, func(rows *sql.Rows) (r endedRun, err error) {
		return r, rows.Scan(&r.id, &r.agent, &r.queue, &r.outcome, &r.ended, &r.run, &r.wait,
			&r.usage.InputTokens, &r.usage.OutputTokens, &r.usage.CostUSD)
	})
	if err != nil {
		return err
	}
	fresh := map[bucket]*sums{}
	if r.db.Kind == db.Postgres {
		if err := takeFresh(ctx, tx, fresh); err != nil {
			return err
		}
	}
	ids := make([]int64, len(runs))
	for i, r := range runs {
		ids[i] = r.id
		for _, b := range bucketsOf(r.ended/1000, r.agent, r.queue) {
			sumsOf(fresh, b).add(r)
		}
	}
	for b, f := range fresh {
		if err := addTo(ctx, tx, b, f); err != nil {
			return err
		}
	}
	if len(ids) == 0 {
		return nil
	}
	condition, args := r.db.In("id", ids)
	_, err = tx.ExecContext(ctx, `update run set rolled = 1 where `+condition, args...)
	return err
}

func sumsOf[K comparable](all map[K]*sums, key K) *sums {
	if all[key] == nil {
		all[key] = newSums()
	}
	return all[key]
}

func bucketsOf(at int64, agent, queue string) []bucket {
	minute, hour := floorTo(at, minuteStep), floorTo(at, hourStep)
	return []bucket{{minuteStep, minute, agent, queue}, {minuteStep, minute, "", ""}, {hourStep, hour, agent, queue}, {hourStep, hour, "", ""}}
}

func floorTo(n, step int64) int64 { return n - n%step }

const sumColumns = `ok, failed, timeout, lost, cancelled, run_max_ms, wait_max_ms, input_tokens, output_tokens, cost_usd, run_ms, wait_ms`

// addTo adds fresh sums to a stored row.
func addTo(ctx context.Context, tx *db.Tx, b bucket, fresh *sums) error {
	row := tx.QueryRowContext(ctx, `select `+sumColumns+` from rollup where step_s = $1 and agent = $2 and queue = $3 and start_s = $4`,
		b.step, b.agent, b.queue, b.start)
	if err := fresh.scan(row.Scan); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	return storeSums(ctx, tx, b, fresh)
}

// storeSums puts sums in the place of those of their row, if there is one.
func storeSums(ctx context.Context, tx *db.Tx, b bucket, s *sums) error {
	_, err := tx.ExecContext(ctx, `insert into rollup (step_s, agent, queue, start_s, `+sumColumns+`)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
		on conflict (step_s, agent, queue, start_s) do update set
			ok = excluded.ok, failed = excluded.failed, timeout = excluded.timeout, lost = excluded.lost, cancelled = excluded.cancelled,
			run_max_ms = excluded.run_max_ms, wait_max_ms = excluded.wait_max_ms, input_tokens = excluded.input_tokens,
			output_tokens = excluded.output_tokens, cost_usd = excluded.cost_usd, run_ms = excluded.run_ms, wait_ms = excluded.wait_ms`,
		append([]any{b.step, b.agent, b.queue, b.start}, s.values()...)...)
	return err
}

// scan adds a stored row, read as before... and sumColumns.
func (s *sums) scan(scan func(...any) error, before ...any) error {
	var r sumRow
	if err := scan(append(before, r.fields()...)...); err != nil {
		return err
	}
	return s.addRow(&r)
}

// sumRow is a stored row, its histograms still encoded.
type sumRow struct {
	tallies
	runMax, waitMax int64
	run, wait       []byte
}

func (r *sumRow) fields() []any {
	return []any{
		&r.ok, &r.failed, &r.timeout, &r.lost, &r.cancelled, &r.runMax, &r.waitMax,
		&r.usage.InputTokens, &r.usage.OutputTokens, &r.usage.CostUSD, &r.run, &r.wait,
	}
}

func (s *sums) addRow(r *sumRow) error {
	s.addTallies(r.tallies)
	return errors.Join(s.run.merge(r.run, r.runMax), s.wait.merge(r.wait, r.waitMax))
}

// RollupsCompleteTo returns the time before which every run that ended is in Windows, Throughput and Agents.
func (r *Store) RollupsCompleteTo(ctx context.Context) (time.Time, error) {
	began := time.Now()
	var oldest sql.NullInt64
	err := r.db.Read.QueryRowContext(ctx, `select min(ended_ms) from (
		select * from (select ended_ms from run where rolled = 0 and ended_ms is not null order by id limit 1000) runs`+r.dialect.andFresh+`) waiting`).Scan(&oldest)
	if err != nil {
		return time.Time{}, engine.WrapDB("read how far the rollups are", err)
	}
	to := began.Add(-rollupLag).UnixMilli()
	if oldest.Valid {
		to = min(to, oldest.Int64)
	}
	return db.FromMS(to), nil
}

// takeFresh takes over the sums of attempts that a worker of an earlier version ended several at a time, on Postgres: it may still run
// beside this one, or have been killed before they were added.
func takeFresh(ctx context.Context, tx *db.Tx, into map[bucket]*sums) error {
	rows, err := tx.QueryContext(ctx, `delete from rollup_fresh where id in (select id from rollup_fresh order by id limit $1)
		returning start_s, agent, queue, `+sumColumns, rollupBatch)
	_, err = db.Collect(rows, err, func(rows *sql.Rows) (struct{}, error) {
		var start int64
		var agent, queue string
		var r sumRow
		if err := rows.Scan(append([]any{&start, &agent, &queue}, r.fields()...)...); err != nil {
			return struct{}{}, err
		}
		var errs []error
		for _, b := range bucketsOf(start, agent, queue) {
			errs = append(errs, sumsOf(into, b).addRow(&r))
		}
		return struct{}{}, errors.Join(errs...)
	})
	return err
}

// values are those of sumColumns.
func (s *sums) values() []any {
	return []any{
		s.ok, s.failed, s.timeout, s.lost, s.cancelled, s.run.max, s.wait.max, s.usage.InputTokens, s.usage.OutputTokens, s.usage.CostUSD,
		s.run.bytes(), s.wait.bytes(),
	}
}
