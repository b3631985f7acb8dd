package attach

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/engine"
)

// What each question may use of one connection's time, so that all together stay below 1.5 s a minute (2.5 %), however many
// jobs wait and run. A question that costs more is asked less often, and its answer shown with its age.
const (
	shareEnded    = 0.009 // what ended since the last time: the only one whose cost grows with the flow
	shareWaiting  = 0.005 // how many wait, by state and queue
	shareKinds    = 0.003 // how many wait, by kind
	shareRunning  = 0.002 // which run
	shareLongest  = 0.002 // which of them run longest
	shareFailures = 0.001
	shareLogs     = 0.001
	shareCreated  = 0.001
	shareBehind   = 0.01 // until those of a day that has begun long ago are counted

	// shareFilling comes on top, until all that ended before the first start is read.
	shareFilling = 0.2
)

// cost is what a question costs: the median of the last times it was asked, so that one hiccup of the network or of a busy
// machine, which is no cost to the database, does not put it off for minutes.
type cost struct{ last [3]time.Duration }

// backoff notes what the question took this time, and returns how long it must not be asked to keep to its share.
func (c *cost) backoff(took time.Duration, share float64) time.Duration {
	c.last = [3]time.Duration{took, c.last[0], c.last[1]}
	sorted := c.last
	slices.Sort(sorted[:])
	return max(time.Duration(float64(sorted[1])/share), took)
}

// paced is an answer that is asked for again when its cost allows.
type paced[T any] struct {
	mu     sync.Mutex
	value  T
	at     time.Time // when the question was asked; zero before the first answer
	err    error     // of the last time it was asked
	cost   cost
	next   time.Time     // when it may be asked again
	asking chan struct{} // closed when the answer is there; nil while nobody asks
}

const (
	// retryWithin bounds how long a question that failed is not asked again, whatever its failing cost.
	retryWithin = time.Minute
	// waitFor is how long one waits for a new answer before taking the last one: counting millions takes longer than a section may.
	waitFor = time.Second
)

// refresher runs the questions that are asked in the background, which may outlast the caller that wanted to know.
type refresher struct {
	life context.Context
	end  context.CancelFunc
	busy sync.WaitGroup
}

func newRefresher() *refresher {
	r := &refresher{}
	r.life, r.end = context.WithCancel(context.Background())
	return r
}

func (r *refresher) close() {
	r.end()
	r.busy.Wait()
}

// get returns the answer and when it was asked for. It asks again if the answer is older than fresh and the share of time that
// the question may use allows it. While it fails the error is returned, with the last answer there was; while it takes long,
// the last answer.
func (p *paced[T]) get(ctx context.Context, by *refresher, fresh time.Duration, share float64, ask func(context.Context) (T, error)) (T, time.Time, error) {
	p.mu.Lock()
	now := time.Now()
	if p.asking == nil && (now.Before(p.next) || p.err == nil && now.Sub(p.at) < fresh) {
		defer p.mu.Unlock()
		return p.value, p.at, p.err
	}
	if p.asking == nil {
		p.asking = make(chan struct{})
		by.busy.Go(func() { p.ask(by.life, share, ask) })
	}
	asking := p.asking
	p.mu.Unlock()

	timeout := time.NewTimer(waitFor)
	defer timeout.Stop()
	late := false
	select {
	case <-asking:
	case <-ctx.Done():
		late = true
	case <-timeout.C:
		late = true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if late && p.at.IsZero() {
		return p.value, p.at, engine.ErrorOf(engine.ErrUnavailable, "the first answer takes long")
	}
	return p.value, p.at, p.err
}

// soon is get for an answer whose age matters little: one that is there is returned at once, while a newer one is asked for.
func (p *paced[T]) soon(ctx context.Context, by *refresher, fresh time.Duration, share float64, ask func(context.Context) (T, error)) (T, time.Time, error) {
	p.mu.Lock()
	answered := !p.at.IsZero()
	p.mu.Unlock()
	if answered {
		now, cancel := context.WithCancel(ctx)
		cancel()
		ctx = now
	}
	return p.get(ctx, by, fresh, share, ask)
}

func (p *paced[T]) ask(ctx context.Context, share float64, ask func(context.Context) (T, error)) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	value, err := ask(ctx)
	took := time.Since(began)
	p.mu.Lock()
	defer p.mu.Unlock()
	wait := p.cost.backoff(took, share)
	if p.err = err; err != nil {
		wait = min(wait, retryWithin)
	} else {
		p.value, p.at = value, began
	}
	p.next = began.Add(wait)
	close(p.asking)
	p.asking = nil
}

// askTimeout is for a database that does not keep to its own statement timeout.
const askTimeout = 15 * time.Second

// last is the newest answer, as old as it may be.
func (p *paced[T]) last() T {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.value
}

// drop makes the next one who wants the answer ask, whatever it costs.
func (p *paced[T]) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.next, p.err = time.Time{}, time.Time{}, nil
}
