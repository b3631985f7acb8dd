package link

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/agentos/agentos/snapshot/internal/bounded"
)

const (
	// debounce lets nudges that belong together share one message.
	debounce = 5 * time.Millisecond

	// notifyGap is how soon after one message to the leader the next may follow.
	notifyGap = 100 * time.Millisecond

	// notifyTimeout is how long one message may take; after a failure on all links it is tried again this much later.
	notifyTimeout = time.Second
)

// A Notifier passes nudges through links to the leader, for processes that only change things. Those that
// come while one is under way are passed on together. Safe for concurrent use.
type Notifier struct {
	links []Link
	calls []*bounded.Caller // of each link's Notify
	log   *slog.Logger
	wake  chan struct{}

	mu    sync.Mutex // guards what follows
	all   bool
	names map[string]bool
}

// NewNotifier makes a notifier that uses the first of the links that works. A nil log discards.
func NewNotifier(links []Link, log *slog.Logger) *Notifier {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	n := &Notifier{links: links, log: log, wake: make(chan struct{}, 1), names: map[string]bool{}}
	for range links {
		n.calls = append(n.calls, bounded.NewCaller())
	}
	return n
}

// Nudge says that something has changed in the sections of these names, or anywhere when none is given. It does not
// block; Run does the rest.
func (n *Notifier) Nudge(sections ...string) {
	n.mu.Lock()
	n.all = n.all || len(sections) == 0
	for _, name := range sections {
		n.names[name] = true
	}
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Run passes nudges on until ctx ends.
func (n *Notifier) Run(ctx context.Context) {
	for failing := false; ; {
		select {
		case <-n.wake:
		case <-ctx.Done():
			return
		}
		bounded.Pause(ctx, debounce)
		all, names := n.take()
		err := n.notify(ctx, all, names)
		if ctx.Err() != nil {
			return
		}
		if failing != (err != nil) {
			failing = err != nil
			n.report(err)
		}
		if err == nil {
			bounded.Pause(ctx, notifyGap)
			continue
		}
		bounded.Pause(ctx, notifyTimeout)
		if all {
			n.Nudge()
		}
		if len(names) > 0 {
			n.Nudge(names...)
		}
	}
}

func (n *Notifier) report(err error) {
	if err != nil {
		n.log.Warn("the leader cannot be notified of changes: it finds them by itself", "error", err)
		return
	}
	n.log.Info("the leader is notified of changes again")
}

func (n *Notifier) take() (all bool, names []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	all, names = n.all, slices.Sorted(maps.Keys(n.names))
	n.all = false
	clear(n.names)
	return all, names
}

// notify uses the first link that works. The error is that of the last one.
func (n *Notifier) notify(ctx context.Context, all bool, names []string) (err error) {
	if !all && len(names) == 0 {
		return nil
	}
	if all {
		names = nil
	}
	for i, link := range n.links {
		err = n.calls[i].Call(ctx, notifyTimeout, func(ctx context.Context) error { return link.Notify(ctx, names) })
		if err == nil {
			return nil
		}
	}
	return err
}
