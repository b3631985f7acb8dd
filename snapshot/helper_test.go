package snapshot_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/snapshot/snapshottest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) {
		_ = os.RemoveAll(folder)
		os.Exit(status)
	}))
}

// start is when the tests in bubbles begin.
var start = time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)

// bubble runs a test with a clock of its own, which stands at start.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(start))
		test(t)
	})
}

// pass lets time pass and waits until all that is due by then is done. In a bubble sleeping is not waiting for luck:
// the clock moves when all else is idle.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

type obj = map[string]any

// section makes a section of a source that works.
func section(name string) (snapshot.Section, *snapshottest.Source) {
	source := snapshottest.NewSource(obj{"name": name})
	return snapshot.Section{Name: name, Collect: source.Collect}, source
}

// newWarmer makes a warmer and its cache, and closes the cache at the test's end.
func newWarmer(t *testing.T, c snapshot.CacheOptions, w snapshot.WarmerOptions, sections ...snapshot.Section) (*snapshot.Cache, *snapshot.Warmer) {
	t.Helper()
	cache := snapshot.NewCache(c)
	warmer, err := snapshot.NewWarmer(cache, sections, w)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeCache(t, cache) })
	return cache, warmer
}

func closeCache(t *testing.T, cache *snapshot.Cache) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := cache.Close(ctx); err != nil {
		t.Error(err)
	}
}

// run runs the warmer until the returned function is called, or to the test's end.
func run(t *testing.T, w *snapshot.Warmer) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run() = %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// document is a document as a viewer decodes it.
type document struct {
	Timestamp time.Time
	Meta      struct {
		Version    int
		Revision   uint64
		AsOf       time.Time `json:"as_of"`
		Stale      bool
		IntervalMS int64 `json:"interval_ms"`
		FreshMS    int64 `json:"fresh_ms"`
		Sections   map[string]struct {
			AsOf    *time.Time `json:"as_of"`
			TookMS  float64    `json:"took_ms"`
			EveryMS int64      `json:"every_ms"`
			Error   *string
			Overdue bool
		}
	}
	Sections map[string]json.RawMessage `json:"-"`
}

func decode(t *testing.T, s *snapshot.Snapshot) document {
	t.Helper()
	if s == nil {
		t.Fatal("there is no document")
	}
	var d document
	if err := json.Unmarshal(s.JSON, &d); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(s.JSON, &d.Sections); err != nil {
		t.Fatal(err)
	}
	return d
}

// failure is what the document says about why a section failed.
func (d document) failure(section string) string {
	if e := d.Meta.Sections[section].Error; e != nil {
		return *e
	}
	return ""
}

// logBook keeps what was logged.
type logBook struct {
	mu    sync.Mutex
	lines []string
}

func (b *logBook) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (b *logBook) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, string(line))
	return len(line), nil
}

func (b *logBook) all() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.lines...)
}

// decodeExact decodes with numbers as they are written.
func decodeExact(t *testing.T, text string) any {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return value
}

// bare is a value without the null members of its objects, but for those within arrays.
func bare(value any) any {
	object, ok := value.(map[string]any)
	if !ok {
		return value
	}
	for key, member := range object {
		if member == nil {
			delete(object, key)
		} else {
			object[key] = bare(member)
		}
	}
	return object
}
