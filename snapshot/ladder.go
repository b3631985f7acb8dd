package snapshot

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// The rungs of the ladder, as Served.Rung and the Cache-Status header name them. A tier's rung is "tier:" and its name.
const (
	RungMemory   = "memory"    // this process's document, fresh
	RungRebuild  = "rebuild"   // collected just now, because nothing fresh was to be had
	RungLastGood = "last-good" // an old document, because nothing better was to be had

	tierPrefix = "tier:"
)

// Served says how a document was found.
type Served struct {
	Rung  string        // RungMemory, "tier:<name>", RungRebuild or RungLastGood
	Age   time.Duration // since Snapshot.AsOf: the honest age of what is shown
	Stale bool          // the viewer must be shown that this is not the present
}

// fallbackPause is how long the outcome of a fallback stands: a failed one is not repeated sooner, so that while everything
// is down viewers get their answer at once and the sources are left alone.
const fallbackPause = time.Second

// Get is Panel.Get. It descends the ladder only as far as it must: what is stale in memory is served at once (rung 4) while
// the rungs below memory are tried in the background.
func (c *cache) Get(ctx context.Context) (*Snapshot, Served, error) {
	now := time.Now()
	if c.wasSuspended(now) {
		c.awaitResync(ctx)
		now = time.Now()
	}
	snap := c.Current()
	if snap != nil && c.fresh(snap, now) {
		return c.serve(snap, RungMemory, now)
	}
	attempt := c.fallBack(now)
	if snap != nil {
		return c.serve(snap, RungLastGood, now)
	}
	select {
	case <-attempt.done:
	case <-ctx.Done():
		return nil, Served{}, fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
	}
	if attempt.err != nil {
		c.counts.unavailable.Add(1)
		return nil, Served{}, attempt.err
	}
	return c.serve(attempt.snap, attempt.rung, time.Now())
}

func (c *cache) fresh(s *Snapshot, now time.Time) bool { return now.Sub(s.At) <= c.opts.FreshFor }

func (c *cache) serve(s *Snapshot, rung string, now time.Time) (*Snapshot, Served, error) {
	c.counts.of(rung).Add(1)
	stale := s.Stale || !c.fresh(s, now)
	return s, Served{Rung: rung, Age: max(0, now.Sub(s.AsOf)), Stale: stale}, nil
}

// A fallback is one attempt at the rungs below memory. Its outcome is written before done is closed.
type fallback struct {
	done  chan struct{}
	ended time.Time
	snap  *Snapshot
	rung  string
	err   error
}

// over reports whether a new fallback may begin: the last one has ended, this long ago.
func (a *fallback) over(now time.Time, pause time.Duration) bool {
	select {
	case <-a.done:
		return now.Sub(a.ended) >= pause
	default:
		return false
	}
}

// fallBack joins the fallback under way, or the last one if it has just ended, or begins one. It takes no lock. The goroutine
// ends by the deadlines of tiers and rebuild.
func (c *cache) fallBack(now time.Time) *fallback {
	for {
		last := c.falling.Load()
		if last != nil && !last.over(now, fallbackPause) {
			return last
		}
		next := &fallback{done: make(chan struct{})}
		if c.falling.CompareAndSwap(last, next) {
			go c.run(next)
			return next
		}
	}
}

func (c *cache) run(a *fallback) {
	defer close(a.done)
	a.snap, a.rung, a.err = c.descend(context.Background())
	a.ended = time.Now()
}

// descend is the ladder below a fresh document in memory.
func (c *cache) descend(ctx context.Context) (*Snapshot, string, error) {
	stored, tier := c.newestStored(ctx)
	if stored != nil && c.fresh(stored, time.Now()) {
		c.adopt(stored, tier)
		return stored, tierPrefix + tier, nil
	}
	err := c.rebuild(ctx)
	if s := c.Current(); s != nil && c.fresh(s, time.Now()) {
		return s, RungRebuild, nil
	}
	if stored != nil {
		c.adopt(stored, tier)
	}
	if s := c.Current(); s != nil {
		return s, RungLastGood, nil
	}
	return nil, "", fmt.Errorf("%w: nothing is stored and collecting failed: %w", ErrUnavailable, err)
}

func (c *cache) rebuild(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.opts.RebuildTimeout, errors.New("the sources took too long"))
	defer cancel()
	return c.collect(ctx)
}

// newestStored asks all tiers at once and returns the newest valid document and its tier's name, or nil.
func (c *cache) newestStored(ctx context.Context) (newest *Snapshot, tier string) {
	found := make([]*Snapshot, len(c.tiers))
	var asked sync.WaitGroup
	for i, tier := range c.tiers {
		asked.Go(func() { found[i] = tier.load(ctx, c.parse) })
	}
	asked.Wait()
	for i, s := range found {
		if s != nil && (newest == nil || s.Revision > newest.Revision) {
			newest, tier = s, c.tiers[i].tier.Name()
		}
	}
	return newest, tier
}
