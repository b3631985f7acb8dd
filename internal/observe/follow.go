package observe

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/paced"
	"github.com/agentos/agentos/internal/rollup"
)

const (
	// longest is how long a batch may be to count in the minute in which it ends. What a longer one holds ended at a time that nobody
	// knows: it is a gap.
	longest = 90 * time.Second
	// storeWithin is how long nothing is stored while nothing ends.
	storeWithin = time.Minute
	// maxQueues bounds the queues of a batch whose sums are kept apart: the busiest. The sums of all hold the others.
	maxQueues = 500
	// sweepEvery is how often what is old is deleted.
	sweepEvery = 10 * time.Minute
	// passiveEvery is how often a process that does not follow looks whether it should.
	passiveEvery = time.Second
)

// errNotLeading ends following when another process leads.
var errNotLeading = errors.New("another process leads")

// Run follows the engine until ctx ends, while this process leads.
func (s *Service) Run(ctx context.Context) error {
	if err := s.claim(ctx); err != nil {
		return err
	}
	for ctx.Err() == nil {
		wait := passiveEvery
		if s.lead() {
			err := s.follow(ctx)
			if errors.Is(err, errNotLeading) || errors.Is(err, errOvertaken) {
				err = nil
			}
			s.note(ctx, err)
			wait = s.interval
		}
		paced.Pause(ctx, wait)
	}
	return nil
}

// claim makes sure that the sums are those of this engine; it waits until both can be asked.
func (s *Service) claim(ctx context.Context) error {
	for {
		e, err := s.connect(ctx)
		if err == nil {
			err = s.Claim(ctx, e.Info.Engine+" "+e.Where, e.Where)
		}
		if err == nil || errors.Is(err, rollup.ErrOtherSource) {
			return err
		}
		s.note(ctx, err)
		if !paced.Pause(ctx, s.interval) {
			return nil
		}
	}
}

// note keeps why following fails, and logs it when that changes.
func (s *Service) note(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil && (s.followed == nil || s.followed.Error() != err.Error()):
		s.log.Warn("the attached engine cannot be followed", "where", s.about.Where, "error", err)
	case err == nil && s.followed != nil:
		s.log.Info("the attached engine is followed again", "where", s.about.Where)
	}
	s.followed = err
}

// follower goes from batch to batch.
type follower struct {
	*Service
	last   mark
	stored time.Time // when something was stored last
	swept  time.Time
}

// follow takes batches from where the last one was stored, until that fails or another process leads.
func (s *Service) follow(ctx context.Context) error {
	e, err := s.connect(ctx)
	if err != nil {
		return err
	}
	last, err := s.ledger.read(ctx)
	if err != nil {
		return engine.WrapDB("read how far the engine was followed", err)
	}
	f := &follower{Service: s, last: last}
	return e.Follow(ctx, last.cursor, func(b engine.Batch) error { return f.take(ctx, b) })
}

// take stores a batch.
func (f *follower) take(ctx context.Context, b engine.Batch) error {
	if !f.lead() {
		return errNotLeading
	}
	quiet := len(b.Ended) == 0 && len(b.Gaps) == 0
	if !quiet || f.last.number == 0 || time.Since(f.stored) > storeWithin {
		ended, gaps := f.sort(b)
		next, err := f.ledger.store(ctx, f.last, b.Next, b.To, ended, gaps)
		if err != nil {
			return engine.WrapDB("store what ended", err)
		}
		f.last, f.stored = next, time.Now()
	}
	if time.Since(f.swept) > sweepEvery {
		if err := f.ledger.sweep(ctx, time.Now()); err != nil {
			return engine.WrapDB("delete old sums", err)
		}
		f.swept = time.Now()
	}
	f.mu.Lock()
	f.since, f.upTo = f.last.since, b.To
	f.mu.Unlock()
	f.note(ctx, nil)
	if !quiet {
		f.notify(engine.EndsRead)
	}
	return nil
}

// sort divides a batch into what ended in the minute of its end, and gaps.
func (f *follower) sort(b engine.Batch) (*rollup.Minutes, []gap) {
	minutes, gaps := &rollup.Minutes{}, []gap{}
	for _, g := range b.Gaps {
		gaps = append(gaps, gap{queue: g.Queue, from: g.From, to: g.To, ok: g.Missed.Value(), cause: g.Cause})
	}
	long := b.To.Sub(b.From) > longest
	for _, e := range busiest(b.Ended) {
		if long {
			gaps = append(gaps, gap{queue: e.Queue, from: b.From, to: b.To, ok: &e.OK, failed: &e.Failed, cause: "Nobody followed the engine."})
			continue
		}
		minutes.Add(rollup.Ended{Queue: e.Queue, At: b.To, OK: e.OK, Failed: e.Failed})
	}
	return minutes, gaps
}

// busiest puts all but the busiest queues together under no name.
func busiest(ended []engine.Ended) []engine.Ended {
	if len(ended) <= maxQueues {
		return ended
	}
	sorted := slices.SortedFunc(slices.Values(ended), func(a, b engine.Ended) int { return cmp.Compare(b.OK+b.Failed, a.OK+a.Failed) })
	others := engine.Ended{}
	for _, e := range sorted[maxQueues:] {
		others.OK, others.Failed = others.OK+e.OK, others.Failed+e.Failed
	}
	return append(sorted[:maxQueues:maxQueues], others)
}
