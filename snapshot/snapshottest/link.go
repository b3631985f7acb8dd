package snapshottest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/agentos/agentos/snapshot/link"
)

// A Hub is what links of several processes meet at, as a Redis server is, in memory. Safe for concurrent use.
type Hub struct {
	name string

	mu       sync.Mutex // guards what follows, the links' settings included
	doc      []byte
	revision uint64
	holder   *Link // who has, or had, the lease
	rank     int
	token    uint64
	until    time.Time
	links    []*Link
	stores   []Stored
}

// Stored is a document that a link's Store has put into the hub.
type Stored struct {
	Holder   string
	Revision uint64
	At       time.Time
}

// NewHub makes a hub whose links have this name, for example "redis".
func NewHub(name string) *Hub { return &Hub{name: name} }

// Link makes the link of one process, which is known by the holder's name.
func (h *Hub) Link(holder string) *Link {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := &Link{hub: h, holder: holder, changed: make(chan struct{})}
	h.links = append(h.links, l)
	return l
}

// Cut cuts all links, as a server that has crashed does.
func (h *Hub) Cut() { h.each((*Link).Cut) }

// Hang makes all links hang, as a server that was stopped does.
func (h *Hub) Hang() { h.each((*Link).Hang) }

// Mend makes all links work again.
func (h *Hub) Mend() { h.each((*Link).Mend) }

// Slow delays each call of each link by d.
func (h *Hub) Slow(d time.Duration) { h.each(func(l *Link) { l.Delay(d) }) }

// Flush forgets the document and the lease.
func (h *Hub) Flush() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.doc, h.revision, h.until = nil, 0, time.Time{}
}

// Plant puts anything where the document is kept.
func (h *Hub) Plant(doc []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.doc, h.revision = bytes.Clone(doc), 0
}

// Document returns what is kept; nil = nothing.
func (h *Hub) Document() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return bytes.Clone(h.doc)
}

// Stores returns all documents that were ever put in, oldest first.
func (h *Hub) Stores() []Stored {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.stores)
}

// Holder names who has the lease; empty = nobody.
func (h *Hub) Holder() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.holder == nil || !time.Now().Before(h.until) {
		return ""
	}
	return h.holder.holder
}

func (h *Hub) each(do func(*Link)) {
	h.mu.Lock()
	links := slices.Clone(h.links)
	h.mu.Unlock()
	for _, l := range links {
		do(l)
	}
}

// A Link is one process's link to a Hub. It works until it is made to break; each setting holds until the next one.
// Safe for concurrent use.
type Link struct {
	hub    *Hub
	holder string

	// The hub's lock guards what follows.
	err       error         // calls fail with it
	hang      bool          // calls wait for their context or the next setting
	blocked   bool          // hang, and ignore the context too
	lose      bool          // messages to this link are lost
	delay     time.Duration // of each call, through all other settings
	closed    bool
	changed   chan struct{} // closed, and replaced, with each setting
	listeners []*subscription
	calls     int
	running   int
	most      int
}

// A subscription is one Listen under way. What it is to receive waits in the inbox, so that a slow one holds up nobody.
type subscription struct {
	to    link.Listener
	inbox []func()
	wake  chan struct{}
}

var (
	errCut    = errors.New("connection refused")
	errSilent = errors.New("the server is silent")
	errClosed = errors.New("the link is closed")
)

// Cut breaks the connection: what is under way fails, and so do all calls, at once.
func (l *Link) Cut() { l.set(func() { l.err = errCut }) }

// Hang makes calls wait for their context to end, and delivers nothing; Listen ends when that has lasted for 3 s.
func (l *Link) Hang() { l.set(func() { l.hang = true }) }

// Block makes calls ignore even their context and wait for the next setting, which is needed for them to end.
func (l *Link) Block() { l.set(func() { l.hang, l.blocked = true, true }) }

// Lose loses what other links send to this one; its own calls work.
func (l *Link) Lose() { l.set(func() { l.lose = true }) }

// Mend makes the link work again.
func (l *Link) Mend() { l.set(func() {}) }

// Delay makes each call take d longer, or until its context ends. It holds through all other settings.
func (l *Link) Delay(d time.Duration) {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	l.delay = d
}

// Calls says how many calls were made, and how many ran at the same time at the most, those of Listen aside.
func (l *Link) Calls() (calls, most int) {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	return l.calls, l.most
}

func (l *Link) set(apply func()) {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	l.err, l.hang, l.blocked, l.lose = nil, false, false, false
	apply()
	close(l.changed)
	l.changed = make(chan struct{})
}

// Name implements link.Link.
func (l *Link) Name() string { return l.hub.name }

// Load implements link.Link.
func (l *Link) Load(ctx context.Context) (doc []byte, err error) {
	err = l.call(ctx, func() error {
		if l.hub.doc == nil {
			return link.ErrNotFound
		}
		doc = bytes.Clone(l.hub.doc)
		return nil
	})
	return doc, err
}

// Store implements link.Link.
func (l *Link) Store(ctx context.Context, s link.Document) error {
	return l.call(ctx, func() error {
		if s.Revision < l.hub.revision {
			return link.ErrFenced
		}
		l.hub.doc, l.hub.revision = bytes.Clone(s.JSON), s.Revision
		l.hub.stores = append(l.hub.stores, Stored{l.holder, s.Revision, time.Now()})
		l.send(func(to link.Listener) {
			if to.OnDocument != nil {
				to.OnDocument(bytes.Clone(s.JSON))
			}
		})
		return nil
	})
}

// Campaign implements link.Link.
func (l *Link) Campaign(ctx context.Context, rank int) (grant link.Grant, err error) {
	began := time.Now()
	err = l.call(ctx, func() error {
		h := l.hub
		if h.holder != l && h.holder != nil && time.Now().Before(h.until) && rank <= h.rank {
			return &link.HeldError{Holder: h.holder.holder}
		}
		if h.holder != l {
			h.token++
		}
		h.holder, h.rank, h.until = l, rank, time.Now().Add(link.LeaseTime)
		grant = link.Grant{Token: h.token, Until: began.Add(link.LeaseTime)}
		return nil
	})
	return grant, err
}

// Resign implements link.Link.
func (l *Link) Resign(ctx context.Context) error {
	return l.call(ctx, func() error {
		if l.hub.holder == l {
			l.hub.until = time.Time{}
		}
		return nil
	})
}

// Notify implements link.Link.
func (l *Link) Notify(ctx context.Context, sections []string) error {
	sections = slices.Clone(sections)
	return l.call(ctx, func() error {
		l.send(func(to link.Listener) {
			if to.OnNotify != nil {
				to.OnNotify(slices.Clone(sections))
			}
		})
		return nil
	})
}

// silence is how long a link that hangs is listened to, as by one that tries its connection every second.
const silence = 3 * time.Second

// Listen implements link.Link.
func (l *Link) Listen(ctx context.Context, to link.Listener) error {
	e := &subscription{to: to, wake: make(chan struct{}, 1)}
	connecting, cancel := context.WithTimeoutCause(ctx, silence, errSilent)
	defer cancel()
	if err := l.pass(connecting); err != nil {
		return err
	}
	l.hub.mu.Lock()
	l.listeners = append(l.listeners, e)
	l.hub.mu.Unlock()
	defer l.forget(e)
	if to.OnReady != nil {
		to.OnReady()
	}
	for {
		if err := l.deliver(ctx, e); err != nil {
			return err
		}
	}
}

// deliver passes on what there is and waits until there may be more.
func (l *Link) deliver(ctx context.Context, e *subscription) error {
	l.hub.mu.Lock()
	changed, err, hang, blocked, inbox := l.changed, l.failure(), l.hang, l.blocked, e.inbox
	if err == nil && !hang {
		e.inbox = nil
	}
	l.hub.mu.Unlock()
	wake := e.wake
	switch {
	case err != nil:
		return err
	case blocked:
		ctx, wake = context.WithoutCancel(ctx), nil
	case hang:
		limited, cancel := context.WithTimeoutCause(ctx, silence, errSilent)
		defer cancel()
		ctx, wake = limited, nil
	default:
		for _, pass := range inbox {
			pass()
		}
	}
	select {
	case <-wake:
		return nil
	case <-changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Close implements link.Link.
func (l *Link) Close() {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	l.closed = true
	close(l.changed)
	l.changed = make(chan struct{})
}

// send gives the listeners of all other links something. The hub's lock is held.
func (l *Link) send(deliver func(link.Listener)) {
	for _, other := range l.hub.links {
		if other == l || other.lose || other.failure() != nil {
			continue
		}
		for _, e := range other.listeners {
			e.inbox = append(e.inbox, func() { deliver(e.to) })
			select {
			case e.wake <- struct{}{}:
			default: // it is awake already
			}
		}
	}
}

func (l *Link) forget(e *subscription) {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	l.listeners = slices.DeleteFunc(l.listeners, func(other *subscription) bool { return other == e })
}

// call does what the setting says, and then the work under the hub's lock.
func (l *Link) call(ctx context.Context, work func() error) error {
	l.hub.mu.Lock()
	l.calls++
	l.running++
	l.most = max(l.most, l.running)
	l.hub.mu.Unlock()
	err := l.pass(ctx)
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	l.running--
	if err == nil {
		err = l.failure()
	}
	if err != nil {
		return err
	}
	return work()
}

// pass waits as long as the setting says.
func (l *Link) pass(ctx context.Context) error {
	l.hub.mu.Lock()
	delay := l.delay
	l.hub.mu.Unlock()
	if err := wait(ctx, delay, nil, false); err != nil {
		return err
	}
	for {
		l.hub.mu.Lock()
		changed, err, hang, blocked := l.changed, l.failure(), l.hang, l.blocked
		l.hub.mu.Unlock()
		if err != nil {
			return err
		}
		if !hang {
			return ctx.Err()
		}
		done := ctx.Done()
		if blocked {
			done = nil
		}
		select {
		case <-changed:
		case <-done:
			return context.Cause(ctx)
		}
	}
}

// failure is why calls fail at once. The hub's lock is held.
func (l *Link) failure() error {
	if l.closed {
		return errClosed
	}
	return l.err
}
