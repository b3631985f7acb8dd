package snapshottest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/snapshot/link"
)

// New makes a document of one section, "test", whose value has the given text. Successive calls make successive
// revisions only by the clock.
func New(tb testing.TB, text string) link.Document {
	tb.Helper()
	return series(tb)(text)
}

// A Tier is what keeps documents: a link, or something simpler.
type Tier interface {
	Name() string
	Load(ctx context.Context) ([]byte, error)
	Store(ctx context.Context, doc link.Document) error
}

// TestTier checks that a tier keeps the promises of one, which are those of link.Link for documents. open makes an empty one for each subtest.
func TestTier(t *testing.T, open func(t *testing.T) Tier) {
	checks := []struct {
		name  string
		check func(t *testing.T, tier Tier)
	}{
		{"has a name", hasName},
		{"is empty at first", isEmpty},
		{"returns what was stored", returnsStored},
		{"returns the last of several", returnsLast},
		{"keeps the largest document", keepsLargest},
		{"gives each caller bytes of its own", givesCopies},
		{"gives up when the context has ended", honoursContext},
		{"never shows half a document", isAtomic},
	}
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) { c.check(t, open(t)) })
	}
}

// callTimeout is far more than any call of a tier may take.
const callTimeout = 10 * time.Second

func hasName(t *testing.T, tier Tier) {
	name := tier.Name()
	if name == "" || name != strings.ToLower(name) || strings.ContainsAny(name, " ,;\"=") {
		t.Errorf("Name() = %q: want lower case without spaces and separators, for headers and metrics", name)
	}
	if again := tier.Name(); again != name {
		t.Errorf("Name() = %q, then %q", name, again)
	}
}

func isEmpty(t *testing.T, tier Tier) {
	if doc, err := tier.Load(t.Context()); !errors.Is(err, link.ErrNotFound) {
		t.Errorf("Load() = %q, %v; want ErrNotFound", doc, err)
	}
}

// series makes documents as New does, each of a greater revision than the one before.
func series(tb testing.TB) (next func(text string) link.Document) {
	tb.Helper()
	source := NewSource(nil)
	panel, err := snapshot.Open(tb.Context(), snapshot.Options{Version: 4, Sections: []snapshot.Section{{
		Name: "test", Collect: source.Collect, MaxBytes: link.DefaultMaxBytes,
	}}})
	if err != nil {
		tb.Fatal(err)
	}
	return func(text string) link.Document {
		tb.Helper()
		source.Return(map[string]string{"text": text})
		if err := panel.Refresh(tb.Context()); err != nil {
			tb.Fatal(err)
		}
		s := panel.Current()
		return link.Document{Revision: s.Revision, Version: 4, JSON: s.JSON, Gzip: s.Gzip}
	}
}

func returnsStored(t *testing.T, tier Tier) {
	s := New(t, "first <b> ü \u2028 end")
	mustStore(t, tier, s)
	wantLoad(t, tier, s.JSON)
	wantLoad(t, tier, s.JSON) // loading takes nothing away
}

func returnsLast(t *testing.T, tier Tier) {
	next := series(t)
	long, short := next(strings.Repeat("long ", 1000)), next("short")
	mustStore(t, tier, long)
	mustStore(t, tier, short)
	wantLoad(t, tier, short.JSON)
}

func keepsLargest(t *testing.T, tier Tier) {
	s := New(t, strings.Repeat("x", link.DefaultMaxBytes-1000))
	mustStore(t, tier, s)
	wantLoad(t, tier, s.JSON)
}

func givesCopies(t *testing.T, tier Tier) {
	s := New(t, "first")
	want := bytes.Clone(s.JSON)
	mustStore(t, tier, s)
	doc, err := tier.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	clear(doc)
	if !bytes.Equal(s.JSON, want) {
		t.Error("what Load returned is the document's own memory")
	}
	wantLoad(t, tier, want)
}

func honoursContext(t *testing.T, tier Tier) {
	next := series(t)
	old := next("old")
	mustStore(t, tier, old)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	if err := tier.Store(ended, next("new")); err == nil {
		t.Error("Store() = nil after the context's end")
	}
	if _, err := tier.Load(ended); err == nil || errors.Is(err, link.ErrNotFound) {
		t.Errorf("Load() = %v after the context's end; want the context's error", err)
	}
	if took := time.Since(began); took > callTimeout {
		t.Errorf("giving up took %v", took)
	}
	wantLoad(t, tier, old.JSON)
}

func isAtomic(t *testing.T, tier Tier) {
	next := series(t)
	versions := []link.Document{next("first")}
	for i := range 40 {
		versions = append(versions, next(strings.Repeat(fmt.Sprint(i%4), 1<<(4*(i%4)))))
	}
	mustStore(t, tier, versions[0])
	ctx, stop := context.WithTimeout(t.Context(), callTimeout)
	defer stop()
	var writing sync.WaitGroup
	written := make(chan struct{})
	var taken atomic.Int64
	for range 2 {
		writing.Go(func() {
			for i := taken.Add(1); i < int64(len(versions)); i = taken.Add(1) {
				if err := tier.Store(ctx, versions[i]); err != nil && !errors.Is(err, link.ErrFenced) {
					t.Errorf("Store() = %v", err)
				}
			}
		})
	}
	go func() {
		writing.Wait()
		close(written)
	}()
	for done := false; !done; {
		select {
		case <-written:
			done = true
		default:
		}
		if doc, err := tier.Load(ctx); err != nil || !json.Valid(doc) {
			t.Fatalf("Load() = %d bytes, %v; want a whole document", len(doc), err)
		}
	}
}

func mustStore(t *testing.T, tier Tier, s link.Document) {
	t.Helper()
	if err := tier.Store(t.Context(), s); err != nil {
		t.Fatalf("Store() = %v", err)
	}
}

func wantLoad(t *testing.T, tier Tier, want []byte) {
	t.Helper()
	doc, err := tier.Load(t.Context())
	if err != nil {
		t.Fatalf("Load() = %v", err)
	}
	if !bytes.Equal(doc, want) {
		t.Errorf("Load() = %.60q... (%d bytes), want %.60q... (%d bytes)", doc, len(doc), want, len(want))
	}
}
