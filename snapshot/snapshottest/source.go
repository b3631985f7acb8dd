// Package snapshottest has what tests of a snapshot need: a Source, a Memory and a Link that break on demand, and the
// conformance suite that every Link must pass.
package snapshottest

import (
	"context"
	"sync"
	"time"
)

// A Source returns what it is set to, as late as it is set to. Each setting holds until the next one. Safe for
// concurrent use.
type Source struct {
	mu      sync.Mutex // guards what follows
	value   any
	err     error
	delay   time.Duration
	panics  any
	hang    chan struct{} // closed when the hanging is over; nil = does not hang
	honours bool          // hanging ends with the context too
	calls   int
	running int
	most    int
}

// NewSource makes a source that returns value at once.
func NewSource(value any) *Source { return &Source{value: value} }

// Return makes the source work and return value.
func (s *Source) Return(value any) { s.set(func() { s.value = value }) }

// Fail makes the source return err.
func (s *Source) Fail(err error) { s.set(func() { s.err = err }) }

// Panic makes the source panic with value.
func (s *Source) Panic(value any) { s.set(func() { s.panics = value }) }

// Stall makes the source wait for its context to end.
func (s *Source) Stall() { s.set(func() { s.hang, s.honours = make(chan struct{}), true }) }

// Hang makes the source ignore its context and wait for the next setting, which is needed for it to end.
func (s *Source) Hang() { s.set(func() { s.hang, s.honours = make(chan struct{}), false }) }

// Mend makes the source work again and return what it last returned.
func (s *Source) Mend() { s.set(func() {}) }

// Delay makes each call take d, or until its context ends. It holds through all other settings.
func (s *Source) Delay(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay = d
}

// Calls says how often the source was called.
func (s *Source) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// Overlap says how many calls ran at the same time at the most.
func (s *Source) Overlap() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

// set clears what is broken and applies a new setting.
func (s *Source) set(apply func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hang != nil {
		close(s.hang)
	}
	s.err, s.panics, s.hang, s.honours = nil, nil, nil, false
	apply()
}

// Collect is a snapshot.Section's.
func (s *Source) Collect(ctx context.Context) (any, error) {
	s.mu.Lock()
	s.calls++
	s.running++
	s.most = max(s.most, s.running)
	delay, hang, honours := s.delay, s.hang, s.honours
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running--
	}()
	if err := wait(ctx, delay, hang, honours); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.panics != nil {
		panic(s.panics)
	}
	return s.value, s.err
}

func wait(ctx context.Context, delay time.Duration, hang <-chan struct{}, honours bool) error {
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if hang == nil {
		return nil
	}
	var done <-chan struct{}
	if honours {
		done = ctx.Done()
	}
	select {
	case <-hang:
		return nil
	case <-done:
		return context.Cause(ctx)
	}
}
