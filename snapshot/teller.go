package snapshot

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	// tellGap is how soon after one message to the collecting process the next may follow.
	tellGap = 100 * time.Millisecond

	// tellPatience is how long one message may take; after a failure on all links it is tried again this much later.
	tellPatience = time.Second
)

// A Teller passes nudges to the process that collects, through links, for processes that only change things. Those that
// come while one is under way are passed on together. Safe for concurrent use.
type Teller struct {
	links []Link
	calls []*caller // of each link's Tell
	log   *slog.Logger
	wake  chan struct{}

	mu    sync.Mutex // guards what follows
	all   bool
	names map[string]bool
}

// NewTeller makes a teller that uses the first of the links that works. A nil log discards.
func NewTeller(links []Link, log *slog.Logger) *Teller {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	t := &Teller{links: links, log: log, wake: make(chan struct{}, 1), names: map[string]bool{}}
	for range links {
		t.calls = append(t.calls, newCaller())
	}
	return t
}

// Nudge says that something has changed in the sections of these names, or anywhere when none is given. It does not
// block; Run does the rest.
func (t *Teller) Nudge(sections ...string) {
	t.mu.Lock()
	t.all = t.all || len(sections) == 0
	for _, name := range sections {
		t.names[name] = true
	}
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Run passes nudges on until ctx ends.
func (t *Teller) Run(ctx context.Context) {
	for failing := false; ; {
		select {
		case <-t.wake:
		case <-ctx.Done():
			return
		}
		pause(ctx, nudgeSettle)
		all, names := t.take()
		err := t.tell(ctx, all, names)
		if ctx.Err() != nil {
			return
		}
		if failing != (err != nil) {
			failing = err != nil
			t.report(err)
		}
		if err == nil {
			pause(ctx, tellGap)
			continue
		}
		pause(ctx, tellPatience)
		if all {
			t.Nudge()
		}
		if len(names) > 0 {
			t.Nudge(names...)
		}
	}
}

func (t *Teller) report(err error) {
	if err != nil {
		t.log.Warn("changes cannot be told to the process that collects: it finds them by itself", "error", err)
		return
	}
	t.log.Info("changes are told to the process that collects again")
}

func (t *Teller) take() (all bool, names []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all, names = t.all, slices.Sorted(maps.Keys(t.names))
	t.all = false
	clear(t.names)
	return all, names
}

// tell uses the first link that works. The error is that of the last one.
func (t *Teller) tell(ctx context.Context, all bool, names []string) (err error) {
	if !all && len(names) == 0 {
		return nil
	}
	if all {
		names = nil
	}
	for i, link := range t.links {
		err = t.calls[i].call(ctx, tellPatience, func(ctx context.Context) error { return link.Tell(ctx, names) })
		if err == nil {
			return nil
		}
	}
	return err
}
