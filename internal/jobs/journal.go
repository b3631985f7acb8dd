package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/db"
)

const (
	// beginWithin is how soon the start of an attempt is written. One that ends before is written once.
	beginWithin = 10 * time.Millisecond
	// maxAtOnce bounds the attempts of one transaction.
	maxAtOnce = 500
)

// journal writes what becomes of this process's attempts on Postgres: what comes while it writes is one transaction, the
// next. An attempt that does nothing costs a fraction of one.
//
// SQLite has no use for it, where a transaction costs no round trip.
type journal struct {
	service *Service
	ids     runIDs
	work    chan struct{} // capacity 1: there is something to write

	mu     sync.Mutex
	begins []*entry // in the order of their time
	ends   []*entry
	urgent bool // somebody waits for a start to be written
}

// entry is an attempt in the journal.
type entry struct {
	attempt *attempt
	noted   time.Time
	written chan struct{} // closed when its run has a row
	end     *ending       // nil before it ended
	ended   chan error    // capacity 1: what became of writing the end
}

var (
	// errByItself means that the end of an attempt could not be written together with others.
	errByItself = errors.New("it must be written by itself")
	errGone     = errors.New("this service has stopped")
)

func newJournal(s *Service) *journal {
	return &journal{service: s, ids: runIDs{service: s}, work: make(chan struct{}, 1)}
}

// begin notes that an attempt begins. It gives the run an id and does not wait for its row.
func (j *journal) begin(ctx context.Context, a *attempt) error {
	id, err := j.ids.next(ctx)
	if err != nil {
		return err
	}
	a.runID, a.begun = id, time.Now()
	a.entry = &entry{attempt: a, noted: a.begun, written: make(chan struct{}), ended: make(chan error, 1)}
	j.service.logs.open(a.runID, a.job.ID, a.spec.Name, false)
	j.mu.Lock()
	j.begins = append(j.begins, a.entry)
	j.mu.Unlock()
	j.wake()
	return nil
}

// await waits until the run of an attempt has a row.
func (j *journal) await(e *entry) error {
	j.mu.Lock()
	j.urgent = true
	j.mu.Unlock()
	j.wake()
	select {
	case <-e.written:
		return nil
	case <-j.service.life.Done():
		return errGone
	}
}

// finish writes the end of an attempt that succeeded and asked for no further jobs. It returns errByItself when that
// failed for a reason that may lie in it, and errSuperseded when the job is another worker's.
func (j *journal) finish(e *entry, end *ending) error {
	j.mu.Lock()
	e.end = end
	j.ends = append(j.ends, e)
	j.mu.Unlock()
	j.wake()
	select {
	case err := <-e.ended:
		return err
	case <-j.service.life.Done():
		return errGone
	}
}

func (j *journal) wake() {
	select {
	case j.work <- struct{}{}:
	default:
	}
}

// run writes until nothing can come any more: the service stops it when all attempts have ended.
func (j *journal) run(stop context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		begins, ends, wait := j.take()
		if len(begins)+len(ends) > 0 {
			j.write(begins, ends)
			continue
		}
		timer.Reset(wait)
		select {
		case <-stop.Done():
			return
		case <-j.work:
		case <-timer.C:
		}
	}
}

// take returns what is to be written now, and otherwise when to look again.
func (j *journal) take() (begins, ends []*entry, wait time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := min(len(j.ends), maxAtOnce)
	ends, j.ends = j.ends[:n:n], j.ends[n:]
	now := time.Now()
	rest := j.begins[:0]
	for _, e := range j.begins {
		switch {
		case e.end != nil: // it is written with its end
		case len(begins) < maxAtOnce && (j.urgent || now.Sub(e.noted) >= beginWithin):
			begins = append(begins, e)
		default:
			rest = append(rest, e)
		}
	}
	clear(j.begins[len(rest):])
	j.begins = rest
	wait = time.Minute
	if len(rest) > 0 {
		wait = max(beginWithin-now.Sub(rest[0].noted), 0)
	} else {
		j.urgent = false
	}
	return begins, ends, wait
}

// write writes them in one transaction, again and again while the database cannot be used.
func (j *journal) write(begins, ends []*entry) {
	s := j.service
	var done map[int64]bool
	err := s.persist(s.life, "write the attempts", func(ctx context.Context) error {
		return s.inTx(ctx, func(tx *db.Tx) (err error) {
			if err := j.insertBegins(ctx, tx, begins); err != nil {
				return err
			}
			done, err = j.insertEnds(ctx, tx, ends)
			return err
		})
	})
	if s.life.Err() != nil && err != nil {
		return // those who wait see it themselves
	}
	if err != nil {
		s.log.Warn("attempts could not be written together: each by itself", "attempts", len(begins)+len(ends), "error", err)
		j.writeEach(begins, ends)
		return
	}
	for _, e := range begins {
		j.isWritten(e)
	}
	for _, e := range ends {
		if done[e.attempt.runID] {
			j.isWritten(e)
			e.ended <- nil
		} else {
			e.ended <- errSuperseded
		}
	}
}

// writeEach is for a transaction that Postgres refused. The ends then write themselves.
func (j *journal) writeEach(begins, ends []*entry) {
	s := j.service
	for _, e := range append(begins, ends...) {
		err := s.persist(s.life, "write the start of a run", func(ctx context.Context) error {
			return s.inTx(ctx, func(tx *db.Tx) error { return j.insertBegins(ctx, tx, []*entry{e}) })
		})
		s.health.report("write the start of a run", err)
		j.isWritten(e) // or never will be
		if e.end != nil {
			e.ended <- errByItself
		}
	}
}

func (j *journal) isWritten(e *entry) {
	select {
	case <-e.written:
	default:
		close(e.written)
		j.service.logs.written(e.attempt.runID)
	}
}

// columns gathers the values of many rows by column: one parameter each, however many rows.
type columns struct {
	types []string
	lists []any
}

func column[T any](c *columns, kind string, entries []*entry, of func(*entry) T) {
	values := make([]T, len(entries))
	for i, e := range entries {
		values[i] = of(e)
	}
	c.types = append(c.types, kind)
	c.lists = append(c.lists, values)
}

// unnest is the rows, as a table with the columns named.
func (c *columns) unnest(alias, names string) string {
	params := make([]string, len(c.types))
	for i, kind := range c.types {
		params[i] = fmt.Sprintf("$%d::%s[]", i+1, kind)
	}
	return "unnest(" + strings.Join(params, ", ") + ") as " + alias + "(" + names + ")"
}

const beginColumns = `id, job_id, attempt, max_attempts, agent, queue, worker, scheduled_ms, started_ms, wait_ms`

func beginsOf(s *Service, entries []*entry) *columns {
	c := &columns{}
	column(c, "bigint", entries, func(e *entry) int64 { return e.attempt.runID })
	column(c, "bigint", entries, func(e *entry) int64 { return e.attempt.job.ID })
	column(c, "bigint", entries, func(e *entry) int64 { return int64(e.attempt.job.Attempt) })
	column(c, "bigint", entries, func(e *entry) int64 { return int64(e.attempt.job.MaxAttempts) })
	column(c, "text", entries, func(e *entry) string { return e.attempt.spec.Name })
	column(c, "text", entries, func(e *entry) string { return e.attempt.job.Queue })
	column(c, "text", entries, func(*entry) string { return s.id })
	column(c, "bigint", entries, func(e *entry) int64 { return e.attempt.job.ScheduledAt.UnixMilli() })
	column(c, "bigint", entries, func(e *entry) int64 { return e.attempt.begun.UnixMilli() })
	column(c, "bigint", entries, func(e *entry) int64 { return max(e.attempt.begun.Sub(e.attempt.job.ScheduledAt), 0).Milliseconds() })
	return c
}

// insertBegins writes the runs of attempts that have begun. Those written by a try before are left alone.
func (j *journal) insertBegins(ctx context.Context, tx *db.Tx, begins []*entry) error {
	if len(begins) == 0 {
		return nil
	}
	c := beginsOf(j.service, begins)
	_, err := tx.ExecContext(ctx, `insert into run (`+beginColumns+`, outcome) select i.*, 'running' from `+c.unnest("i", beginColumns)+`
		on conflict (id) do nothing`, c.lists...)
	return err
}

// insertEnds completes the jobs that are still their attempts' own, and writes the ends of the runs and the last log lines of
// those. It returns their runs, and those that a try before has written after all.
func (j *journal) insertEnds(ctx context.Context, tx *db.Tx, ends []*entry) (map[int64]bool, error) {
	done := map[int64]bool{}
	if len(ends) == 0 {
		return done, nil
	}
	s := j.service
	c := beginsOf(s, ends)
	column(c, "text", ends, func(e *entry) string { return e.attempt.client })
	column(c, "bigint", ends, func(e *entry) int64 { return e.end.ended.UnixMilli() })
	column(c, "timestamptz", ends, func(e *entry) time.Time { return e.end.ended.UTC() })
	column(c, "bigint", ends, func(e *entry) int64 { return e.end.ended.Sub(e.attempt.begun).Milliseconds() })
	column(c, "bigint", ends, func(e *entry) *int { return e.end.exitCode() })
	column(c, "text", ends, func(e *entry) *string { return e.end.stdout(s.db) })
	column(c, "bigint", ends, func(e *entry) int64 { return e.end.result.StdoutDropped })
	rows, err := tx.QueryContext(ctx, `with i as (select * from `+
		c.unnest("u", beginColumns+`, client, ended_ms, ended_at, run_ms, exit_code, result, result_dropped`)+`),
		moved as (
			update river_job j set state = 'completed', finalized_at = i.ended_at from i
			where j.id = i.job_id and j.state = 'running' and j.attempt = i.attempt and `+s.sql.lastClient+` = i.client
			returning i.id),
		written as (
			insert into run (`+beginColumns+`, outcome, ended_ms, run_ms, exit_code, result, result_dropped)
			select `+beginColumns+`, 'ok', ended_ms, run_ms, exit_code, result, result_dropped from i where id in (select id from moved)
			on conflict (id) do update set outcome = excluded.outcome, ended_ms = excluded.ended_ms, run_ms = excluded.run_ms,
				exit_code = excluded.exit_code, result = excluded.result, result_dropped = excluded.result_dropped
			where run.ended_ms is null)
		select id, true from moved
		union all select run.id, false from run join i on run.id = i.id where run.outcome = 'ok'`, c.lists...)
	now := map[int64]bool{} // not by a try before
	_, err = collect(rows, err, func(rows *sql.Rows) (id int64, err error) {
		var moved bool
		err = rows.Scan(&id, &moved)
		done[id], now[id] = true, moved
		return id, err
	})
	if err != nil {
		return nil, err
	}
	for _, e := range ends {
		if now[e.attempt.runID] && e.end.pending != nil {
			if err := e.end.pending.write(ctx, tx); err != nil {
				return nil, err
			}
		}
	}
	return done, nil
}
