package snapshot

import (
	"bytes"
	"context"
	"sync/atomic"
)

// A MemoryTier keeps a document in memory. Several caches of one process can share it; tests use it as the simplest
// tier that works.
type MemoryTier struct{ doc atomic.Pointer[[]byte] }

// NewMemoryTier makes an empty tier.
func NewMemoryTier() *MemoryTier { return &MemoryTier{} }

// Name returns "memory-tier", to tell it from the "memory" rung.
func (t *MemoryTier) Name() string { return "memory-tier" }

// Load implements Tier.
func (t *MemoryTier) Load(ctx context.Context) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	doc := t.doc.Load()
	if doc == nil {
		return nil, ErrNotFound
	}
	return bytes.Clone(*doc), nil
}

// Store implements Tier.
func (t *MemoryTier) Store(ctx context.Context, s *Snapshot) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	doc := bytes.Clone(s.JSON)
	t.doc.Store(&doc)
	return nil
}
