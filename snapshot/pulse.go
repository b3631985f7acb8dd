package snapshot

import (
	"context"
	"time"
)

const (
	// pulseBeat is how often a running process notes that it runs.
	pulseBeat = 250 * time.Millisecond

	// pulseGap is how old the last beat is when the process itself must have stood still: stopped by a signal, suspended
	// with its host, or starved.
	pulseGap = 2 * time.Second

	// wakePatience is how long viewers wait for the look around after that.
	wakePatience = 500 * time.Millisecond
)

// beat keeps the pulse until ctx ends. After a standstill it does not beat before this process has looked around, so
// that no viewer can slip in between.
func (c *Cache) beat(ctx context.Context) {
	c.pulse.Store(time.Now().UnixNano())
	defer c.pulse.Store(0)
	ticker := time.NewTicker(pulseBeat)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if c.stoodStill(time.Now()) {
			select {
			case <-c.wake().done:
			case <-ctx.Done():
			}
		}
		c.pulse.Store(time.Now().UnixNano())
	}
}

// stoodStill tells whether this process has stood still and has not looked around since: what it has in memory may be
// older than it knows. The clock on the wall counts the time of a suspended host too; when it is set forward, that is
// taken for a standstill, which costs a look around.
func (c *Cache) stoodStill(now time.Time) bool {
	beat := c.pulse.Load()
	return beat != 0 && now.UnixNano()-beat > int64(pulseGap)
}

// settle waits, if this process has stood still, until it has looked around, or for a moment.
func (c *Cache) settle(ctx context.Context) {
	if !c.stoodStill(time.Now()) {
		return
	}
	timer := time.NewTimer(wakePatience)
	defer timer.Stop()
	select {
	case <-c.wake().done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// wake looks around: it joins the look under way or begins one. The goroutine ends by the deadlines of tiers and rebuild.
func (c *Cache) wake() *climb {
	for {
		last := c.waking.Load()
		if last != nil && !last.over(time.Now(), 0) {
			return last
		}
		next := &climb{done: make(chan struct{})}
		if c.waking.CompareAndSwap(last, next) {
			go func() {
				defer close(next.done)
				c.lookAround(context.Background())
				next.ended = time.Now()
				if beat := c.pulse.Load(); beat != 0 {
					c.pulse.CompareAndSwap(beat, next.ended.UnixNano())
				}
			}()
			return next
		}
	}
}

// lookAround takes over the tiers' newest document, and collects if none of what there is now is fresh.
func (c *Cache) lookAround(ctx context.Context) {
	for stopped := true; stopped; {
		began := time.Now().Round(0)
		c.look(ctx)
		stopped = time.Now().Round(0).Sub(began) > pulseGap // it stood still again: what it saw may be from before
	}
	if s := c.Current(); s == nil || s.Stale || !c.fresh(s, time.Now()) {
		_ = c.rebuild(ctx) // recorded, logged and counted by the warmer
	}
}
