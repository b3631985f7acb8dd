package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// CacheOptions configures a Cache. The zero value is a cache in memory alone.
type CacheOptions struct {
	// Tiers keep documents outside this process, the fastest first. The links of a Group belong here too.
	Tiers []Tier

	// FreshFor is how long after its publishing a document counts as fresh: older ones are served marked as stale
	// while newer ones are looked for. Zero = 15 s. Make it three times the warmer's interval.
	FreshFor time.Duration

	// RebuildTimeout is how long a viewer waits for sources when there is nothing at all to show. Zero = 2 s.
	RebuildTimeout time.Duration

	// TierTimeout is the deadline of one Load or Store. Zero = 1 s.
	TierTimeout time.Duration

	// History is how many patches are held for viewers who resume. Zero = 64.
	History int

	// Paths are the dotted paths at which stored documents must have an object or null. Zero = those of the warmer's
	// sections, once there is a warmer.
	Paths []string

	// Fleet names what the document is about, in any form: documents of another one are refused wherever they are found, such as in
	// a Redis that two share by mistake. It is asked each time, for it may become known late: while it is empty, and of a document
	// that names none, nothing is refused. Nil = empty.
	Fleet func() string

	// Log receives what operators should know, once per change. Nil = nothing is logged.
	Log *slog.Logger
}

func (o CacheOptions) withDefaults() CacheOptions {
	o.FreshFor = orDefault(o.FreshFor, 15*time.Second)
	o.RebuildTimeout = orDefault(o.RebuildTimeout, 2*time.Second)
	o.TierTimeout = orDefault(o.TierTimeout, time.Second)
	if o.History <= 0 {
		o.History = 64
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Fleet == nil {
		o.Fleet = func() string { return "" }
	}
	return o
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// A Cache holds the current document and answers with it whatever happens around it. Reading takes no lock and does no
// work that depends on sources or tiers. All methods are safe for concurrent use.
type Cache struct {
	opts    CacheOptions
	tiers   []*guard
	zip     *compressor
	current atomic.Pointer[published]
	binding atomic.Pointer[binding]
	ascent  atomic.Pointer[climb] // the last climb of the ladder, or the one under way
	waking  atomic.Pointer[climb] // the last look around after this process had stood still
	pulse   atomic.Int64          // when the pulse last beat, in nanoseconds since 1970; 0 = there is no pulse
	group   atomic.Pointer[Group] // nil = this process is alone
	counts  rungCounts

	publishes atomic.Uint64
	refused   atomic.Uint64

	mu sync.Mutex // held while a new document is made and swapped in; readers never take it
}

// published is the current document with what subscribers of the stream need. It is replaced as a whole.
type published struct {
	snap    *Snapshot     // nil = nothing has been published yet
	patches []*delta      // an unbroken chain, oldest first, which ends at snap
	at      time.Time     // what time snap's revision stands for, by this process's clock
	next    chan struct{} // closed when a newer document has taken this one's place
}

// A delta is the patch between two successive revisions.
type delta struct {
	from, to uint64
	frame    *frame
}

// binding is what the cache knows of its warmer.
type binding struct {
	paths   [][]string
	rebuild func(context.Context) error
}

// NewCache makes an empty cache. Call Restore to fill it from its tiers, and Close at the end.
func NewCache(opts CacheOptions) *Cache {
	c := &Cache{opts: opts.withDefaults(), zip: newCompressor()}
	c.current.Store(&published{at: time.Now(), next: make(chan struct{})})
	for _, tier := range c.opts.Tiers {
		c.tiers = append(c.tiers, newGuard(tier, c.opts.TierTimeout, c.fenced, c.opts.Log))
	}
	c.bind(&binding{rebuild: func(context.Context) error { return errors.New("there is no warmer") }})
	return c
}

// bind tells the cache how to rebuild and which paths a stored document must have.
func (c *Cache) bind(b *binding) {
	if len(c.opts.Paths) > 0 {
		b.paths = nil
		for _, path := range c.opts.Paths {
			b.paths = append(b.paths, splitPath(path))
		}
	}
	c.binding.Store(b)
}

// Current returns the current document, whatever its age, or nil when there is none. It is one atomic load.
func (c *Cache) Current() *Snapshot { return c.current.Load().snap }

// Watch yields the current document, if there is one, and then each newer one until ctx ends or the loop is left. It is
// a level trigger: a slow loop sees the latest document, not every one.
func (c *Cache) Watch(ctx context.Context) iter.Seq[*Snapshot] {
	return func(yield func(*Snapshot) bool) {
		for ctx.Err() == nil {
			p := c.current.Load()
			if p.snap != nil && !yield(p.snap) {
				return
			}
			select {
			case <-p.next:
			case <-ctx.Done():
			}
		}
	}
}

// Restore fills an empty cache from its tiers with the newest valid document, however old: it is shown, marked with its
// age, until the warmer has collected a new one. A tier that is empty, fails or holds garbage is no error: it is counted
// and logged. The error is the context's. Call NewWarmer first, so that the sections' paths are checked.
func (c *Cache) Restore(ctx context.Context) error {
	c.look(ctx)
	return context.Cause(ctx)
}

// Offer gives the cache a document that another process published, found in the tier of that name (which is not given
// it back; empty = in none). A valid one that is newer than the current one takes its place. An error wraps ErrCorrupt.
// Links get no document that was offered: they have it from the process that published it.
func (c *Cache) Offer(doc []byte, tier string) error {
	guard := c.guardOf(tier)
	if now := c.Current(); now != nil && bytes.Equal(doc, now.JSON) { // two links bring the same: make it ready once
		guard.brought(nil)
		return nil
	}
	snap, err := c.parse(doc)
	guard.brought(err)
	if err != nil {
		return err
	}
	c.adopt(snap, tier)
	return nil
}

// Close waits until the last document is stored in every tier and nothing is under way, or ctx ends. The cache still
// answers afterwards; what is published later stays in memory.
func (c *Cache) Close(ctx context.Context) error {
	var failed []error
	for _, last := range []*climb{c.ascent.Load(), c.waking.Load()} {
		if last == nil {
			continue
		}
		select {
		case <-last.done:
		case <-ctx.Done():
			failed = append(failed, fmt.Errorf("wait for the rebuild: %w", context.Cause(ctx)))
		}
	}
	for _, tier := range c.tiers {
		failed = append(failed, tier.close(ctx))
	}
	return errors.Join(failed...)
}

// errNotAllowed says that this process may not publish: another one collects.
var errNotAllowed = errors.New("another process collects")

// publish makes a document of the draft and swaps it in. Whether it may, and whether other processes are given the
// document, is asked again when all is ready, so that no time can pass in between but that of a few instructions. A
// process that stands still even there has a revision from before that, which cannot take the place of a later one.
func (c *Cache) publish(d draft) (*Snapshot, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	as, _ := c.mayPublish()
	doc, m, err := d.encode(c.nextRevision(as, d.at, now), c.opts.FreshFor)
	if err != nil {
		c.refused.Add(1)
		return nil, err
	}
	snap := newSnapshot(doc, m, d.at, c.zip)
	next := c.prepare(snap, now)
	still, ok := c.mayPublish()
	if !ok || as == Leader && still != Leader { // what was made for all is not for one
		return nil, errNotAllowed
	}
	c.swap(next, "", still == Leader)
	return snap, nil
}

// nextRevision is that of a document published now. Who leads goes by the clock. Who is alone follows the clock of
// whoever led last, by the time that has passed since, and so does the next leader at least: then all that processes
// collect while they are alone is newer than what they had together, older than what they will have together, and
// comparable. That is a little slower than time, so that a clock which was ahead is not followed for ever. Who has a
// leader that is silent moves on as little as possible. c.mu is held.
func (c *Cache) nextRevision(as Role, at, now time.Time) uint64 {
	last := c.current.Load()
	if last.snap == nil {
		return revisionAt(at)
	}
	passed := now.Sub(last.at)
	followed := last.snap.Revision + uint64(max(1, (passed-passed/16).Milliseconds()))
	switch as {
	case Leader:
		return max(followed, revisionAt(at))
	case Alone:
		return followed
	}
	return last.snap.Revision + 1
}

// mayPublish tells whether this process may publish now, and in which role.
func (c *Cache) mayPublish() (as Role, ok bool) {
	g := c.group.Load()
	if g == nil {
		return Leader, true
	}
	return g.mayPublish(time.Now())
}

// adopt swaps in a document made elsewhere if it is newer. One that comes through a link counts as published just now;
// with others their timestamp must do.
func (c *Cache) adopt(snap *Snapshot, from string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.Current(); now != nil && now.Revision >= snap.Revision {
		return
	}
	at := snap.At
	if guard := c.guardOf(from); guard != nil && guard.link {
		at = time.Now()
	}
	c.swap(c.prepare(snap, at), from, false)
}

// guardOf returns the guard of the tier of that name, or nil.
func (c *Cache) guardOf(tier string) *guard {
	for _, guard := range c.tiers {
		if guard.tier.Name() == tier {
			return guard
		}
	}
	return nil
}

// prepare makes all that is needed of snap as the current document. c.mu is held.
func (c *Cache) prepare(snap *Snapshot, at time.Time) *published {
	return &published{snap: snap, patches: c.chain(c.current.Load(), snap), at: at, next: make(chan struct{})}
}

// swap makes next the current document, wakes those who wait for it, and hands it to all tiers but the one it came
// from; to links only if it is shared: what one process collected for itself, or took from one link, the others need
// not have. c.mu is held.
func (c *Cache) swap(next *published, from string, shared bool) {
	old := c.current.Load()
	c.current.Store(next)
	close(old.next)
	c.publishes.Add(1)
	for _, guard := range c.tiers {
		if guard.tier.Name() != from && (shared || !guard.link) {
			guard.put(next.snap)
		}
	}
}

// fenced is called when a link refuses a document of this process.
func (c *Cache) fenced(link string) {
	if g := c.group.Load(); g != nil {
		g.fenced(link)
	}
}

// look asks all tiers for a newer document than the current one.
func (c *Cache) look(ctx context.Context) {
	if best, tier := c.newestStored(ctx); best != nil {
		c.adopt(best, tier)
	}
}

// chain is the held patches and the one from old to snap. A patch that is larger than the document is worth nothing.
func (c *Cache) chain(old *published, snap *Snapshot) []*delta {
	if old.snap == nil {
		return nil
	}
	patch := diff(old.snap.JSON, snap.JSON)
	if len(patch) >= len(snap.JSON) {
		return nil
	}
	from, to := old.snap.Revision, snap.Revision
	held := old.patches
	if len(held) >= c.opts.History {
		held = held[len(held)-c.opts.History+1:]
	}
	chain := append(make([]*delta, 0, len(held)+1), held...)
	return append(chain, &delta{from: from, to: to, frame: newFrame(patchEvent(from, to, patch), c.zip)})
}

func (c *Cache) parse(doc []byte) (*Snapshot, error) {
	snap, err := parseStored(doc, c.binding.Load().paths, time.Now(), c.zip)
	if err != nil {
		return nil, err
	}
	if ours := c.opts.Fleet(); ours != "" && snap.Fleet != "" && snap.Fleet != ours {
		return nil, fmt.Errorf("%w: %w: it is of the fleet %.40s, published by %.80q", ErrCorrupt, ErrForeign, snap.Fleet, snap.Publisher)
	}
	return snap, nil
}
