package runlog

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/rollup"
)

// How long rows are kept. Counts and bytes bound the database when there is much work; River prunes its jobs itself.
const (
	runsKept = 14 * 24 * time.Hour
	maxRuns  = 500_000
	logsKept = 14 * 24 * time.Hour
	maxLogs  = 1_000_000

	// DefaultKeepLogs and DefaultKeepRuns are bytes.
	DefaultKeepLogs = 512 << 20
	DefaultKeepRuns = 2 << 30

	// SweepEvery is how often to sweep.
	SweepEvery   = 10 * time.Second
	sweepTimeout = 10 * time.Second // of one transaction
	sweepChunk   = 1_000            // rows of one transaction: others wait only a moment
	sweepLease   = time.Minute
	// runCost is what a run takes in the database beside its result and error, with its indexes.
	runCost = 600
	// segmentIDs is how many ids are counted together, and recounts how many of these are counted again in each sweep: rows go in
	// other ways too.
	segmentIDs = 4_096
	recounts   = 4
)

// kept says how much of a table is kept.
type kept struct {
	table, old, weight string        // a condition by $2, milliseconds, and an expression in bytes
	deletable          string        // a condition
	age                time.Duration // at most
	rows, bytes        int64         // at most
}

// String is what users see of what is kept.
func (k *kept) String() string {
	return fmt.Sprintf("%d days of %s are kept, as far as these are no more than %d and %s", int(k.age.Hours()/24), k.name(), k.rows, engine.SizeText(k.bytes))
}

func (k *kept) name() string {
	if k.table == "run" {
		return "runs"
	}
	return "log lines"
}

// keeping is what is kept, and how much of it there is, as far as this process has counted.
type keeping struct {
	logs, runs kept
	counts     map[string]*counts
}

func newKeeping(logBytes, runBytes int64) keeping {
	return keeping{
		logs: kept{"run_log", `at_ms < $2`, fmt.Sprintf(`octet_length(msg) + %d`, lineCost), `1 = 1`, logsKept, maxLogs, cmp.Or(logBytes, DefaultKeepLogs)},
		runs: kept{
			"run", `coalesce(ended_ms < $2, false)`, fmt.Sprintf(`coalesce(octet_length(result), 0) + coalesce(octet_length(error), 0) + %d`, runCost),
			`rolled = 1`, runsKept, maxRuns, cmp.Or(runBytes, DefaultKeepRuns),
		},
		counts: map[string]*counts{},
	}
}

// Sweeper deletes what is old or too much of a fleet's runs, logs and sums. One process of the fleet does at a time. It is used by one goroutine.
type Sweeper struct {
	db     *db.DB
	sums   *rollup.Store
	holder string // of the lease
	keep   keeping
}

// NewSweeper makes a sweeper, for a process of a name that no other has, which keeps so many bytes of logs and of runs; zero: the defaults.
func NewSweeper(d *db.DB, sums *rollup.Store, holder string, logBytes, runBytes int64) *Sweeper {
	return &Sweeper{db: d, sums: sums, holder: holder, keep: newKeeping(logBytes, runBytes)}
}

// LogsKept says to users how much of the logs is kept.
func (w *Sweeper) LogsKept() string { return w.keep.logs.String() }

// counts are the rows and bytes of a table, by segments of its ids. Counting costs what is new, whatever the size of the table.
type counts struct {
	segments map[int64]rowsAndBytes
	next     int64 // to be counted again
	counted  int64 // the last id there was
}

type rowsAndBytes struct{ rows, bytes int64 }

func (c *counts) total() (all rowsAndBytes) {
	for _, s := range c.segments {
		all.rows, all.bytes = all.rows+s.rows, all.bytes+s.bytes
	}
	return all
}

// Sweep deletes what is old or too much, the oldest first, in small transactions. It goes on until nothing of it is left, but rests
// between them for as long as they took, so that others can write: it is faster than what it deletes can be written.
func (w *Sweeper) Sweep(ctx context.Context) error {
	if mine, err := w.leaseSweep(ctx); err != nil || !mine {
		return err
	}
	for _, k := range []*kept{&w.keep.logs, &w.keep.runs} {
		if err := w.sweepTable(ctx, k); err != nil {
			return fmt.Errorf("delete old %s: %w", k.name(), err)
		}
	}
	err := w.inChunks(ctx, func(ctx context.Context) (int64, error) { return w.sums.DeleteOld(ctx, sweepChunk) })
	if err != nil {
		return fmt.Errorf("delete old sums: %w", err)
	}
	return w.db.Shrink(ctx)
}

// inChunks does some work again until there is nothing left of it. The lease is kept meanwhile.
func (w *Sweeper) inChunks(ctx context.Context, chunk func(context.Context) (done int64, err error)) error {
	for leased := time.Now(); ; {
		began := time.Now()
		once, cancel := context.WithTimeout(ctx, sweepTimeout)
		n, err := chunk(once)
		cancel()
		if err != nil || n == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Since(began)):
		}
		if time.Since(leased) > sweepLease/4 {
			if mine, err := w.leaseSweep(ctx); err != nil || !mine {
				return err
			}
			leased = time.Now()
		}
	}
}

// sweepTable deletes the oldest rows of a table until it is within its bounds. Ids grow with time.
func (w *Sweeper) sweepTable(ctx context.Context, k *kept) error {
	c := w.keep.counts[k.table]
	if c == nil {
		c = &counts{segments: map[int64]rowsAndBytes{}}
		w.keep.counts[k.table] = c
	}
	if err := w.count(ctx, k, c); err != nil {
		return err
	}
	var after int64
	return w.inChunks(ctx, func(ctx context.Context) (int64, error) { return w.sweepChunk(ctx, k, c, &after) })
}

// oldRow is a row that may be deleted.
type oldRow struct {
	id, weight     int64
	deletable, old bool
}

// sweepChunk looks at the oldest rows after an id, and returns how many of them are not to stay; those that cannot go yet count too.
func (w *Sweeper) sweepChunk(ctx context.Context, k *kept, c *counts, after *int64) (int64, error) {
	rows, err := w.db.Read.QueryContext(ctx, `select id, `+k.weight+`, `+k.deletable+`, `+k.old+` from `+k.table+`
		where id > $1 order by id limit $3`, *after, time.Now().Add(-k.age).UnixMilli(), sweepChunk)
	oldest, err := db.Collect(rows, err, func(rows *sql.Rows) (r oldRow, err error) {
		return r, rows.Scan(&r.id, &r.weight, &r.deletable, &r.old)
	})
	if err != nil {
		return 0, err
	}
	total := c.total()
	var gone []oldRow
	passed := int64(0)
	for _, r := range oldest {
		*after = r.id
		if !r.old && total.rows <= k.rows && total.bytes <= k.bytes {
			continue // ids and times are in the same order, but for a little
		}
		passed++
		if r.deletable {
			gone = append(gone, r)
			total.rows, total.bytes = total.rows-1, total.bytes-r.weight
		}
	}
	for chunk := range slices.Chunk(gone, sweepChunk/2) { // parameters of one statement
		ids := make([]int64, len(chunk))
		for i, r := range chunk {
			ids[i] = r.id
		}
		condition, args := w.db.In("id", ids)
		if _, err := w.db.Write.ExecContext(ctx, `delete from `+k.table+` where `+condition+` and `+k.deletable, args...); err != nil {
			return 0, err
		}
		for _, r := range chunk {
			c.remove(r)
		}
	}
	return passed, nil
}

func (c *counts) remove(r oldRow) {
	n := r.id / segmentIDs
	s := c.segments[n]
	s.rows, s.bytes = max(s.rows-1, 0), max(s.bytes-r.weight, 0)
	c.segments[n] = s
}

// count brings the counts up to date: what is new, and some of what was counted before.
func (w *Sweeper) count(ctx context.Context, k *kept, c *counts) error {
	var first, last sql.NullInt64
	err := w.db.Read.QueryRowContext(ctx, `select (select min(id) from `+k.table+`), (select max(id) from `+k.table+`)`).Scan(&first, &last)
	if err != nil {
		return err
	}
	maps.DeleteFunc(c.segments, func(n int64, _ rowsAndBytes) bool { return !first.Valid || n < first.Int64/segmentIDs })
	if !first.Valid {
		return nil
	}
	from := max(c.counted/segmentIDs-1, first.Int64/segmentIDs) // the last but one may have lost some since
	for n := from; n <= last.Int64/segmentIDs; n++ {
		if err := w.countSegment(ctx, k, c, n); err != nil {
			return err
		}
		if c.segments[n].rows == 0 { // over the gap
			var next sql.NullInt64
			err := w.db.Read.QueryRowContext(ctx, `select min(id) from `+k.table+` where id >= $1`, (n+1)*segmentIDs).Scan(&next)
			if err != nil {
				return err
			}
			n = max(n, next.Int64/segmentIDs-1)
		}
	}
	known := slices.Sorted(maps.Keys(c.segments))
	at, _ := slices.BinarySearch(known, c.next)
	for _, n := range slices.Concat(known[at:], known[:at])[:min(recounts, len(known))] {
		if err := w.countSegment(ctx, k, c, n); err != nil {
			return err
		}
		c.next = n + 1
	}
	c.counted = last.Int64
	return nil
}

func (w *Sweeper) countSegment(ctx context.Context, k *kept, c *counts, n int64) error {
	var found rowsAndBytes
	err := w.db.Read.QueryRowContext(ctx, `select count(*), coalesce(sum(`+k.weight+`), 0) from `+k.table+` where id >= $1 and id < $2`,
		n*segmentIDs, (n+1)*segmentIDs).Scan(&found.rows, &found.bytes)
	if err != nil {
		return err
	}
	if found.rows == 0 {
		delete(c.segments, n)
		return nil
	}
	c.segments[n] = found
	return nil
}

// leaseSweep reports whether this process is the one of the fleet to sweep, for a minute from now.
func (w *Sweeper) leaseSweep(ctx context.Context) (mine bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	err = w.db.InTx(ctx, func(tx *db.Tx) error {
		result, err := tx.ExecContext(ctx, `insert into task_lease (task, holder, until_ms) values ($1, $2, `+w.db.NowMS()+` + $3)
			on conflict (task) do update set holder = excluded.holder, until_ms = excluded.until_ms
			where task_lease.holder = excluded.holder or task_lease.until_ms < `+w.db.NowMS(), "sweep", w.holder, sweepLease.Milliseconds())
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		mine = n > 0
		return err
	})
	return mine, err
}
