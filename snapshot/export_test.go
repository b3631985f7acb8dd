package snapshot

import "time"

// For the tests, which live in package snapshot_test because snapshottest imports this package.

var (
	FairShares    = fairShares
	ParseRevision = parseRevision
	AcceptsGzip   = acceptsGzip
	CacheStatus   = cacheStatus
)

// LockAll takes every lock of the cache, the warmer, the tiers' guards and the group, and returns what gives them back.
func LockAll(c *Cache, w *Warmer) (unlock func()) {
	w.mu.Lock()
	c.mu.Lock()
	c.zip.mu.Lock()
	for _, g := range c.tiers {
		g.mu.Lock()
	}
	group := c.group.Load()
	if group != nil {
		group.teller.mu.Lock()
		for _, s := range group.seats {
			s.mu.Lock()
		}
	}
	return func() {
		if group != nil {
			for _, s := range group.seats {
				s.mu.Unlock()
			}
			group.teller.mu.Unlock()
		}
		for _, g := range c.tiers {
			g.mu.Unlock()
		}
		c.zip.mu.Unlock()
		c.mu.Unlock()
		w.mu.Unlock()
	}
}

// StandStill sets the pulse back, as if the cache's process had stood still for d.
func StandStill(c *Cache, d time.Duration) { c.pulse.Add(-int64(d)) }

// Pulse tells whether the pulse of the cache beats.
func Pulse(c *Cache) bool { return c.pulse.Load() != 0 }

// Lapse ends the certainty that the group's process leads, as if its grant were over and no campaign had come since.
func Lapse(g *Group) {
	now := *g.standing.Load()
	now.until = time.Now()
	g.standing.Store(&now)
}

// UnfitFor is how long a process whose sources failed prefers others to lead.
const UnfitFor = unfitFor
