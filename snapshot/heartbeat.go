package snapshot

import (
	"context"
	"time"
)

const (
	// beatEvery is how often a running process notes that it runs.
	beatEvery = 250 * time.Millisecond

	// suspendedAfter is how old the last beat is when the process itself must have been suspended: stopped by a signal, suspended
	// with its host, or starved.
	suspendedAfter = 2 * time.Second

	// resyncTimeout is how long viewers wait for the resync after that.
	resyncTimeout = 500 * time.Millisecond
)

// Heartbeat notes that this process runs until ctx ends. After a suspension it does not beat before this process has resynced, so
// that no viewer can slip in between.
func (c *cache) Heartbeat(ctx context.Context) {
	c.lastBeat.Store(time.Now().UnixNano())
	defer c.lastBeat.Store(0)
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if c.wasSuspended(time.Now()) {
			select {
			case <-c.startResync().done:
			case <-ctx.Done():
			}
		}
		c.lastBeat.Store(time.Now().UnixNano())
	}
}

// wasSuspended reports whether this process was suspended and has not resynced since: what it has in memory may be
// older than it knows. The clock on the wall counts the time of a suspended host too; when it is set forward, that is
// taken for a suspension, which costs a resync.
func (c *cache) wasSuspended(now time.Time) bool {
	beat := c.lastBeat.Load()
	return beat != 0 && now.UnixNano()-beat > int64(suspendedAfter)
}

// awaitResync waits, if this process was suspended, until it has resynced, or for a moment.
func (c *cache) awaitResync(ctx context.Context) {
	if !c.wasSuspended(time.Now()) {
		return
	}
	timer := time.NewTimer(resyncTimeout)
	defer timer.Stop()
	select {
	case <-c.startResync().done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// startResync resyncs: it joins the look under way or begins one. The goroutine ends by the deadlines of tiers and rebuild.
func (c *cache) startResync() *fallback {
	for {
		last := c.resyncing.Load()
		if last != nil && !last.over(time.Now(), 0) {
			return last
		}
		next := &fallback{done: make(chan struct{})}
		if c.resyncing.CompareAndSwap(last, next) {
			go func() {
				defer close(next.done)
				c.resync(context.Background())
				next.ended = time.Now()
				if beat := c.lastBeat.Load(); beat != 0 {
					c.lastBeat.CompareAndSwap(beat, next.ended.UnixNano())
				}
			}()
			return next
		}
	}
}

// resync takes over the tiers' newest document, and collects if none of what there is now is fresh.
func (c *cache) resync(ctx context.Context) {
	for stopped := true; stopped; {
		began := time.Now().Round(0)
		c.AdoptStored(ctx)
		stopped = time.Now().Round(0).Sub(began) > suspendedAfter // it was suspended again: what it saw may be from before
	}
	if s := c.Current(); s == nil || s.Stale || !c.fresh(s, time.Now()) {
		_ = c.rebuild(ctx) // recorded, logged and counted by the warmer
	}
}
