package snapshot

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"time"

	"github.com/agentos/agentos/snapshot/internal/file"
	"github.com/agentos/agentos/snapshot/internal/lead"
	"github.com/agentos/agentos/snapshot/link"
)

// Options configures a Panel.
type Options struct {
	// Sections are the parts of the document, in its order. Empty = this process collects nothing and shows what others
	// have stored; Run is of no use then.
	Sections []Section

	// File is where the last document is kept, so that a restarted process shows it at once. Its folder must exist and
	// belong to this process alone; File + ".tmp" is used while writing. Empty = it is not kept.
	File string

	// Links connect the processes that show the same document, the preferred one first and in the same order in all of
	// them. Close them after the Panel. Empty = there is one process.
	Links []link.Link

	// Name is the panel's name in the Cache-Status header, a token. Empty = "snapshot".
	Name string

	// Process is what documents say of who collected them (meta.publisher): the Holder of the links. Empty = they do not.
	Process string

	// Version is what documents say of their shape (meta.version). Documents of another version are not shown. Zero = 1.
	Version int

	// Fleet names what the document is about, in any form: documents of another one are refused wherever they are found, such as
	// in a Redis that two share by mistake. It is asked each time, for it may become known late: while it is empty, and of a
	// document that names none, nothing is refused. Nil = empty.
	Fleet func() string

	// Interval is how often sections are collected when nothing happens. A document counts as fresh for three of them. Zero = 5 s.
	Interval time.Duration

	// PublishDelay is how long a publish waits for the slowest of the sections that were started together; those that come
	// later are published when they come. Zero = 500 ms.
	PublishDelay time.Duration

	// Budget is the share of one database connection's time that all metered sections together may take; a section too
	// costly for its fair share is collected less often. It goes by what a section has cost so far: an attempt that
	// turns out longer, or times out for the first time, comes on top. Zero = 0.1; negative = without limit.
	Budget float64

	// Beat is how often a viewer of the stream is shown that the connection lives. Zero = 10 s.
	Beat time.Duration

	// MaxBytes is the size no document may exceed: a larger one is not published, a stored one is corrupt. Links have the same
	// option. Zero = link.DefaultMaxBytes.
	MaxBytes int

	// Log receives what operators should know, once per change. Nil = nothing is logged.
	Log *slog.Logger
}

// A Panel is one document that is always ready to be served; Open makes it. All methods are safe for concurrent use.
type Panel struct {
	cache   *cache
	warmer  *warmer     // nil = there are no sections
	group   *lead.Group // nil = there are no links
	handler *handler
	stream  *stream
}

// The roles of a process, as Stats.Role has them.
const (
	Leader   = "leader"   // it collects, for all
	Follower = "follower" // another process leads, and collects
	Alone    = "alone"    // no link works: it collects, for itself
)

// Open makes a panel and shows the newest document that the file and the links have, however old, until there is a newer
// one. Links that do not answer are waited for by no more than a second, nor longer than ctx; that nothing is found is no
// error. The error names all that is wrong with the sections.
func Open(ctx context.Context, opts Options) (*Panel, error) {
	if opts.Name == "" {
		opts.Name = "snapshot"
	}
	var tiers []tier
	for _, link := range opts.Links {
		tiers = append(tiers, link)
	}
	opts.MaxBytes = cacheOptions{MaxBytes: opts.MaxBytes}.withDefaults().MaxBytes
	if opts.File != "" {
		tiers = append(tiers, file.New(opts.File, opts.MaxBytes))
	}
	p := &Panel{cache: newCache(cacheOptions{
		Tiers: tiers, Version: max(opts.Version, 1), MaxBytes: opts.MaxBytes, FreshFor: 3 * opts.Interval, Fleet: opts.Fleet, Log: opts.Log,
	})}
	if len(opts.Sections) > 0 {
		var err error
		p.warmer, err = newWarmer(p.cache, opts.Sections, warmerOptions{
			Interval: opts.Interval, PublishDelay: opts.PublishDelay, Budget: opts.Budget, Name: opts.Process, Log: opts.Log,
		})
		if err != nil {
			return nil, fmt.Errorf("open panel: %w", err)
		}
		if len(opts.Links) > 0 {
			p.group = newGroup(p.cache, p.warmer, opts.Links)
		}
	}
	p.handler = newHandler(p.cache, opts.Name)
	p.stream = newStream(p.cache, streamOptions{Beat: opts.Beat, Log: opts.Log})
	_ = p.cache.Restore(ctx) // the context's: there may be nothing to show yet
	return p, nil
}

// newGroup joins the group of the processes that the links connect.
func newGroup(cache *cache, warmer *warmer, links []link.Link) *lead.Group {
	group := lead.New(lead.Options{
		Name: warmer.opts.Name, Links: links, Cache: cache, Warmer: warmer,
		Silence: warmer.opts.Interval + warmer.opts.PublishDelay, Log: warmer.opts.Log,
	})
	cache.join(group.MayPublish, group.Fenced)
	return group
}

// Run keeps the document new until ctx ends: it collects, alone or in turn with the processes that the links connect. Then
// it gives up the lead, so that another process takes over at once, and waits briefly for the sources under way. It returns
// an error only if there is nothing to collect, or it already runs.
func (p *Panel) Run(ctx context.Context) error {
	switch {
	case p.warmer == nil:
		return errors.New("run panel: it has no sections")
	case p.group == nil:
		return p.warmer.Run(ctx)
	}
	return p.group.Run(ctx)
}

// Nudge says that something has changed in the sections of these names, or anywhere when none is given, in whichever
// process: they are collected and published within about 10 ms when all was quiet, and within a quarter of a second when
// nudges follow each other, unless the budget says that a costly section must wait. Unknown names are ignored. It does not
// block.
func (p *Panel) Nudge(sections ...string) {
	switch {
	case p.group != nil:
		p.group.Nudge(sections...)
	case p.warmer != nil:
		p.warmer.Nudge(sections...)
	}
}

// Refresh collects all sections now, whatever the budget says, and publishes. Sections that are being collected already
// are joined. It needs no Run. The error says that no section could be collected, or that ctx ended before one was.
func (p *Panel) Refresh(ctx context.Context) error {
	if p.warmer == nil {
		return errors.New("refresh panel: it has no sections")
	}
	return p.warmer.Refresh(ctx)
}

// Handler answers GET and HEAD with the document: 200 or 304 from what was made in advance at publishing, 503 when there
// never was one. It runs no query, takes no lock, encodes and compresses nothing. Authorization is the caller's.
//
// Cache-Status (RFC 9211), Age and Server-Timing say how it was served. The compressed answer from memory, which is the one
// that counts, does without Server-Timing and Vary: a Go map of more than eight headers is another, slower kind of map, and
// costs the whole server 15 % more per request. It has seven, so that a handler around this one may add a header, and no more.
// Every answer is private and checked before it is used again: no cache could give it to a client that does not take gzip.
func (p *Panel) Handler() http.Handler { return p.handler }

// Stream sends the document as server-sent events: the whole of it on connecting or after a gap, then a merge patch for
// each revision. What is sent was encoded and deflated once for all. A slow viewer skips to the latest document and holds up
// nobody. Authorization is the caller's.
func (p *Panel) Stream() http.Handler { return p.stream }

// EndStreams sends an "end" event to the viewers of all streams, closes them, and lets no new ones in. It does not wait for
// them: http.Server.Shutdown does.
func (p *Panel) EndStreams(reason EndReason) { p.stream.Close(reason) }

// Current returns the current document, whatever its age, or nil when there is none. It is one atomic load.
func (p *Panel) Current() *Snapshot { return p.cache.Current() }

// Watch yields the current document, if there is one, and then each newer one until ctx ends or the loop is left. It is a
// level trigger: a slow loop sees the latest document, not every one.
func (p *Panel) Watch(ctx context.Context) iter.Seq[*Snapshot] { return p.cache.Watch(ctx) }

// Get returns the best document there is, and says how it was found:
//
//  1. memory, fresh: an atomic load
//  2. a document that a link or the file has, fresh and valid
//  3. collected now, with a deadline, shared by all who wait
//  4. the last good document of any of these, marked as stale
//  5. an error that wraps ErrUnavailable
//
// Whoever finds something stale in memory gets it at once (4) while 2 and 3 are tried in the background. Only a process
// that has nothing at all makes its viewers wait, and all of them for the same attempt; and one of several that was just
// suspended, for at most half a second, while it takes over what the others have published since.
func (p *Panel) Get(ctx context.Context) (*Snapshot, Served, error) { return p.cache.Get(ctx) }

// Close waits until the last document is stored everywhere and nothing is under way, or ctx ends. Call it after Run has
// returned. The panel still answers afterwards.
func (p *Panel) Close(ctx context.Context) error { return p.cache.Close(ctx) }
