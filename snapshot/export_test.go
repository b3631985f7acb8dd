package snapshot

// For the tests, which live in package snapshot_test because snapshottest imports this package.

var (
	FairShares    = fairShares
	ParseRevision = parseRevision
	AcceptsGzip   = acceptsGzip
	CacheStatus   = cacheStatus
)

// LockAll takes every lock of the cache, the warmer and the tiers' guards, and returns what gives them back.
func LockAll(c *Cache, w *Warmer) (unlock func()) {
	w.mu.Lock()
	c.mu.Lock()
	c.zip.mu.Lock()
	for _, g := range c.tiers {
		g.mu.Lock()
	}
	return func() {
		for _, g := range c.tiers {
			g.mu.Unlock()
		}
		c.zip.mu.Unlock()
		c.mu.Unlock()
		w.mu.Unlock()
	}
}
