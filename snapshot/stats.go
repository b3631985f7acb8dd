package snapshot

import (
	"sync/atomic"
	"time"

	"github.com/agentos/agentos/snapshot/internal/lead"
)

// Stats is the state of a Panel, for metrics. Counters count since Open.
type Stats struct {
	Answers     map[string]uint64       // documents served, by rung: "memory", "tier", "rebuild", "last-good"
	Unavailable uint64                  // requests for which no rung had a document
	Publishes   uint64                  // documents that became the current one, those of others included
	Refused     uint64                  // documents over Options.MaxBytes
	Error       string                  // why the last document was not published; empty = it was
	Sections    map[string]SectionStats // by section name
	Tiers       []TierStats             // the links in their order, then the file

	Role   string      // Leader, Follower or Alone; one without links leads
	Leader string      // who leads, by the name its links give; empty = unknown or nobody
	Terms  uint64      // times this process became leader
	Links  []LinkStats // in the order of Options.Links

	Subscribers    int    // viewers of the stream now
	StreamBytes    uint64 // sent to them, as compressed
	StreamsDropped uint64 // viewers cut off because they did not read
}

// LinkStats is the state of one link.
type LinkStats struct {
	Name       string
	Up         bool   // it answers or is listened to
	Subscribed bool   // it is listened to: what other processes publish arrives
	Error      string // why it last failed; empty = it does not fail
}

// Stats returns the counts so far. It asks nothing of sources and links.
func (p *Panel) Stats() Stats {
	c, s := p.cache.Stats(), p.stream.Stats()
	stats := Stats{
		Answers: c.Hits, Unavailable: c.Unavailable, Publishes: c.Publishes, Refused: c.Refused, Tiers: c.Tiers,
		Role: Leader, Terms: 1,
		Subscribers: s.Subscribers, StreamBytes: s.Bytes, StreamsDropped: s.Dropped,
	}
	if p.warmer != nil {
		w := p.warmer.Stats()
		stats.Error, stats.Sections = w.Error, w.Sections
	}
	if p.group != nil {
		g := p.group.Stats()
		stats.Role, stats.Leader, stats.Terms, stats.Links = g.Role, g.Leader, g.Terms, linkStats(g.Links)
	}
	return stats
}

func linkStats(links []lead.LinkStats) (stats []LinkStats) {
	for _, l := range links {
		stats = append(stats, LinkStats(l))
	}
	return stats
}

// cacheStats counts what a cache did since it was made.
type cacheStats struct {
	Hits        map[string]uint64
	Unavailable uint64
	Publishes   uint64
	Refused     uint64
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
func (c *cache) Stats() cacheStats {
	stats := cacheStats{
		Hits: map[string]uint64{
			RungMemory: c.counts.memory.Load(), "tier": c.counts.tier.Load(),
			RungRebuild: c.counts.rebuild.Load(), RungLastGood: c.counts.lastGood.Load(),
		},
		Unavailable: c.counts.unavailable.Load(),
		Publishes:   c.publishes.Load(),
		Refused:     c.refused.Load(),
	}
	for _, tier := range c.tiers {
		stats.Tiers = append(stats.Tiers, tier.stats())
	}
	return stats
}

// warmerStats counts what a warmer did since it was made.
type warmerStats struct {
	Publishes uint64
	Refused   uint64                  // documents the cache refused for their size
	Error     string                  // why the last document was refused; empty = it was not
	Published time.Time               // when the last document was published; zero = never
	Sections  map[string]SectionStats // by section name
}

// SectionStats is one section's part of Stats.
type SectionStats struct {
	SectionMeta

	Collects  uint64        // attempts that have ended
	Failures  uint64        // of these, the failed ones, Timeouts and Panics included
	Timeouts  uint64        // attempts without an answer by the deadline
	Panics    uint64        // attempts that panicked
	TotalTook time.Duration // time all attempts took together
	Bytes     int           // size of the value shown
	Running   bool          // an attempt has not returned; for longer than the deadline = the source ignores its context
}
