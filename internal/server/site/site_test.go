package site

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/ui"
)

func TestLoadRefusesAnUnbuiltDashboard(t *testing.T) {
	for name, ui := range map[string]fstest.MapFS{
		"nothing":    {},
		"no mark":    {"index.html": {Data: []byte("<html>")}},
		"login only": {"login.html": {Data: []byte(htmlTag + errorMark)}},
	} {
		if _, err := Load(ui, ""); err == nil || !strings.Contains(err.Error(), "make generate") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAcceptsGzip(t *testing.T) {
	for value, want := range map[string]bool{
		"": false, "gzip": true, "br, gzip": true, "deflate,GZIP;q=0.5": true, "gzip;q=0": false, "gzip; q=0.0": false, "*": true, "br": false, "*;q=0": false,
	} {
		if got := acceptsGzip(map[string][]string{"Accept-Encoding": {value}}); got != want {
			t.Errorf("acceptsGzip(%q) = %v", value, got)
		}
	}
}

// Deflate blocks made apart are joined by hand: what comes out must be what went in, for sizes around a block's limit.
func TestPackedPageUnpacks(t *testing.T) {
	var p packedPage
	head, after := []byte(htmlTag+"head"), []byte("after</html>")
	p.init(themed(head), after)
	for _, size := range []int{0, 1, 70_000, 131_070} {
		block := bytes.Repeat([]byte("b"), size)
		for _, doc := range []*snapshot.Snapshot{nil, {JSON: bytes.Repeat([]byte(`{"a":1}`), 9000)}} {
			packed := p.assemble(0, bytes.Clone(block), doc)
			z, err := gzip.NewReader(bytes.NewReader(packed))
			must(t, err)
			got, err := io.ReadAll(z)
			must(t, err)
			want := string(head) + string(block) + string(snapshotOpen) + string(documentText(doc)) + string(scriptClose) + string(after)
			if string(got) != want {
				t.Errorf("block of %d: %d bytes, want %d", size, len(got), len(want))
			}
		}
	}
}

// The dashboard that is built into the binary has the marks and its entry assets.
func TestBuiltDashboardFits(t *testing.T) {
	built, err := Load(ui.Dist(), "")
	must(t, err)
	scripts := regexp.MustCompile(`"(/assets/[^"]+\.js)"`).FindAllSubmatch(built.head[0], -1)
	if len(scripts) == 0 {
		t.Fatalf("index.html names no scripts: %s", built.head[0])
	}
	for _, m := range scripts {
		if built.File(string(m[1])) == nil {
			t.Errorf("index.html names %s, which is not there", m[1])
		}
	}
	if strings.Contains(built.Policy[0], "unsafe") {
		t.Error("the policy lets any inline code run")
	}
	for _, html := range []string{string(built.head[0]) + string(built.after), string(built.login[0])} {
		if strings.Contains(html, " style=") || !strings.Contains(html, "<style>") || strings.Contains(html, `rel="stylesheet"`) {
			t.Error("a page has style attributes, which the policy forbids, or asks for a stylesheet before it is shown")
		}
	}
}

// Joined is what a page costs; whole is what it would cost to compress it.
func BenchmarkPage(b *testing.B) {
	doc := &snapshot.Snapshot{JSON: typical()}
	var p packedPage
	p.init(themed([]byte("<html>")), []byte("</html>"))
	block := make([]byte, 200)
	b.Run("joined", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p.assemble(0, block, doc)
		}
	})
	b.Run("whole", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			deflate(doc.JSON, true)
		}
	})
}

// typical is JSON of the size and the redundancy of a document.
func typical() []byte {
	var text bytes.Buffer
	for i := range 600 {
		fmt.Fprintf(&text, `{"agent":"agent-%d","state":"completed","took_ms":%d,"finished_at":"2026-01-02T15:%02d:%02dZ"},`, i%11, i*i%7919, i/60, i%60)
	}
	return text.Bytes()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
