package snapshot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/agentos/agentos/snapshot/internal/bounded"
	"github.com/agentos/agentos/snapshot/link"
)

// TierStats counts what one tier did since Open.
type TierStats struct {
	Name    string
	Loads   uint64 // documents loaded, valid or not
	Stores  uint64 // documents stored
	Errors  uint64 // failed loads and stores, timeouts included
	Corrupt uint64 // loaded or announced documents that could not be used
	Fenced  uint64 // documents not stored because a later holder of a link's lease had stored a newer one
	Error   string // what is wrong with it now; empty = nothing known
}

// A tier is a place outside this process's memory where documents are kept: the file, or a link. It may fail, hang, or
// return garbage, as link.Link says.
type tier interface {
	Name() string
	Load(ctx context.Context) ([]byte, error)
	Store(ctx context.Context, doc link.Document) error
}

// stored is what a tier keeps of a snapshot.
func (s *Snapshot) stored() link.Document {
	return link.Document{Revision: s.Revision, Version: s.version, JSON: s.JSON, Gzip: s.Gzip}
}

// A guard stands between the cache and a tier: deadlines, panics, pace, counting and logging are its business, so that
// a tier can do no harm.
type guard struct {
	tier    tier
	timeout time.Duration
	pace    time.Duration
	link    bool            // the tier is a link.Link: only the leader stores there
	fenced  func(by string) // called with the tier's name when Store returns link.ErrFenced
	log     *slog.Logger

	loader  *bounded.Caller
	loads   atomic.Uint64
	stores  atomic.Uint64
	errors  atomic.Uint64
	corrupt atomic.Uint64
	fences  atomic.Uint64

	mu      sync.Mutex // guards what follows; never held during a call of the tier
	trouble [2]string  // what is wrong with loading and with storing
	pending *Snapshot  // the newest document that is still to be stored
	storing chan struct{}
	noPace  chan struct{} // closed when the pace is no longer to be kept
	closed  bool
}

const (
	toLoad = iota
	toStore
)

func newGuard(tier tier, timeout time.Duration, fenced func(by string), log *slog.Logger) *guard {
	g := &guard{
		tier: tier, timeout: timeout, fenced: fenced, log: log.With("tier", tier.Name()),
		loader: bounded.NewCaller(), noPace: make(chan struct{}),
	}
	_, g.link = tier.(link.Link)
	if paced, ok := tier.(interface{ Pace() time.Duration }); ok {
		g.pace = paced.Pace()
	}
	return g
}

func (g *guard) stats() TierStats {
	g.mu.Lock()
	defer g.mu.Unlock()
	trouble := g.trouble[toStore]
	if g.trouble[toLoad] != "" {
		trouble = g.trouble[toLoad]
	}
	return TierStats{
		Name: g.tier.Name(), Loads: g.loads.Load(), Stores: g.stores.Load(),
		Errors: g.errors.Load(), Corrupt: g.corrupt.Load(), Fenced: g.fences.Load(), Error: trouble,
	}
}

// load returns what the tier holds, as a snapshot; nil when there is nothing to be had.
func (g *guard) load(ctx context.Context, parse func([]byte) (*Snapshot, error)) *Snapshot {
	var doc []byte
	err := g.loader.Call(ctx, g.timeout, func(ctx context.Context) (err error) {
		doc, err = g.tier.Load(ctx)
		return err
	})
	switch {
	case errors.Is(err, link.ErrNotFound):
		g.note(toLoad, nil)
		return nil
	case ctx.Err() != nil:
		return nil // nobody waits any more: that says nothing of the tier
	case err != nil:
		g.errors.Add(1)
		g.note(toLoad, fmt.Errorf("load: %w", err))
		return nil
	}
	g.loads.Add(1)
	snap, err := parse(doc)
	if err != nil {
		g.corrupt.Add(1)
	}
	g.note(toLoad, err)
	return snap
}

// put hands the tier a document without waiting for it. Of documents that come faster than they can be stored the
// newest counts.
func (g *guard) put(s *Snapshot) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return
	}
	g.pending = s
	if g.storing == nil {
		g.storing = make(chan struct{})
		go g.drain()
	}
}

// drain stores until nothing is pending. It is the only goroutine that calls the tier's Store.
func (g *guard) drain() {
	for snap := g.next(); snap != nil; snap = g.next() {
		ctx, cancel := context.WithTimeout(context.Background(), g.timeout)
		err := bounded.Protect(func() error { return g.tier.Store(ctx, snap.stored()) })
		g.loader.NoteHang(ctx.Err() != nil) // what cannot store need not be waited for when it is to load
		cancel()
		switch {
		case errors.Is(err, link.ErrFenced):
			err = nil // the tier is well
			g.fences.Add(1)
			g.fenced(g.tier.Name())
		case err != nil:
			g.errors.Add(1)
		default:
			g.stores.Add(1)
		}
		g.note(toStore, err)
		g.rest()
	}
}

// next takes the pending document. When there is none, draining is over.
func (g *guard) next() *Snapshot {
	g.mu.Lock()
	defer g.mu.Unlock()
	snap := g.pending
	g.pending = nil
	if snap == nil {
		close(g.storing)
		g.storing = nil
	}
	return snap
}

// rest keeps the tier's pace.
func (g *guard) rest() {
	if g.pace <= 0 {
		return
	}
	timer := time.NewTimer(g.pace)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-g.noPace:
	}
}

// close takes no more documents and waits until the pending one is stored.
func (g *guard) close(ctx context.Context) error {
	g.mu.Lock()
	if !g.closed {
		g.closed = true
		close(g.noPace)
	}
	storing := g.storing
	g.mu.Unlock()
	if storing == nil {
		return nil
	}
	select {
	case <-storing:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("store the last document in %s: %w", g.tier.Name(), context.Cause(ctx))
	}
}

// recordRemote notes that another process's document came through the tier, and whether it was good. One that was shows that the
// tier works, whatever happened to this process's own calls. A nil guard is that of no tier.
func (g *guard) recordRemote(err error) {
	if g == nil {
		return
	}
	if err != nil {
		g.corrupt.Add(1)
	} else {
		g.note(toStore, nil)
	}
	g.note(toLoad, err)
}

// note logs when the tier begins to fail, fails in another way, and works again.
func (g *guard) note(purpose int, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	g.mu.Lock()
	changed := g.trouble[purpose] != text
	g.trouble[purpose] = text
	g.mu.Unlock()
	switch {
	case !changed:
	case err != nil:
		g.log.Warn("snapshot tier fails", "error", err)
	default:
		g.log.Info("snapshot tier works again")
	}
}
