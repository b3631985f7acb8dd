package snapshot_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/snapshot/link"
)

// aStoredDocument is a valid one; the tests change one thing of it at a time.
func aStoredDocument() obj {
	return obj{
		"shop":      obj{"orders": obj{"open": 1}, "stock": nil},
		"timestamp": "2026-01-02T15:04:04.000Z",
		"meta": obj{
			"version": 4, "revision": 1234, "as_of": "2026-01-02T15:04:00.000Z", "stale": true,
			"interval_ms": 5000, "fresh_ms": 15000,
			"sections": obj{"orders": obj{"as_of": "2026-01-02T15:04:00.000Z", "took_ms": 3.1, "every_ms": 5000, "error": nil, "overdue": true}},
		},
	}
}

func TestStoredDocumentIsValidated(t *testing.T) {
	meta := func(key string, value any) func(obj) {
		return func(d obj) { d["meta"].(obj)[key] = value }
	}
	cases := []struct {
		name   string
		change func(obj)
		want   string // "" = valid
	}{
		{"as it is", func(obj) {}, ""},
		{"more fields", func(d obj) { d["more"] = 1; d["meta"].(obj)["lease"] = "x" }, ""},
		{"half a minute ahead", func(d obj) { d["timestamp"] = "2026-01-02T15:04:35.000Z" }, ""},
		{"a year old", func(d obj) {
			d["timestamp"] = "2025-01-02T15:04:35Z"
			meta("as_of", "2025-01-02T15:04:35Z")(d)
			meta("sections", nil)(d)
		}, ""},
		{"another version", meta("version", 3), "version is 3"},
		{"no version", meta("version", nil), "version is 0"},
		{"no meta", func(d obj) { delete(d, "meta") }, "version is 0"},
		{"meta in capitals", func(d obj) { d["META"] = d["meta"]; delete(d, "meta") }, `no object at ["meta"]`},
		{"no section", func(d obj) { d["shop"] = obj{"orders": obj{}} }, `no object at ["shop" "stock"]`},
		{"section of the wrong kind", func(d obj) { d["shop"] = obj{"orders": obj{}, "stock": "?"} }, `no object at ["shop" "stock"]`},
		{"no way to the section", func(d obj) { d["shop"] = 1 }, `no object at ["shop" "orders"]`},
		{"no timestamp", func(d obj) { delete(d, "timestamp") }, "timestamp"},
		{"ancient", func(d obj) { d["timestamp"] = "1999-01-02T15:04:05Z" }, "timestamp"},
		{"from the future", func(d obj) { d["timestamp"] = "2026-01-02T15:06:06.000Z" }, "timestamp"},
		{"no time", func(d obj) { d["timestamp"] = "yesterday" }, "cannot parse"},
		{"no revision", meta("revision", 0), "revision"},
		{"negative revision", meta("revision", -1), "revision"},
		{"revision beyond the clock", meta("revision", uint64(1)<<60), "revision"},
		{"no age", meta("as_of", ""), "as_of"},
		{"younger than itself", meta("as_of", "2026-01-02T15:04:04.500Z"), "as_of"},
		{"section younger than itself", func(d obj) {
			d["meta"].(obj)["sections"].(obj)["orders"].(obj)["as_of"] = "2026-01-02T15:05:00Z"
		}, `"orders" is newer`},
		{"too large", func(d obj) { d["x"] = strings.Repeat("x", 131_072) }, "over 131,072 bytes"},
		{"too large once escaped", func(d obj) { d["x"] = strings.Repeat("<", 100_000) }, "over 131,072 bytes"},
		{"too deep", func(d obj) { d["x"] = deep(70) }, "nested"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				document := aStoredDocument()
				c.change(document)
				cache := snapshot.NewCache(snapshot.CacheOptions{})
				snapshot.SetPaths(cache, "shop.orders", "shop.stock")
				err := cache.Offer(encodePlain(t, document), "")
				switch {
				case c.want == "" && err != nil:
					t.Errorf("Offer() = %v; want it taken", err)
				case c.want == "" && cache.Current() == nil:
					t.Error("taken, but not shown")
				case c.want != "" && (!errors.Is(err, snapshot.ErrCorrupt) || !strings.Contains(err.Error(), c.want)):
					t.Errorf("Offer() = %v; want ErrCorrupt and %q", err, c.want)
				case c.want != "" && cache.Current() != nil:
					t.Error("refused, but shown")
				}
			})
		})
	}
}

// encodePlain encodes without escaping, as most languages do.
func encodePlain(t *testing.T, value any) []byte {
	t.Helper()
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// Whoever wrote the document, and however: what is served is one line that is safe within HTML.
func TestStoredDocumentIsMadeSafe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		document := aStoredDocument()
		document["evil"] = obj{"x": "</script><!--<b>&\u2028\u2029"}
		indented, err := json.MarshalIndent(document, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range [][]byte{encodePlain(t, document), indented} {
			cache := snapshot.NewCache(snapshot.CacheOptions{})
			if err := cache.Offer(doc, ""); err != nil {
				t.Fatal(err)
			}
			wantSafe(t, cache.Current().JSON)
		}
	})
}

func wantSafe(t *testing.T, doc []byte) {
	t.Helper()
	if !json.Valid(doc) || bytes.ContainsAny(doc, "<>&\n\r\u2028\u2029") {
		t.Errorf("not one line of JSON that is safe within HTML: %q", doc)
	}
}

// An offered document takes its place only if it is newer.
func TestOfferTakesNewerDocumentsOnly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cache := snapshot.NewCache(snapshot.CacheOptions{})
		for _, revision := range []int{5, 3, 5, 7} {
			document := aStoredDocument()
			document["meta"].(obj)["revision"] = revision
			if err := cache.Offer(encodePlain(t, document), ""); err != nil {
				t.Fatal(err)
			}
		}
		if revision, n := cache.Current().Revision, cache.Stats().Publishes; revision != 7 || n != 2 {
			t.Errorf("revision %d after %d publishes, want 7 after 2", revision, n)
		}
	})
}

// Whatever a tier returns: no crash, and nothing is shown that breaks the promises of Snapshot.
func FuzzStoredDocument(f *testing.F) {
	document := aStoredDocument()
	valid, err := json.Marshal(document)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(valid)
	f.Add(valid[:len(valid)/2])
	f.Add(bytes.Replace(valid, []byte(`"open":1`), []byte(`"open":"</script>`+"\u2028"+`"`), 1))
	f.Add([]byte(`{"timestamp":"2026-01-02T15:04:04Z","meta":{"version":4,"revision":1,"as_of":"2026-01-02T15:04:04Z","sections":null},"shop":{"orders":null,"stock":null}}`))
	f.Add([]byte(`{"meta":{"sections":{"a":{"took_ms":1e300,"every_ms":9223372036854775807}}}}`))
	f.Add([]byte("\x00\xff"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		cache := snapshot.NewCache(snapshot.CacheOptions{})
		snapshot.SetPaths(cache, "shop.orders", "shop.stock")
		err := cache.Offer(doc, "")
		s := cache.Current()
		if err != nil {
			if !errors.Is(err, snapshot.ErrCorrupt) || s != nil {
				t.Errorf("Offer() = %v, shown %v", err, s != nil)
			}
			return
		}
		wantSafe(t, s.JSON)
		if len(s.JSON) > link.DefaultMaxBytes || s.Revision == 0 || s.AsOf.After(s.At) || s.At.After(time.Now().Add(2*time.Minute)) {
			t.Errorf("%d bytes, revision %d, at %v as of %v", len(s.JSON), s.Revision, s.At, s.AsOf)
		}
		again := snapshot.NewCache(snapshot.CacheOptions{})
		snapshot.SetPaths(again, "shop.orders", "shop.stock")
		if err := again.Offer(s.JSON, ""); err != nil || again.Current().ETag != s.ETag {
			t.Errorf("what is served is not accepted: %v", err)
		}
		if _, err := fmt.Sscanf(s.ETag, `"%32x"`, new([]byte)); err != nil {
			t.Errorf("ETag %s: %v", s.ETag, err)
		}
	})
}
