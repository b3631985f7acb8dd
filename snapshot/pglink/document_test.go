package pglink_test

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/snapshot/link"
)

// The row can hold anything that its types allow: a link comes to terms with it.
func TestAnythingInTheRowIsOverwritten(t *testing.T) {
	config := configOf(t, dbtest.PostgresURL(t))
	next := documents(t)
	for _, c := range []struct {
		name, set string
		args      []any
	}{
		{"the largest of all", `revision = 9223372036854775807, token = 9223372036854775807, rank = 2147483647, lease_until = 'infinity'`, nil},
		{"the smallest of all", `revision = -9223372036854775808, token = -9223372036854775808, rank = -2147483648, lease_until = '-infinity'`, nil},
		{"a lease of next year", `holder_id = 'x', holder = 'x', rank = 9, lease_until = now() + interval '1 year'`, nil},
		{"garbage beside a later revision", `revision = revision + 30000, doc = 'x'`, nil},
		{"nothing beside a later revision", `revision = revision + 30000, doc = null`, nil},
		{"20 MB", `doc = $1`, []any{bytes.Repeat([]byte{0}, 20<<20)}},
		{"half a document", `doc = substr(doc, 1, 1000)`, nil},
		{"a document of 20 MB", `doc = $1`, []any{gzipped(t, strings.Repeat("x", 20<<20))}},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			a, b := open(t, config, "a"), open(t, config, "b")
			was, err := a.Campaign(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			if err := a.Store(t.Context(), next()); err != nil {
				t.Fatal(err)
			}
			if err := a.Resign(t.Context()); err != nil {
				t.Fatal(err)
			}
			run(t, config, `update snapshot_document set `+c.set, c.args...)

			if doc, err := b.Load(t.Context()); err == nil && len(doc) > link.DefaultMaxBytes+2<<10 {
				t.Errorf("loaded %d bytes", len(doc))
			}
			now, err := b.Campaign(t.Context(), 1)
			if err != nil || now.Token <= was.Token {
				t.Errorf("Campaign() = %+v, %v after %+v", now, err, was)
			}
			s := next()
			if err := b.Store(t.Context(), s); err != nil {
				t.Errorf("Store() = %v", err)
			}
			if doc, err := a.Load(t.Context()); err != nil || !bytes.Equal(doc, s.JSON) {
				t.Errorf("Load() = %.40q, %v", doc, err)
			}
			kept, err := b.Campaign(t.Context(), 1)
			if err != nil || kept.Token != now.Token {
				t.Errorf("Campaign() = %+v, %v, want the token %d", kept, err, now.Token)
			}
			if err := b.Resign(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// Whoever puts JSON into the row by hand need not compress it.
func TestPlainJSONIsLoaded(t *testing.T) {
	config := configOf(t, dbtest.PostgresURL(t))
	run(t, config, `insert into snapshot_document (name, doc) values ('snapshot', '{"a": 1}')`)
	if doc, err := open(t, config, "a").Load(t.Context()); err != nil || string(doc) != `{"a": 1}` {
		t.Errorf("Load() = %q, %v", doc, err)
	}
}
