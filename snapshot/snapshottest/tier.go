package snapshottest

import (
	"bytes"
	"context"
	"sync"

	"github.com/agentos/agentos/snapshot"
)

// A Tier keeps a document in memory until it is told to break. Each setting holds until the next one. Safe for
// concurrent use.
type Tier struct {
	name string

	mu      sync.Mutex // guards what follows
	doc     []byte
	err     error
	panics  any
	hang    chan struct{} // closed when the hanging is over; nil = does not hang
	honours bool
	loads   int
	stores  int
}

// NewTier makes an empty tier that works.
func NewTier(name string) *Tier { return &Tier{name: name} }

// Fail makes Load and Store return err.
func (t *Tier) Fail(err error) { t.set(func() { t.err = err }) }

// Panic makes Load and Store panic with value.
func (t *Tier) Panic(value any) { t.set(func() { t.panics = value }) }

// Stall makes Load and Store wait for their context to end.
func (t *Tier) Stall() { t.set(func() { t.hang, t.honours = make(chan struct{}), true }) }

// Hang makes Load and Store ignore their context and wait for the next setting, which is needed for them to end.
func (t *Tier) Hang() { t.set(func() { t.hang, t.honours = make(chan struct{}), false }) }

// Mend makes the tier work again, with the document it has.
func (t *Tier) Mend() { t.set(func() {}) }

// Put replaces the stored document, by garbage if need be; nil = there is none.
func (t *Tier) Put(doc []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.doc = bytes.Clone(doc)
}

// Document returns the stored document; nil = there is none.
func (t *Tier) Document() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Clone(t.doc)
}

// Calls tells how often Load and Store were called.
func (t *Tier) Calls() (loads, stores int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.loads, t.stores
}

func (t *Tier) set(apply func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.hang != nil {
		close(t.hang)
	}
	t.err, t.panics, t.hang, t.honours = nil, nil, nil, false
	apply()
}

// Name implements snapshot.Tier.
func (t *Tier) Name() string { return t.name }

// Load implements snapshot.Tier.
func (t *Tier) Load(ctx context.Context) ([]byte, error) {
	if err := t.call(ctx, &t.loads); err != nil {
		return nil, err
	}
	doc := t.Document()
	if doc == nil {
		return nil, snapshot.ErrNotFound
	}
	return doc, nil
}

// Store implements snapshot.Tier.
func (t *Tier) Store(ctx context.Context, s *snapshot.Snapshot) error {
	if err := t.call(ctx, &t.stores); err != nil {
		return err
	}
	t.Put(s.JSON)
	return nil
}

// call counts a call and does what the setting says.
func (t *Tier) call(ctx context.Context, counter *int) error {
	t.mu.Lock()
	*counter++
	err, panics, hang, honours := t.err, t.panics, t.hang, t.honours
	t.mu.Unlock()
	if panics != nil {
		panic(panics)
	}
	if err != nil {
		return err
	}
	if err := wait(ctx, 0, hang, honours); err != nil {
		return err
	}
	return ctx.Err()
}
