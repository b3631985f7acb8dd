package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/db"
)

const (
	// beginWithin is how soon the start of an attempt is written. One that ends before is written once.
	beginWithin = 10 * time.Millisecond
	// When more than gatherAbove attempts ended in one transaction, the next one waits gatherFor for more, unless there are
	// gatherEnough.
	gatherAbove  = 8
	gatherFor    = 10 * time.Millisecond
	gatherEnough = 200
	maxAtOnce    = 1000 // attempts of one transaction
	maxWaiting   = 3000 // ends that wait to be written; further attempts wait to hand over theirs
)

// journal writes what becomes of this process's attempts on Postgres: what comes while it writes is one transaction, the
// next. An attempt that does nothing costs a fraction of one.
//
// SQLite has no use for it, where a transaction costs no round trip.
type journal struct {
	service *Service
	ids     runIDs
	work    chan struct{}  // capacity 1: there is something to write
	room    chan struct{}  // holds one for each end that waits
	waiting sync.WaitGroup // the same

	mu     sync.Mutex
	begins []*entry // in the order of their time
	ends   []*entry
	urgent bool // somebody waits for a start to be written
	closed bool // nothing is written any more
}

// entry is an attempt in the journal.
type entry struct {
	attempt *attempt
	noted   time.Time
	written chan struct{}   // closed when its run has a row
	end     *ending         // nil before it ended
	settle  func(err error) // told once what became of writing the end
}

var (
	// errByItself means that the end of an attempt could not be written together with others.
	errByItself = errors.New("it must be written by itself")
	errGone     = errors.New("this service has stopped")
)

func newJournal(s *Service) *journal {
	return &journal{service: s, ids: runIDs{service: s}, work: make(chan struct{}, 1), room: make(chan struct{}, maxWaiting)}
}

// begin notes that an attempt begins. It gives the run an id and does not wait for its row.
func (j *journal) begin(ctx context.Context, a *attempt) error {
	id, err := j.ids.next(ctx)
	if err != nil {
		return err
	}
	a.runID, a.begun = id, time.Now()
	a.entry = &entry{attempt: a, noted: a.begun, written: make(chan struct{})}
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

// finish takes over to write the end of an attempt that succeeded and asked for no further jobs. It calls settle from a
// goroutine of its own making: with errByItself when the end could not be written for a reason that may lie in it,
// errSuperseded when the job is another worker's, errGone when this service ended first.
func (j *journal) finish(e *entry, end *ending, settle func(error)) {
	select {
	case j.room <- struct{}{}:
	case <-j.service.life.Done():
		settle(errGone)
		return
	}
	j.waiting.Add(1)
	j.mu.Lock()
	e.end, e.settle = end, settle
	closed := j.closed
	if !closed {
		j.ends = append(j.ends, e)
	}
	j.mu.Unlock()
	if closed {
		j.settle(e, errGone)
	}
	j.wake()
}

// settle tells what became of an end. What may take its time does not hold up the others.
func (j *journal) settle(e *entry, err error) {
	<-j.room
	if err == nil || errors.Is(err, errGone) {
		e.settle(err)
		j.waiting.Done()
		return
	}
	go func() { // drain waits for it
		defer j.waiting.Done()
		e.settle(err)
	}()
}

// drain waits until every end that was handed over is settled.
func (j *journal) drain() { j.waiting.Wait() }

func (j *journal) wake() {
	select {
	case j.work <- struct{}{}:
	default:
	}
}

// run writes until stop is done.
func (j *journal) run(stop context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	defer j.close()
	for stop.Err() == nil {
		begins, ends, wait := j.take()
		if len(begins)+len(ends) > 0 {
			j.write(begins, ends)
		}
		switch {
		case len(ends) > gatherAbove && j.has(gatherEnough):
		case len(ends) > gatherAbove:
			timer.Reset(gatherFor)
			select {
			case <-stop.Done():
			case <-timer.C:
			}
		case len(begins)+len(ends) == 0:
			timer.Reset(wait)
			select {
			case <-stop.Done():
			case <-j.work:
			case <-timer.C:
			}
		}
	}
}

// has tells whether n ends wait.
func (j *journal) has(n int) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.ends) >= n
}

// close settles what is left: the next worker runs those jobs again.
func (j *journal) close() {
	j.mu.Lock()
	j.closed = true
	left := j.ends
	j.ends = nil
	j.mu.Unlock()
	for _, e := range left {
		j.settle(e, errGone)
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
	switch {
	case err != nil && s.life.Err() != nil:
		for _, e := range ends {
			j.settle(e, errGone)
		}
		return
	case err != nil:
		s.log.Warn("attempts could not be written together: each by itself", "attempts", len(begins)+len(ends), "error", err)
		j.writeEach(begins, ends)
		return
	}
	for _, e := range begins {
		j.setWritten(e)
	}
	for _, e := range ends {
		if done[e.attempt.runID] {
			j.setWritten(e)
			j.settle(e, nil)
		} else {
			j.settle(e, errSuperseded)
		}
	}
	if len(ends) > 0 {
		s.signalEnded()
		s.onChange("queue", "jobs", "agents", "workers")
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
		j.setWritten(e) // or never will be
		if e.end != nil {
			j.settle(e, errByItself)
		}
	}
}

// isWritten tells whether the run has a row.
func (e *entry) isWritten() bool {
	select {
	case <-e.written:
		return true
	default:
		return false
	}
}

func (j *journal) setWritten(e *entry) {
	if !e.isWritten() {
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
	column(c, "bigint", ends, func(e *entry) int64 {
		if e.end.quiet() {
			return 1
		}
		return 0
	})
	column(c, "boolean", ends, (*entry).isWritten)
	// Jobs are to be found by their primary key, whatever Postgres knew of the table when it planned this: that it was empty,
	// or had no running jobs. So the state is made something that no index has.
	_, err := tx.ExecContext(ctx, `select set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
		set_config('enable_mergejoin', 'off', true)`)
	if err != nil {
		return nil, err
	}
	rows, err := tx.QueryContext(ctx, `with i as (select * from `+
		c.unnest("u", beginColumns+`, client, ended_ms, ended_at, run_ms, exit_code, result, result_dropped, rolled, is_written`)+`),
		moved as (
			update river_job j set state = 'completed', finalized_at = i.ended_at from i
			where j.id = i.job_id and j.state::text = 'running' and j.attempt = i.attempt and `+s.sql.lastClient+` = i.client
			returning i.*),
		inserted as (
			insert into run (`+beginColumns+`, outcome, ended_ms, run_ms, exit_code, result, result_dropped, rolled)
			select `+beginColumns+`, 'ok', ended_ms, run_ms, exit_code, result, result_dropped, rolled from moved where not is_written),
		updated as (
			update run set outcome = 'ok', ended_ms = m.ended_ms, run_ms = m.run_ms, exit_code = m.exit_code, result = m.result,
				result_dropped = m.result_dropped, rolled = m.rolled
			from moved m where run.id = m.id and m.is_written)
		select id from moved`, c.lists...)
	now, err := idSet(rows, err)
	if err != nil {
		return nil, err
	}
	if len(now) < len(ends) {
		rows, err := tx.QueryContext(ctx, `select id from run where id = any($1) and outcome = 'ok'`, c.lists[0])
		if done, err = idSet(rows, err); err != nil {
			return nil, err
		}
	}
	maps.Copy(done, now)
	var quiet []endedRun
	for _, e := range ends {
		switch a := e.attempt; {
		case !now[a.runID]:
		case e.end.quiet():
			quiet = append(quiet, endedRun{
				agent: a.spec.Name, queue: a.job.Queue, outcome: "ok", ended: e.end.ended.UnixMilli(),
				run: e.end.ended.Sub(a.begun).Milliseconds(), wait: max(a.begun.Sub(a.job.ScheduledAt), 0).Milliseconds(),
			})
		default:
			if _, err := e.end.pending.write(ctx, tx); err != nil {
				return nil, err
			}
		}
	}
	return done, addFresh(ctx, tx, quiet)
}

func idSet(rows *sql.Rows, err error) (map[int64]bool, error) {
	set := map[int64]bool{}
	ids, err := Collect(rows, err, scanID)
	for _, id := range ids {
		set[id] = true
	}
	return set, err
}
