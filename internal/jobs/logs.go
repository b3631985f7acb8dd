package jobs

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
)

const (
	flushEvery    = 100 * time.Millisecond
	maxLinesOfRun = 10_000
	maxPending    = 5_000 // lines of one run that wait for the database
	maxMessage    = 160   // bytes of the last line shown beside a running job
	linesAtOnce   = 100   // rows of one insert
)

// logBook gathers what the attempts of this process say and writes it in one transaction ten times a second.
type logBook struct {
	service *Service
	dirty   chan struct{} // capacity 1

	mu      sync.Mutex
	runs    map[int64]*runLog
	settled *sync.Cond // of mu: a write has ended

	waitMu  sync.Mutex
	waiters map[int64]map[chan struct{}]struct{}
}

// runLog is what one run has said and is not written yet. Lines and usage are what is new; the rest is the latest state.
type runLog struct {
	runID, jobID int64
	agent        string
	lines        []logged
	taken        int // lines accepted since the beginning
	dropped      int
	progress     *float64
	message      string
	usage        agent.Usage // since the last write
	changed      bool        // progress, message or usage
	closing      bool
	unwritten    bool // its run has no row yet
	spoke        bool // it said anything at all
	underWay     bool // a part of it is being written
}

type logged struct {
	at         time.Time
	level, msg string
}

func newLogBook(s *Service) *logBook {
	b := &logBook{
		service: s, dirty: make(chan struct{}, 1), runs: map[int64]*runLog{}, waiters: map[int64]map[chan struct{}]struct{}{},
	}
	b.settled = sync.NewCond(&b.mu)
	return b
}

// open begins the log of a run; nothing of it is written before the run itself is.
func (b *logBook) open(run, job int64, agent string, written bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.runs[run] = &runLog{runID: run, jobID: job, agent: agent, unwritten: !written}
}

// written tells that a run has its row.
func (b *logBook) written(run int64) {
	b.mu.Lock()
	r := b.runs[run]
	waits := r != nil && (len(r.lines) > 0 || r.changed)
	if r != nil {
		r.unwritten = false
	}
	b.mu.Unlock()
	if waits {
		b.stir()
	}
}

// stir lets the writer look.
func (b *logBook) stir() {
	select {
	case b.dirty <- struct{}{}:
	default:
	}
}

// add takes a line. It never waits for the database: lines that find no room are counted and dropped.
func (b *logBook) add(run int64, line agent.Line) {
	b.mu.Lock()
	r := b.runs[run]
	if r != nil {
		r.add(line)
	}
	b.mu.Unlock()
	b.stir()
}

func (r *runLog) add(line agent.Line) {
	r.spoke = true
	if line.Live {
		r.message, r.changed = Clip(line.Msg, maxMessage), true
	}
	if line.HasMsg {
		if r.taken < maxLinesOfRun && len(r.lines) < maxPending {
			r.lines = append(r.lines, logged{line.At, line.Level, line.Msg})
			r.taken++
		} else {
			r.dropped++
		}
		r.message, r.changed = Clip(line.Msg, maxMessage), true
	}
	if line.Progress != nil {
		r.progress, r.changed = line.Progress, true
	}
	if line.Usage != nil {
		r.usage.InputTokens += line.Usage.InputTokens
		r.usage.OutputTokens += line.Usage.OutputTokens
		r.usage.CostUSD += line.Usage.CostUSD
		r.changed = true
	}
}

// close takes a run out of the book and returns what is not written yet, for the transaction that ends the run. What is being
// written comes first: nothing of a run is to appear after its end.
func (b *logBook) close(run int64) *runLog {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.runs[run]
	if r == nil {
		return nil
	}
	for r.underWay {
		b.settled.Wait()
	}
	delete(b.runs, run)
	r.closing = true
	return r
}

// reopen gives back what close returned.
func (b *logBook) reopen(run int64, r *runLog) {
	if r == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	r.closing = false
	b.runs[run] = r
}

// run writes until the service stops tending.
func (b *logBook) run() {
	s := b.service
	for {
		select {
		case <-s.tending.Done():
			return
		case <-b.dirty:
		}
		select { // let more come together
		case <-s.tending.Done():
			return
		case <-time.After(flushEvery):
		}
		ctx, cancel := context.WithTimeout(s.tending, persistTimeout)
		s.health.report("write log lines", b.flush(ctx))
		cancel()
	}
}

// flush writes everything that waits.
func (b *logBook) flush(ctx context.Context) error {
	batch := b.take()
	if len(batch) == 0 {
		return nil
	}
	err := b.service.inTx(ctx, func(tx *db.Tx) error {
		for _, r := range batch {
			if err := r.write(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
	b.settle(batch, err != nil)
	if err != nil {
		return err
	}
	sections := []string{"jobs"}
	for _, r := range batch {
		if len(r.lines) > 0 {
			sections = []string{"jobs", "logs"}
		}
		b.wake(r.runID)
	}
	b.service.onChange(sections...)
	return nil
}

// take moves what is new out of the book.
func (b *logBook) take() []*runLog {
	b.mu.Lock()
	defer b.mu.Unlock()
	var batch []*runLog
	for _, run := range slices.Sorted(maps.Keys(b.runs)) {
		r := b.runs[run]
		if r.unwritten || len(r.lines) == 0 && !r.changed {
			continue
		}
		part := *r
		part.dropped = 0 // told at the end
		batch = append(batch, &part)
		r.lines, r.usage, r.changed, r.underWay = nil, agent.Usage{}, false, true
	}
	return batch
}

// settle is the end of a write. What could not be written is put in front of what came since.
func (b *logBook) settle(batch []*runLog, failed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.settled.Broadcast()
	for _, part := range batch {
		r := b.runs[part.runID]
		r.underWay = false
		if !failed {
			continue
		}
		r.lines = append(part.lines, r.lines...)
		r.usage.InputTokens += part.usage.InputTokens
		r.usage.OutputTokens += part.usage.OutputTokens
		r.usage.CostUSD += part.usage.CostUSD
		r.changed = true
	}
}

// write puts the lines and the latest state into the database. The first write after close also tells what was dropped.
func (r *runLog) write(ctx context.Context, tx *db.Tx) error {
	lines := r.lines
	if r.closing && r.dropped > 0 {
		lines = append(slices.Clone(lines), logged{time.Now(), "warn", fmt.Sprintf("%d lines dropped: a run keeps %d", r.dropped, maxLinesOfRun)})
	}
	for chunk := range slices.Chunk(lines, linesAtOnce) {
		args := make([]any, 0, 7*len(chunk))
		for _, l := range chunk {
			args = append(args, r.runID, r.jobID, r.agent, l.at.UnixMilli(), l.level, l.msg)
		}
		_, err := tx.ExecContext(ctx, `insert into run_log (run_id, job_id, agent, at_ms, level, msg) values `+tuples(len(chunk), 6), args...)
		if err != nil {
			return err
		}
	}
	if !r.changed {
		return nil
	}
	_, err := tx.ExecContext(ctx, `update run set progress = $2, message = $3, input_tokens = input_tokens + $4,
		output_tokens = output_tokens + $5, cost_usd = cost_usd + $6 where id = $1`,
		r.runID, r.progress, nullable(r.message), r.usage.InputTokens, r.usage.OutputTokens, r.usage.CostUSD)
	return err
}

// wake tells those who wait for lines of a run.
func (b *logBook) wake(run int64) {
	b.waitMu.Lock()
	defer b.waitMu.Unlock()
	for waiter := range b.waiters[run] {
		select {
		case waiter <- struct{}{}:
		default:
		}
	}
}

// listen returns a channel that gets a value when there may be new lines of a run, and what ends that.
func (b *logBook) listen(run int64) (<-chan struct{}, func()) {
	waiter := make(chan struct{}, 1)
	b.waitMu.Lock()
	defer b.waitMu.Unlock()
	if b.waiters[run] == nil {
		b.waiters[run] = map[chan struct{}]struct{}{}
	}
	b.waiters[run][waiter] = struct{}{}
	return waiter, func() {
		b.waitMu.Lock()
		defer b.waitMu.Unlock()
		delete(b.waiters[run], waiter)
		if len(b.waiters[run]) == 0 {
			delete(b.waiters, run)
		}
	}
}

// here tells whether the run is of this process.
func (b *logBook) here(run int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.runs[run] != nil
}
