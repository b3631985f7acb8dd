package snapshot

import (
	"sync/atomic"
	"time"
)

// CacheStats counts what a cache did since it was made.
type CacheStats struct {
	Hits        map[string]uint64 // answers by rung: "memory", "tier", "rebuild", "last-good"
	Unavailable uint64            // requests for which no rung had a document
	Publishes   uint64            // documents swapped in, restored ones included
	Refused     uint64            // documents over MaxDocumentBytes
	Revision    uint64            // of the current document; 0 = there is none
	Bytes       int               // size of the current document
	GzipBytes   int
	Tiers       []TierStats
}

// rungCounts counts answers by rung: one atomic addition each.
type rungCounts struct{ memory, tier, rebuild, lastGood, unavailable atomic.Uint64 }

func (r *rungCounts) of(rung string) *atomic.Uint64 {
	switch rung {
	case RungMemory:
		return &r.memory
	case RungRebuild:
		return &r.rebuild
	case RungLastGood:
		return &r.lastGood
	}
	return &r.tier
}

// Stats returns the counts so far.
func (c *Cache) Stats() CacheStats {
	stats := CacheStats{
		Hits: map[string]uint64{
			RungMemory: c.counts.memory.Load(), "tier": c.counts.tier.Load(),
			RungRebuild: c.counts.rebuild.Load(), RungLastGood: c.counts.lastGood.Load(),
		},
		Unavailable: c.counts.unavailable.Load(),
		Publishes:   c.publishes.Load(),
		Refused:     c.refused.Load(),
	}
	if now := c.Current(); now != nil {
		stats.Revision, stats.Bytes, stats.GzipBytes = now.Revision, len(now.JSON), len(now.Gzip)
	}
	for _, tier := range c.tiers {
		stats.Tiers = append(stats.Tiers, tier.stats())
	}
	return stats
}

// WarmerStats counts what a warmer did since it was made.
type WarmerStats struct {
	Publishes uint64
	Refused   uint64                  // documents the cache refused for their size
	Error     string                  // why the last document was refused; empty = it was not
	Published time.Time               // when the last document was published; zero = never
	Sections  map[string]SectionStats // by section name
}

// SectionStats is one section's part of WarmerStats.
type SectionStats struct {
	AsOf    time.Time // these five are as in SectionMeta
	Took    time.Duration
	Every   time.Duration
	Error   string
	Overdue bool

	Collects  uint64        // attempts that have ended
	Failures  uint64        // of these, the failed ones, Timeouts and Panics included
	Timeouts  uint64        // attempts without an answer by the deadline
	Panics    uint64        // attempts that panicked
	TotalTook time.Duration // time all attempts took together
	Bytes     int           // size of the value shown
	Running   bool          // an attempt has not returned; for longer than the deadline = the source ignores its context
}
