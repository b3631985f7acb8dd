package snapshottest

import (
	"bytes"
	"context"
	"sync"

	"github.com/agentos/agentos/snapshot/link"
)

// A Memory keeps a document in memory until it is made to break. Each setting holds until the next one. Safe for
// concurrent use.
type Memory struct {
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

// NewMemory makes an empty tier that works.
func NewMemory(name string) *Memory { return &Memory{name: name} }

// Fail makes Load and Store return err.
func (t *Memory) Fail(err error) { t.set(func() { t.err = err }) }

// Panic makes Load and Store panic with value.
func (t *Memory) Panic(value any) { t.set(func() { t.panics = value }) }

// Stall makes Load and Store wait for their context to end.
func (t *Memory) Stall() { t.set(func() { t.hang, t.honours = make(chan struct{}), true }) }

// Hang makes Load and Store ignore their context and wait for the next setting, which is needed for them to end.
func (t *Memory) Hang() { t.set(func() { t.hang, t.honours = make(chan struct{}), false }) }

// Mend makes the tier work again, with the document it has.
func (t *Memory) Mend() { t.set(func() {}) }

// Put replaces the stored document, by garbage if need be; nil = there is none.
func (t *Memory) Put(doc []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.doc = bytes.Clone(doc)
}

// Document returns the stored document; nil = there is none.
func (t *Memory) Document() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Clone(t.doc)
}

// Calls says how often Load and Store were called.
func (t *Memory) Calls() (loads, stores int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.loads, t.stores
}

func (t *Memory) set(apply func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.hang != nil {
		close(t.hang)
	}
	t.err, t.panics, t.hang, t.honours = nil, nil, nil, false
	apply()
}

// Name implements Tier.
func (t *Memory) Name() string { return t.name }

// Load implements Tier.
func (t *Memory) Load(ctx context.Context) ([]byte, error) {
	if err := t.call(ctx, &t.loads); err != nil {
		return nil, err
	}
	doc := t.Document()
	if doc == nil {
		return nil, link.ErrNotFound
	}
	return doc, nil
}

// Store implements Tier.
func (t *Memory) Store(ctx context.Context, s link.Document) error {
	if err := t.call(ctx, &t.stores); err != nil {
		return err
	}
	t.Put(s.JSON)
	return nil
}

// call counts a call and does what the setting says.
func (t *Memory) call(ctx context.Context, counter *int) error {
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
