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

	"github.com/agentos/agentos/snapshot/internal/jsonpatch"
	"github.com/agentos/agentos/snapshot/internal/lead"
	"github.com/agentos/agentos/snapshot/internal/sse"
	"github.com/agentos/agentos/snapshot/link"
)

// cacheOptions are those of the Options that concern the cache, and what a Panel leaves as it is.
type cacheOptions struct {
	Tiers          []tier // keep documents outside this process, the links of the group first
	Version        int
	MaxBytes       int
	FreshFor       time.Duration // how long after its publishing a document counts as fresh; zero = 15 s
	RebuildTimeout time.Duration // how long a viewer waits for sources when there is nothing at all to show; zero = 2 s
	TierTimeout    time.Duration // the deadline of one Load or Store; zero = 1 s
	History        int           // how many patches are held for viewers who resume; zero = 64
	Fleet          func() string
	Log            *slog.Logger
}

func (o cacheOptions) withDefaults() cacheOptions {
	o.FreshFor = orDefault(o.FreshFor, 15*time.Second)
	o.RebuildTimeout = orDefault(o.RebuildTimeout, 2*time.Second)
	o.TierTimeout = orDefault(o.TierTimeout, time.Second)
	if o.MaxBytes <= 0 {
		o.MaxBytes = link.DefaultMaxBytes
	}
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

// A cache holds the current document and answers with it whatever happens around it. Reading takes no lock and does no
// work that depends on sources or tiers. All methods are safe for concurrent use.
type cache struct {
	opts      cacheOptions
	tiers     []*guard
	zip       *sse.Compressor
	current   atomic.Pointer[published]
	falling   atomic.Pointer[fallback] // the last fallback, or the one under way
	resyncing atomic.Pointer[fallback] // the last resync, after this process was suspended
	lastBeat  atomic.Int64             // when this process last noted that it runs, in nanoseconds since 1970; 0 = it does not
	counts    rungCounts

	publishes atomic.Uint64
	refused   atomic.Uint64

	// What the cache asks of others, see collectBy and join.
	paths      [][]string                  // at which stored documents must have an object or null
	collect    func(context.Context) error // the warmer's Rebuild
	mayPublish func() (as string, ok bool) // the group's MayPublish
	fenced     func(link string)           // the group's Fenced

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
	event    *sse.Event
}

// newCache makes an empty cache. Call Restore to fill it from its tiers, and Close at the end.
func newCache(opts cacheOptions) *cache {
	c := &cache{
		opts: opts.withDefaults(), zip: sse.NewCompressor(),
		collect:    func(context.Context) error { return errors.New("it has no sections") },
		mayPublish: func() (string, bool) { return lead.Leader, true },
		fenced:     func(string) {},
	}
	c.current.Store(&published{at: time.Now(), next: make(chan struct{})})
	for _, tier := range c.opts.Tiers {
		c.tiers = append(c.tiers, newGuard(tier, c.opts.TierTimeout, func(link string) { c.fenced(link) }, c.opts.Log))
	}
	return c
}

// collectBy gives the cache its warmer: the paths of its sections, and what collects them. Before anything runs.
func (c *cache) collectBy(paths [][]string, collect func(context.Context) error) {
	c.paths, c.collect = paths, collect
}

// join gives the cache its group: whether this process may publish, and what is notified when a link refuses a document. Before
// anything runs.
func (c *cache) join(mayPublish func() (as string, ok bool), fenced func(link string)) {
	c.mayPublish, c.fenced = mayPublish, fenced
}

// Current returns the current document, whatever its age, or nil when there is none. It is one atomic load.
func (c *cache) Current() *Snapshot { return c.current.Load().snap }

// Watch yields the current document, if there is one, and then each newer one until ctx ends or the loop is left. It is
// a level trigger: a slow loop sees the latest document, not every one.
func (c *cache) Watch(ctx context.Context) iter.Seq[*Snapshot] {
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
// and logged. The error is the context's. Call newWarmer first, so that the sections' paths are checked.
func (c *cache) Restore(ctx context.Context) error {
	c.AdoptStored(ctx)
	return context.Cause(ctx)
}

// Offer gives the cache a document that another process published, found in the tier of that name (which is not given
// it back; empty = in none). A valid one that is newer than the current one takes its place. An error wraps errCorrupt.
// Links get no document that was offered: they have it from the process that published it.
func (c *cache) Offer(doc []byte, tier string) error {
	guard := c.guardOf(tier)
	if now := c.Current(); now != nil && bytes.Equal(doc, now.JSON) { // two links bring the same: make it ready once
		guard.recordRemote(nil)
		return nil
	}
	snap, err := c.parse(doc)
	guard.recordRemote(err)
	if err != nil {
		return err
	}
	c.adopt(snap, tier)
	return nil
}

// Close waits until the last document is stored in every tier and nothing is under way, or ctx ends. The cache still
// answers afterwards; what is published later stays in memory.
func (c *cache) Close(ctx context.Context) error {
	var failed []error
	for _, last := range []*fallback{c.falling.Load(), c.resyncing.Load()} {
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
var errNotAllowed = errors.New("another process leads")

// publish makes a document of the draft and swaps it in. Whether it may, and whether other processes are given the
// document, is asked again when all is ready, so that no time can pass in between but that of a few instructions. A
// process that is suspended even there has a revision from before that, which cannot take the place of a later one.
func (c *cache) publish(d draft) (*Snapshot, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	as, _ := c.mayPublish()
	doc, m, err := d.encode(c.nextRevision(as, d.at, now), c.opts)
	if err != nil {
		c.refused.Add(1)
		return nil, err
	}
	snap := newSnapshot(doc, m, d.sections, d.at, c.zip)
	next := c.prepare(snap, now)
	still, ok := c.mayPublish()
	if !ok || as == lead.Leader && still != lead.Leader { // what was made for all is not for one
		return nil, errNotAllowed
	}
	c.swap(next, "", still == lead.Leader)
	return snap, nil
}

// nextRevision is that of a document published now. Who leads goes by the clock. Who is alone follows the clock of
// whoever led last, by the time that has passed since, and so does the next leader at least: then all that processes
// collect while they are alone is newer than what they had together, older than what they will have together, and
// comparable. That is a little slower than time, so that a clock which was ahead is not followed forever. Who has a
// leader that is silent moves on as little as possible. c.mu is held.
func (c *cache) nextRevision(as string, at, now time.Time) uint64 {
	last := c.current.Load()
	if last.snap == nil {
		return revisionAt(at)
	}
	passed := now.Sub(last.at)
	followed := last.snap.Revision + uint64(max(1, (passed-passed/16).Milliseconds()))
	switch as {
	case lead.Leader:
		return max(followed, revisionAt(at))
	case lead.Alone:
		return followed
	}
	return last.snap.Revision + 1
}

// adopt swaps in a document made elsewhere if it is newer. One that comes through a link counts as published just now;
// with others their timestamp must do.
func (c *cache) adopt(snap *Snapshot, from string) {
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
func (c *cache) guardOf(tier string) *guard {
	for _, guard := range c.tiers {
		if guard.tier.Name() == tier {
			return guard
		}
	}
	return nil
}

// prepare makes all that is needed of snap as the current document. c.mu is held.
func (c *cache) prepare(snap *Snapshot, at time.Time) *published {
	return &published{snap: snap, patches: c.chain(c.current.Load(), snap), at: at, next: make(chan struct{})}
}

// swap makes next the current document, wakes those who wait for it, and hands it to all tiers but the one it came
// from; to links only if it is shared: what one process collected for itself, or took from one link, the others need
// not have. c.mu is held.
func (c *cache) swap(next *published, from string, shared bool) {
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

// IsFresh reports whether there is a current document and it is fresh.
func (c *cache) IsFresh(now time.Time) bool {
	snap := c.Current()
	return snap != nil && c.fresh(snap, now)
}

// Last returns when the current document was received or published, and when it says it was made; zero = there is none.
func (c *cache) Last() (received, made time.Time) {
	last := c.current.Load()
	if last.snap != nil {
		made = last.snap.At
	}
	return last.at, made
}

// AdoptStored asks all tiers for a newer document than the current one.
func (c *cache) AdoptStored(ctx context.Context) {
	if best, tier := c.newestStored(ctx); best != nil {
		c.adopt(best, tier)
	}
}

// chain is the held patches and the one from old to snap. A patch that is larger than the document is worth nothing.
func (c *cache) chain(old *published, snap *Snapshot) []*delta {
	if old.snap == nil {
		return nil
	}
	patch := jsonpatch.DiffValid(old.snap.JSON, snap.JSON)
	if len(patch) >= len(snap.JSON) {
		return nil
	}
	from, to := old.snap.Revision, snap.Revision
	held := old.patches
	if len(held) >= c.opts.History {
		held = held[len(held)-c.opts.History+1:]
	}
	chain := append(make([]*delta, 0, len(held)+1), held...)
	return append(chain, &delta{from: from, to: to, event: sse.Patch(c.zip, from, to, patch)})
}

func (c *cache) parse(doc []byte) (*Snapshot, error) {
	snap, err := c.opts.parseStored(doc, c.paths, time.Now(), c.zip)
	if err != nil {
		return nil, err
	}
	if ours := c.opts.Fleet(); ours != "" && snap.Fleet != "" && snap.Fleet != ours {
		return nil, fmt.Errorf("%w: %w: it is of the fleet %.40s, published by %.80q", errCorrupt, link.ErrForeign, snap.Fleet, snap.Publisher)
	}
	return snap, nil
}
