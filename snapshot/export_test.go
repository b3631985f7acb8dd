package snapshot

import (
	"strings"
	"sync"
	"time"

	"github.com/agentos/agentos/snapshot/internal/file"
	"github.com/agentos/agentos/snapshot/internal/lead"
	"github.com/agentos/agentos/snapshot/link"
)

// For the tests, which live in package snapshot_test because snapshottest imports this package: a Panel's parts, each of
// which is tested by itself.

type (
	Cache         = cache
	CacheOptions  = cacheOptions
	Warmer        = warmer
	WarmerOptions = warmerOptions
	Group         = lead.Group
	GroupStats    = lead.Stats
	Handler       = handler
	Stream        = stream
	StreamOptions = streamOptions
	Tier          = tier
)

var (
	NewWarmer  = newWarmer
	NewGroup   = newGroup
	NewHandler = newHandler
	NewStream  = newStream

	FairShares = fairShares

	ErrCorrupt  = errCorrupt
	ErrTooLarge = errTooLarge
)

// TestVersion is the meta.version of the tests' documents.
const TestVersion = 4

// NewCache makes a cache of documents of TestVersion.
func NewCache(opts CacheOptions) *Cache {
	opts.Version = TestVersion
	return newCache(opts)
}

// NewFileTier keeps documents of the usual size.
func NewFileTier(path string) Tier { return file.New(path, link.DefaultMaxBytes) }

// SetPaths sets at which paths stored documents must have an object or null, as a warmer does.
func SetPaths(c *Cache, paths ...string) {
	c.paths = nil
	for _, path := range paths {
		c.paths = append(c.paths, strings.Split(path, "."))
	}
}

// Parts returns a panel's parts.
func Parts(p *Panel) (*Cache, *Warmer, *Group) { return p.cache, p.warmer, p.group }

// LockAll takes every lock of the cache, the warmer, the tiers' guards and the group's links, and returns what gives them back.
func LockAll(c *Cache, w *Warmer, g *Group) (unlock func()) {
	locks := []sync.Locker{&w.mu, &c.mu, c.zip}
	for _, guard := range c.tiers {
		locks = append(locks, &guard.mu)
	}
	if g != nil {
		locks = append(locks, g.Locks()...)
	}
	for _, l := range locks {
		l.Lock()
	}
	return func() {
		for _, l := range locks {
			l.Unlock()
		}
	}
}

// Suspend sets the heartbeat back, as if the cache's process had been suspended for d.
func Suspend(c *Cache, d time.Duration) { c.lastBeat.Add(-int64(d)) }

// HasHeartbeat reports whether the cache notes that its process runs.
func HasHeartbeat(c *Cache) bool { return c.lastBeat.Load() != 0 }

// Lapse ends the certainty that the group's process leads, as if its grant were over and no campaign had come since.
func Lapse(g *Group) { g.Lapse() }

// UnfitFor is how long a process whose sources failed prefers others to lead.
const UnfitFor = lead.UnfitFor
