package snapshot_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/snapshot/internal/jsonpatch"
	"github.com/agentos/agentos/snapshot/snapshottest"
)

// The document, byte by byte: paths, nulls, times, meta.
func TestDocumentShape(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bad := snapshottest.NewSource(nil)
		bad.Panic("boom <b>")
		slow := snapshottest.NewSource(obj{"n": 1})
		slow.Delay(1500 * time.Microsecond)
		cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{},
			snapshot.Section{Name: "system", Path: "dashboard.system", Collect: slow.Collect},
			snapshot.Section{Name: "agents", Path: "agents_workers.agents", Collect: snapshottest.NewSource(nil).Collect},
			snapshot.Section{Name: "queue", Path: "dashboard.queue", Collect: snapshottest.NewSource(json.RawMessage(` { "a" : 1.50 } `)).Collect},
			snapshot.Section{Name: "logs", Collect: bad.Collect, Every: 10 * time.Second},
		)
		if err := warmer.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := `{"dashboard":{"system":{"n":1},"queue":{"a":1.50}},"agents_workers":{"agents":null},"logs":null,` +
			`"timestamp":"2026-01-02T15:04:05.001Z","meta":{"version":4,"revision":1767366245001,"as_of":"2026-01-02T15:04:05.001Z",` +
			`"stale":false,"interval_ms":5000,"fresh_ms":15000,"sections":{` +
			`"agents":{"as_of":"2026-01-02T15:04:05.000Z","took_ms":0,"every_ms":5000,"error":null,"overdue":false},` +
			`"logs":{"as_of":null,"took_ms":0,"every_ms":10000,"error":"panic: boom \u003cb\u003e","overdue":false},` +
			`"queue":{"as_of":"2026-01-02T15:04:05.000Z","took_ms":0,"every_ms":5000,"error":null,"overdue":false},` +
			`"system":{"as_of":"2026-01-02T15:04:05.000Z","took_ms":1.5,"every_ms":5000,"error":null,"overdue":false}}}}`
		if got := string(cache.Current().JSON); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// Whatever sources return, the document can stand in a script element and in an SSE line.
func TestDocumentIsSafeWithinHTML(t *testing.T) {
	texts := obj{"<!--": "</script><!-- <b> & \u2028 \u2029 \xff \n \r \x00"}
	raw := json.RawMessage("{\"x\":\"</script><!--\u2028\u2029\xff\",\n\"y\":1}")
	cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{},
		snapshot.Section{Name: "texts", Collect: snapshottest.NewSource(texts).Collect},
		snapshot.Section{Name: "raw", Collect: snapshottest.NewSource(raw).Collect},
		snapshot.Section{Name: "</script>", Collect: snapshottest.NewSource(nil).Collect},
	)
	if err := warmer.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantSafe(t, cache.Current().JSON)
	if !json.Valid(cache.Current().JSON) || !bytes.Contains(cache.Current().JSON, []byte("\ufffd")) {
		t.Error("invalid UTF-8 was not replaced")
	}
}

// The three forms of a document are the same document; its tags differ from those of any other, and from each other.
func TestSnapshotForms(t *testing.T) {
	s, other := snapshotOf(t, "one"), snapshotOf(t, "two")
	reader, err := gzip.NewReader(bytes.NewReader(s.Gzip))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(reader); err != nil || !bytes.Equal(plain, s.JSON) {
		t.Errorf("Gzip holds %d bytes, %v; JSON has %d", len(plain), err, len(s.JSON))
	}
	if s.ETag == other.ETag || !strings.HasPrefix(s.ETag, `"`) {
		t.Errorf("ETags %s and %s", s.ETag, other.ETag)
	}
}

// snapshotOf makes a snapshot of one section.
func snapshotOf(t *testing.T, value string) *snapshot.Snapshot {
	t.Helper()
	cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, snapshot.Section{
		Name: "test", Collect: snapshottest.NewSource(obj{"text": value}).Collect,
	})
	if err := warmer.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return cache.Current()
}

// A value is encoded before the next collection begins: what the source does with
// it afterwards changes nothing.
func TestSourceMayReuseItsValue(t *testing.T) {
	value := map[string]int{"n": 1}
	source := func(context.Context) (any, error) { return value, nil }
	cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, snapshot.Section{Name: "a", Collect: source})
	if err := warmer.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := cache.Current()
	value["n"] = 2
	if err := warmer.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(first.JSON, []byte(`{"a":{"n":1}`)) || !bytes.HasPrefix(cache.Current().JSON, []byte(`{"a":{"n":2}`)) {
		t.Errorf("first %.20s, then %.20s", first.JSON, cache.Current().JSON)
	}
}

func TestSectionMetaRoundTrip(t *testing.T) {
	for _, m := range []snapshot.SectionMeta{
		{},
		{AsOf: start, Took: 1500 * time.Microsecond, Every: 5 * time.Second, Error: "down", Overdue: true},
	} {
		raw, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var got snapshot.SectionMeta
		if err := json.Unmarshal(raw, &got); err != nil || got != m {
			t.Errorf("%s became %+v, %v; want %+v", raw, got, err, m)
		}
	}
}

// An error in the document is short, whatever a source says: the log has all of it.
func TestErrorsOfSectionsAreCut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := snapshottest.NewSource(nil)
		source.Fail(errors.New(strings.Repeat("<é\u2028", 5000)))
		cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{},
			snapshot.Section{Name: "queue", Collect: source.Collect}, snapshot.Section{Name: "logs", Collect: snapshottest.NewSource(nil).Collect})
		if err := warmer.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := cache.Current()
		if text := s.Sections["queue"].Error; !strings.HasPrefix(text, "<é") || !strings.HasSuffix(text, "…") || len(s.JSON) > 1000 {
			t.Errorf("a document of %d bytes has the error %q", len(s.JSON), text)
		}
	})
}

// A patch of a small change of a large document is small: lists are objects keyed by id.
func TestPatchIsSmall(t *testing.T) {
	s := warmCache(t).Current()
	next := bytes.Replace(s.JSON, []byte(`"run_ms":`), []byte(`"run_ms":1`), 1)
	patch, err := jsonpatch.Diff(s.JSON, next)
	if err != nil {
		t.Fatal(err)
	}
	if len(patch) > 100 {
		t.Errorf("one changed number of %d bytes makes a patch of %d bytes: %s", len(s.JSON), len(patch), patch)
	}
}
