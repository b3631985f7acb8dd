package prerender

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/ui"
)

// at is when the documents of the tests were published.
var at = time.Date(2026, 11, 23, 14, 3, 7, 0, time.UTC)

// document is as small as the overview may find one: a fleet with one job at work, and nothing else collected yet.
func document(t *testing.T, args string) *snapshot.Snapshot {
	t.Helper()
	section := map[string]any{"as_of": at, "took_ms": 3, "every_ms": 5000, "error": nil, "overdue": false}
	text, err := json.Marshal(map[string]any{
		"timestamp": at,
		"meta": map[string]any{
			"revision": 7, "as_of": at, "stale": false, "fresh_ms": 15000, "interval_ms": 5000,
			"sections": map[string]any{"jobs": section, "queue": section, "system": section},
		},
		"agents_workers": map[string]any{}, "analytics": nil, "logs": nil,
		"dashboard": map[string]any{
			"system": map[string]any{"status": "healthy", "reasons": []string{}, "components": map[string]any{}, "host": "box", "process": map[string]any{"cpu": 1, "rss_bytes": 1 << 20, "goroutines": 9}, "started_at": at.Add(-time.Hour)},
			"queue":  map[string]any{"pending": 12345, "processing": 1, "retryable": 0, "items": map[string]any{}},
			"jobs": map[string]any{
				"newest": map[string]any{}, "failures": []any{},
				"running": map[string]any{"41": map[string]any{
					"id": 41, "agent": "hash", "args": args, "attempt": 1, "order": 1, "started_at": at.Add(-125 * time.Second), "created_at": at, "state": "running",
				}},
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &snapshot.Snapshot{Revision: 7, At: at, JSON: text}
}

func draw(t *testing.T, e *Engine, doc *snapshot.Snapshot) string {
	t.Helper()
	html, err := e.Draw(doc, Page{Fleet: true, Acts: true})
	if err != nil {
		t.Fatal(err)
	}
	return string(html)
}

func engine(t *testing.T) *Engine {
	t.Helper()
	e, err := NewEngine(ui.Dist())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestOverviewIsDrawnAsOfItsDocument(t *testing.T) {
	e := engine(t)
	html := draw(t, e, document(t, `{"path":"/tmp"}`))
	for what, want := range map[string]string{
		"a key figure":               "12.3k",
		"the job at work":            `href="/jobs/41"`,
		"for how long it had worked": ">2 m 05 s<",
		"the moment of the document": "as of 14:03:07 UTC",
		"what is not collected yet":  "Not collected yet.",
		"the health":                 "All systems operational.",
	} {
		if !strings.Contains(html, want) {
			t.Errorf("%s is missing: %q is not in\n%s", what, want, html)
		}
	}
	for what, unwanted := range map[string]string{
		"an attribute that the content policy forbids": " style=",
		"a date in a zone that nobody knows":           "Nov 2026",
		"a page that only administrators have":         `>Settings<`,
		"a mark for a hydration":                       "<!--",
	} {
		if strings.Contains(html, unwanted) {
			t.Errorf("there is %s: %q in\n%s", what, unwanted, html)
		}
	}
	if again := draw(t, e, document(t, `{"path":"/tmp"}`)); again != html {
		t.Errorf("drawn again it is another page:\n%s", again)
	}
}

// One section that fails does not make the server silent, nor the rest of the page old.
func TestOverviewIsDrawnWithOneSectionThatFails(t *testing.T) {
	doc := document(t, "{}")
	late := at.Add(-90 * time.Second).Format("2006-01-02T15:04:05.000Z")
	var text map[string]any
	if err := json.Unmarshal(doc.JSON, &text); err != nil {
		t.Fatal(err)
	}
	meta := text["meta"].(map[string]any)
	meta["as_of"], meta["stale"] = late, true
	meta["sections"].(map[string]any)["queue"] = map[string]any{"as_of": late, "took_ms": 3, "every_ms": 5000, "error": "no answer", "overdue": true}
	changed, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	html := draw(t, engine(t), &snapshot.Snapshot{Revision: 7, At: at, AsOf: at.Add(-90 * time.Second), Stale: true, JSON: changed})
	for _, want := range []string{"as of 14:03:07 UTC", "As of 1 m ago.", "No answer.", ">2 m 05 s<"} {
		if !strings.Contains(html, want) {
			t.Errorf("%q is not in\n%s", want, html)
		}
	}
	if strings.Contains(html, "Nothing newer") {
		t.Errorf("the server is said to collect nothing:\n%s", html)
	}
}

// A server draws for months: a drawing leaves neither memory nor state behind.
func TestDrawingsLeaveNothingBehind(t *testing.T) {
	e, doc := engine(t), document(t, "{}")
	objects := func(drawings int) int64 {
		for range drawings {
			draw(t, e, doc)
		}
		runtime.GC() // what ends in a cleanup
		runtime.GC() // is free after the next
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapObjects)
	}
	before := objects(5)
	if grown := objects(40) - before; grown > 4000 {
		t.Errorf("40 drawings left %d objects behind", grown)
	}
}

// What agents and callers write is text on the page, whatever it looks like.
func TestHostileTextStaysText(t *testing.T) {
	html := draw(t, engine(t), document(t, `</script><img src=x onerror=alert(1)>"'<!--`))
	if !strings.Contains(html, "&lt;/script>&lt;img src=x onerror=alert(1)>") || strings.Contains(html, "<img") || strings.Contains(html, "</script") {
		t.Error(html)
	}
}

func TestBrokenDocumentIsAnError(t *testing.T) {
	e := engine(t)
	for _, text := range []string{"", "{", `{"meta":{}}`} {
		if html, err := e.Draw(&snapshot.Snapshot{At: at, JSON: []byte(text)}, Page{Fleet: true, Acts: true}); err == nil {
			t.Errorf("%q became %s", text, html)
		}
	}
	draw(t, e, document(t, "{}")) // and the next one is drawn
}

func TestScriptThatCannotRun(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "no function draw",
		"let (":                              "the script that draws pages",
		"throw new Error('out of order')":    "out of order",
		"globalThis.draw = 'not a function'": "no function draw",
	} {
		_, err := NewEngine(fstest.MapFS{Script: {Data: []byte(text)}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := NewEngine(fstest.MapFS{}); err == nil {
		t.Error("a dashboard without the script is one with it")
	}
}

// naming draws what the document is.
var naming = fstest.MapFS{Script: {Data: []byte(`globalThis.draw = (doc) => { const { is } = JSON.parse(doc).system; if (is.includes("bad")) throw new Error("bad"); return "drawing of " + is }`)}}

func TestDrawerFollowsTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		value := "one"
		panel, err := snapshot.Open(t.Context(), snapshot.Options{Sections: []snapshot.Section{{
			Name: "system", Path: "system", Collect: func(context.Context) (any, error) { return map[string]string{"is": value}, nil },
		}}})
		if err != nil {
			t.Fatal(err)
		}
		publish := func(v string) {
			value = v
			if err := panel.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		var log bytes.Buffer
		d := New(Options{Panel: panel, UI: naming, Log: slog.New(slog.NewTextHandler(&log, nil))})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		shown := func(after time.Duration) string {
			time.Sleep(after)
			synctest.Wait()
			if drawing := d.Latest(); drawing != nil {
				return string(drawing.HTML)
			}
			return ""
		}

		if got := shown(time.Second); got != "" {
			t.Errorf("before there is a document: %q", got)
		}
		publish("one")
		if got := shown(head + often); got != "drawing of one" {
			t.Errorf("the first document: %q", got)
		}
		if got := shown(time.Minute); got != "drawing of one" {
			t.Errorf("the same document again: %q", got)
		}
		publish("two")
		if got := shown(often); got != "drawing of two" {
			t.Errorf("the next document: %q", got)
		}

		// Nobody asks for a page: it is drawn less often, and at once when somebody comes.
		time.Sleep(2 * awhile)
		publish("three")
		time.Sleep(seldom)
		publish("four")
		if got := shown(0); got != "drawing of three" {
			t.Errorf("to the first visitor in a while: %q", got)
		}
		if got := shown(time.Millisecond); got != "drawing of four" {
			t.Errorf("after the first visitor in a while: %q", got)
		}

		// A page that cannot be drawn is told once, and an old drawing is not shown for ever.
		publish("bad")
		if got := shown(often); got == "" {
			t.Error("the drawing before is gone at once")
		}
		publish("bad too")
		if got := shown(2 * Keep); got != "" {
			t.Errorf("an old drawing is still shown: %q", got)
		}
		if n := strings.Count(log.String(), "level=WARN"); n != 1 {
			t.Errorf("told %d times: %s", n, log.String())
		}
		publish("good")
		if got := shown(2 * often); got == "" {
			t.Error("it does not draw again")
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestDrawerWithoutAScript(t *testing.T) {
	var log bytes.Buffer
	panel, err := snapshot.Open(t.Context(), snapshot.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := New(Options{Panel: panel, UI: fstest.MapFS{}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err := d.Run(t.Context()); err != nil || d.Latest() != nil {
		t.Errorf("%v, %v", err, d.Latest())
	}
	if !strings.Contains(log.String(), "made by the browser alone") {
		t.Error(log.String())
	}
}

// What a drawing costs the server, in the background.
func BenchmarkDraw(b *testing.B) {
	e, err := NewEngine(ui.Dist())
	if err != nil {
		b.Fatal(err)
	}
	doc := document(&testing.T{}, "{}")
	var value map[string]any
	if err := json.Unmarshal(doc.JSON, &value); err != nil {
		b.Fatal(err)
	}
	running := value["dashboard"].(map[string]any)["jobs"].(map[string]any)["running"].(map[string]any)
	one := running["41"].(map[string]any)
	for i := range 30 {
		next := maps.Clone(one)
		next["id"], next["order"] = 100+i, i
		running[string(rune('a'+i))] = next
	}
	if doc.JSON, err = json.Marshal(value); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Draw(doc, Page{Fleet: true, Acts: true}); err != nil {
			b.Fatal(err)
		}
	}
}
