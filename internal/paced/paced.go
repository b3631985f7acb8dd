// Package paced remembers what a foreign database or engine answered, and asks it again as often as its share of time allows. One
// goroutine asks, for all who want to know; they wait for a moment, and then take the answer that was there before.
package paced

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/engine"
)

const (
	// retryWithin bounds how long a question that failed is not asked again, whatever its failing cost.
	retryWithin = time.Minute
	// waitFor is how long after a question was asked one waits for its answer, before taking the last one there was. Counting millions
	// takes longer than a section of the dashboard may; and a section may ask several questions of an engine that hangs, and has to show
	// what is known before its own deadline.
	waitFor = time.Second
)

// Cost is what a question costs: the median of the last times it was asked, so that one hiccup of the network or of a busy
// machine, which is no cost to the database, does not put it off for minutes.
type Cost struct{ last [3]time.Duration }

// Backoff notes what the question took this time, and returns how long it must not be asked to keep to its share.
func (c *Cost) Backoff(took time.Duration, share float64) time.Duration {
	c.last = [3]time.Duration{took, c.last[0], c.last[1]}
	sorted := c.last
	slices.Sort(sorted[:])
	return max(time.Duration(float64(sorted[1])/share), took)
}

// Refresher asks questions in the background, which may outlast the caller that wanted to know.
type Refresher struct {
	life    context.Context
	end     context.CancelFunc
	busy    sync.WaitGroup
	timeout time.Duration
}

// NewRefresher makes a refresher whose questions may take that long.
func NewRefresher(timeout time.Duration) *Refresher {
	r := &Refresher{timeout: timeout}
	r.life, r.end = context.WithCancel(context.Background())
	return r
}

// Close ends the questions that are being asked, and waits for them.
func (r *Refresher) Close() {
	r.end()
	r.busy.Wait()
}

// Answer is an answer that is asked for again when its cost allows. The zero value was never asked for.
type Answer[T any] struct {
	mu     sync.Mutex
	value  T
	at     time.Time     // when the question was asked; zero before the first answer
	took   time.Duration // the last time it was asked, as err
	err    error
	cost   Cost
	began  time.Time     // when it was asked last, well or not
	next   time.Time     // when it may be asked again
	asking chan struct{} // closed when the answer is there; nil while nobody asks
}

// Get returns the answer and when it was asked for. It asks again if the answer is older than fresh and the share of one
// connection's time that the question may use allows it; share 0: once in fresh, whether it is answered or fails. While it
// fails the error is returned, with the last answer there was; while it takes long, the last answer.
func (a *Answer[T]) Get(ctx context.Context, by *Refresher, fresh time.Duration, share float64, ask func(context.Context) (T, error)) (T, time.Time, error) {
	a.mu.Lock()
	now := time.Now()
	if a.asking == nil && !a.due(now, fresh, share) {
		defer a.mu.Unlock()
		return a.value, a.at, a.err
	}
	if a.asking == nil {
		a.asking, a.began = make(chan struct{}), now
		by.busy.Go(func() { a.ask(by, share, ask) })
	}
	asking, left := a.asking, a.began.Add(waitFor).Sub(now)
	a.mu.Unlock()

	timeout := time.NewTimer(left)
	defer timeout.Stop()
	late := false
	select {
	case <-asking:
	case <-ctx.Done():
		late = true
	case <-timeout.C:
		late = true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if late && a.at.IsZero() && a.err == nil {
		return a.value, a.at, engine.ErrorOf(engine.ErrUnavailable, "the first answer takes long")
	}
	return a.value, a.at, a.err
}

// due reports whether the question may be asked, and should. a.mu is held.
func (a *Answer[T]) due(now time.Time, fresh time.Duration, share float64) bool {
	if share == 0 {
		return now.Sub(a.began) >= fresh
	}
	return !now.Before(a.next) && (a.err != nil || now.Sub(a.at) >= fresh)
}

// Soon is Get for an answer whose age matters little: one that is there is returned at once, while a newer one is asked for.
func (a *Answer[T]) Soon(ctx context.Context, by *Refresher, fresh time.Duration, share float64, ask func(context.Context) (T, error)) (T, time.Time, error) {
	a.mu.Lock()
	answered := !a.at.IsZero()
	a.mu.Unlock()
	if answered {
		now, cancel := context.WithCancel(ctx)
		cancel()
		ctx = now
	}
	return a.Get(ctx, by, fresh, share, ask)
}

func (a *Answer[T]) ask(by *Refresher, share float64, ask func(context.Context) (T, error)) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(by.life, by.timeout)
	defer cancel()
	value, err := ask(ctx)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.took, a.err = time.Since(began), err
	wait := time.Duration(0)
	if share > 0 {
		wait = a.cost.Backoff(a.took, share)
	}
	if err != nil {
		wait = min(wait, retryWithin)
	} else {
		a.value, a.at = value, began
	}
	a.next = began.Add(wait)
	close(a.asking)
	a.asking = nil
}

// Last is the newest answer, as old as it may be.
func (a *Answer[T]) Last() T {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.value
}

// Tried returns what the question took the last time it was asked, and how it failed; nil: it was answered, or never asked.
func (a *Answer[T]) Tried() (took time.Duration, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.took, a.err
}

// Drop makes the next one who wants the answer ask, whatever it costs.
func (a *Answer[T]) Drop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.at, a.next, a.err = time.Time{}, time.Time{}, nil
	if a.asking == nil {
		a.began = time.Time{}
	}
}

// Pause waits; it returns false when ctx ended.
func Pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
