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
			snapshot.Section{Name: "system", Path: "dashboard.system", Source: slow},
			snapshot.Section{Name: "agents", Path: "agents_workers.agents", Source: snapshottest.NewSource(nil)},
			snapshot.Section{Name: "queue", Path: "dashboard.queue", Source: snapshottest.NewSource(json.RawMessage(` { "a" : 1.50 } `))},
			snapshot.Section{Name: "logs", Source: bad, Every: 10 * time.Second},
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
		snapshot.Section{Name: "texts", Source: snapshottest.NewSource(texts)},
		snapshot.Section{Name: "raw", Source: snapshottest.NewSource(raw)},
		snapshot.Section{Name: "</script>", Source: snapshottest.NewSource(nil)},
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
	s, other := snapshottest.New(t, "one"), snapshottest.New(t, "two")
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

// A value is encoded before the next collection begins: what the source does with
// it afterwards changes nothing.
func TestSourceMayReuseItsValue(t *testing.T) {
	value := map[string]int{"n": 1}
	source := snapshot.SourceFunc(func(context.Context) (any, error) { return value, nil })
	cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, snapshot.Section{Name: "a", Source: source})
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
			snapshot.Section{Name: "queue", Source: source}, snapshot.Section{Name: "logs", Source: snapshottest.NewSource(nil)})
		if err := warmer.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := cache.Current()
		if text := s.Sections["queue"].Error; !strings.HasPrefix(text, "<é") || !strings.HasSuffix(text, "…") || len(s.JSON) > 1000 {
			t.Errorf("a document of %d bytes has the error %q", len(s.JSON), text)
		}
	})
}
