package snapshot_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/snapshot/internal/jsonpatch"
	"github.com/agentos/agentos/snapshot/snapshottest"
)

// deadline is how long a test waits for what must come soon.
const deadline = 20 * time.Second

// A panel is a document whose one section changes at will, and its stream behind a real server.
type panel struct {
	t      *testing.T
	cache  *snapshot.Cache
	warmer *snapshot.Warmer
	source *snapshottest.Source
	stream *snapshot.Stream
	server *httptest.Server
	cancel func(error) // ends all requests with a cause
}

func newPanel(t *testing.T, opts snapshot.StreamOptions) *panel {
	t.Helper()
	section, source := section("a")
	still := snapshot.Section{Name: "still", Collect: snapshottest.NewSource(obj{"text": strings.Repeat("this does not change. ", 100)}).Collect}
	p := &panel{t: t, source: source}
	p.cache, p.warmer = newWarmer(t, snapshot.CacheOptions{History: 4}, snapshot.WarmerOptions{}, section, still)
	p.stream = snapshot.NewStream(p.cache, opts)
	ctx, cancel := context.WithCancelCause(context.Background())
	p.cancel = cancel
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		joined, end := context.WithCancelCause(r.Context())
		defer end(nil)
		defer context.AfterFunc(ctx, func() { end(context.Cause(ctx)) })()
		p.stream.ServeHTTP(w, r.WithContext(joined))
	}))
	t.Cleanup(func() {
		p.stream.Close(snapshot.EndShutdown)
		p.server.Close()
		cancel(nil)
	})
	p.publish(0)
	return p
}

// publish publishes a document with a new value and returns its revision.
func (p *panel) publish(n int) uint64 {
	p.t.Helper()
	p.source.Return(obj{"n": n})
	if err := p.warmer.Refresh(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	return p.cache.Current().Revision
}

// A viewer reads a stream as a browser does, and keeps the document up to date.
type viewer struct {
	t        *testing.T
	response *http.Response
	lines    *bufio.Reader
	doc      []byte
	revision uint64
}

// view connects with the headers given as "Name: value" and an optional query.
func (p *panel) view(query string, headers ...string) *viewer {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	p.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.server.URL+query, http.NoBody)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, header := range headers {
		if name, value, ok := strings.Cut(header, ": "); ok {
			r.Header.Set(name, value)
		}
	}
	if r.Header.Get("Accept-Encoding") == "" {
		r.Header.Set("Accept-Encoding", "identity")
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { response.Body.Close() })
	v := &viewer{t: p.t, response: response, lines: bufio.NewReader(response.Body)}
	if response.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(v.lines)
		if err != nil {
			p.t.Fatal(err)
		}
		v.lines = bufio.NewReader(unzipped)
	}
	return v
}

// An event is one server-sent event.
type event struct{ kind, id, data string }

func (v *viewer) next() event {
	v.t.Helper()
	e, err := v.read()
	if err != nil {
		v.t.Fatal(err)
	}
	return e
}

func (v *viewer) read() (e event, err error) {
	for {
		line, err := v.lines.ReadString('\n')
		if err != nil {
			return e, err
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "event":
			e.kind = value
		case "id":
			e.id = value
		case "data":
			e.data = value
		case "":
			if e.kind != "" {
				return e, nil
			}
		}
	}
}

// follow reads events until the viewer has a revision, and returns their kinds.
func (v *viewer) follow(revision uint64) (kinds []string) {
	v.t.Helper()
	for v.revision != revision {
		e := v.next()
		kinds = append(kinds, e.kind)
		switch e.kind {
		case "snapshot":
			v.doc = []byte(e.data)
			v.revision, _ = strconv.ParseUint(e.id, 10, 64)
		case "patch":
			v.apply(e)
		}
	}
	return kinds
}

func (v *viewer) apply(e event) {
	v.t.Helper()
	var p struct {
		From, To uint64
		Patch    json.RawMessage
	}
	if err := json.Unmarshal([]byte(e.data), &p); err != nil {
		v.t.Fatal(err)
	}
	if p.From != v.revision || fmt.Sprint(p.To) != e.id {
		v.t.Fatalf("patch from %d to %d with id %s reached a viewer at %d", p.From, p.To, e.id, v.revision)
	}
	doc, err := jsonpatch.Apply(v.doc, p.Patch)
	if err != nil {
		v.t.Fatal(err)
	}
	v.doc, v.revision = doc, p.To
}

// wantDocument checks that the viewer has the current document, nulls apart.
func (p *panel) wantDocument(v *viewer) {
	p.t.Helper()
	got, want := bare(decodeExact(p.t, string(v.doc))), bare(decodeExact(p.t, string(p.cache.Current().JSON)))
	if !reflect.DeepEqual(got, want) {
		p.t.Errorf("the viewer has %s, want %s", v.doc, p.cache.Current().JSON)
	}
}

// Full state on connecting, then a patch right after each publish, with and without compression.
func TestStreamFollowsTheDocument(t *testing.T) {
	for _, encoding := range []string{"identity", "gzip"} {
		t.Run(encoding, func(t *testing.T) {
			p := newPanel(t, snapshot.StreamOptions{})
			v := p.view("", "Accept-Encoding: "+encoding)
			wantHeader(t, v.response, map[string]string{
				"Content-Type": "text/event-stream", "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding", "X-Accel-Buffering": "no",
			})
			if kinds := v.follow(p.cache.Current().Revision); len(kinds) != 1 || kinds[0] != "snapshot" {
				t.Fatalf("first came %q", kinds)
			}
			for n := range 20 {
				revision := p.publish(n)
				if kinds := v.follow(revision); len(kinds) != 1 || kinds[0] != "patch" {
					t.Fatalf("after publish %d came %q", n, kinds)
				}
				p.wantDocument(v)
			}
			p.stream.Close(snapshot.EndShutdown)
			if e := v.next(); e != (event{"end", "", `{"reason":"shutdown"}`}) {
				t.Errorf("at the end came %+v", e)
			}
			if rest, err := io.ReadAll(v.lines); err != nil || len(rest) > 0 { // a gzip stream with a wrong sum fails here
				t.Errorf("after the end came %q, %v", rest, err)
			}
		})
	}
}

// A viewer says what it has, by header or query, and gets only what it lacks.
func TestStreamResumes(t *testing.T) {
	p := newPanel(t, snapshot.StreamOptions{})
	var revisions []uint64
	var docs [][]byte
	for n := range 8 {
		revisions = append(revisions, p.publish(n))
		docs = append(docs, p.cache.Current().JSON)
	}
	current := revisions[7]
	cases := []struct {
		name, query, header string
		has                 int // index of the revision the viewer has
		want                string
	}{
		{"one behind", "", "Last-Event-ID: " + fmt.Sprint(revisions[6]), 6, "patch"},
		{"as far back as is held", "?revision=" + fmt.Sprint(revisions[3]), "", 3, "patch patch patch patch"},
		{"header before query", "?revision=1", "Last-Event-ID: " + fmt.Sprint(revisions[5]), 5, "patch patch"},
		{"too far back", "?revision=" + fmt.Sprint(revisions[2]), "", 0, "snapshot"},
		{"never existed", "?revision=7", "", 0, "snapshot"},
		{"from the future", "?revision=" + fmt.Sprint(current+10), "", 0, "beat snapshot"}, // after some time: it may come
		{"nonsense", "?revision=x", "Last-Event-ID: -1", 0, "snapshot"},
		{"none", "", "", 0, "snapshot"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			v := p.view(c.query, c.header)
			v.t, v.doc, v.revision = t, docs[c.has], revisions[c.has]
			if got := strings.Join(v.follow(current), " "); got != c.want {
				t.Errorf("came %q, want %q", got, c.want)
			}
			p.wantDocument(v)
		})
	}
	t.Run("nothing missed", func(t *testing.T) {
		v := p.view("?revision=" + fmt.Sprint(current))
		if e := v.next(); e.kind != "beat" || !strings.HasPrefix(e.data, `{"revision":`+fmt.Sprint(current)+`,"now":"2`) {
			t.Errorf("came %+v, want a beat at once", e)
		}
	})
	if n := p.stream.Stats().Resumed; n != 4 {
		t.Errorf("%d resumed counted, want 4", n)
	}
}

// A viewer comes from a replica that is ahead: it is not sent back, but kept waiting until this one has caught up.
func TestStreamCatchesUp(t *testing.T) {
	for _, inHeader := range []bool{true, false} {
		a, b := newPanel(t, snapshot.StreamOptions{}), newPanel(t, snapshot.StreamOptions{})
		published := func(n int) (revision uint64, doc []byte) {
			return a.publish(n), a.cache.Current().JSON
		}
		_, first := published(1)
		mustOffer(t, b.cache, first)
		second, doc := published(2)
		query, header := "?revision="+fmt.Sprint(second), ""
		if inHeader {
			query, header = "?revision=1", "Last-Event-ID: "+fmt.Sprint(second)
		}
		v := b.view(query, header)
		v.doc, v.revision = doc, second
		if e := v.next(); e.kind != "beat" || !strings.Contains(e.data, fmt.Sprint(b.cache.Current().Revision)) {
			t.Errorf("came %+v, want a beat at once, which says where this replica is", e)
		}
		mustOffer(t, b.cache, doc)
		if e := v.next(); e.kind != "beat" || !strings.Contains(e.data, fmt.Sprint(second)) {
			t.Errorf("came %+v, want a beat now that both have the same", e)
		}
		third, doc := published(3)
		mustOffer(t, b.cache, doc)
		if kinds := v.follow(third); len(kinds) != 1 || kinds[0] != "patch" {
			t.Errorf("came %v, want a patch", kinds)
		}
		b.wantDocument(v)
		if n := b.stream.Stats().Resumed; n != 1 {
			t.Errorf("%d resumed counted, want 1", n)
		}
	}
}

// The replica catches up with a document that is newer still, and several steps at once: what fits nothing is sent whole.
func TestStreamCatchesUpBeyond(t *testing.T) {
	a, b := newPanel(t, snapshot.StreamOptions{}), newPanel(t, snapshot.StreamOptions{})
	second := a.publish(2)
	for n := 3; second <= b.cache.Current().Revision; n++ { // revisions are times, and b's may be that of the same moment
		second = a.publish(n)
	}
	v := b.view("?revision=" + fmt.Sprint(second))
	v.revision = second
	if e := v.next(); e.kind != "beat" {
		t.Errorf("came %+v, want a beat", e)
	}
	third := a.publish(1000)
	mustOffer(t, b.cache, a.cache.Current().JSON)
	if kinds := v.follow(third); len(kinds) != 1 || kinds[0] != "snapshot" {
		t.Errorf("came %v, want the whole document", kinds)
	}
	b.wantDocument(v)
}

// While a subscriber waits for its replica the stream can end as always.
func TestStreamEndsWhileItCatchesUp(t *testing.T) {
	p := newPanel(t, snapshot.StreamOptions{})
	v := p.view("?revision=" + fmt.Sprint(p.cache.Current().Revision+1000))
	v.next()
	p.cancel(snapshot.EndSession)
	if e := v.next(); e.kind != "end" || !strings.Contains(e.data, "session") {
		t.Errorf("came %+v, want the end", e)
	}
}

func TestStreamBeats(t *testing.T) {
	p := newPanel(t, snapshot.StreamOptions{Beat: 20 * time.Millisecond})
	v := p.view("", "Accept-Encoding: gzip")
	v.follow(p.cache.Current().Revision)
	for range 5 {
		e := v.next()
		var beat struct {
			Revision uint64
			Now      time.Time
		}
		if err := json.Unmarshal([]byte(e.data), &beat); e.kind != "beat" || e.id != "" || err != nil || beat.Revision != v.revision || time.Since(beat.Now) > deadline {
			t.Errorf("came %+v, %v", e, err)
		}
	}
}

// A viewer whose session ends is sent the reason; one who leaves is not waited for.
func TestStreamEndsWithTheRequest(t *testing.T) {
	p := newPanel(t, snapshot.StreamOptions{})
	v, leaver := p.view(""), p.view("")
	v.follow(p.cache.Current().Revision)
	leaver.follow(p.cache.Current().Revision)
	leaver.response.Body.Close()
	p.eventually(func() bool { return p.stream.Stats().Subscribers == 1 })
	p.cancel(fmt.Errorf("revoked: %w", snapshot.EndSession))
	if e := v.next(); e.kind != "end" || e.data != `{"reason":"session"}` {
		t.Errorf("came %+v", e)
	}
	p.eventually(func() bool { return p.stream.Stats().Subscribers == 0 })
}

// eventually waits for a condition to become true, looking whenever something is published.
func (p *panel) eventually(condition func() bool) {
	p.t.Helper()
	deadline := time.After(deadline)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			p.t.Fatalf("it did not come to pass: %+v", p.stream.Stats())
		}
	}
}

// A viewer who does not read holds up nobody, skips to the latest when it reads on, and is dropped when it never does.
func TestStreamDropsWhoDoesNotRead(t *testing.T) {
	p := newPanel(t, snapshot.StreamOptions{WriteTimeout: 300 * time.Millisecond})
	conn, err := net.Dial("tcp", p.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	p.eventually(func() bool { return p.stream.Stats().Subscribers == 1 })

	v := p.view("")
	text := strings.Repeat("incompressible? it does not matter, this viewer takes it plain. ", 500)
	for n := 0; p.stream.Stats().Dropped == 0; n++ {
		p.source.Return(obj{"n": n, "text": fmt.Sprint(n, text)})
		if err := p.warmer.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		v.follow(p.cache.Current().Revision)
		if n > 10_000 {
			t.Fatal("the viewer who does not read is still there")
		}
	}
	p.wantDocument(v)
	if stats := p.stream.Stats(); stats.Subscribers != 1 || stats.Dropped != 1 {
		t.Errorf("%+v", stats)
	}
}

func TestStreamRefuses(t *testing.T) {
	t.Run("too many", func(t *testing.T) {
		p := newPanel(t, snapshot.StreamOptions{MaxSubscribers: 1})
		v := p.view("")
		v.follow(p.cache.Current().Revision)
		r := p.view("").response
		if wantHeader(t, r, map[string]string{"Retry-After": "5", "Content-Type": "application/problem+json"}); r.StatusCode != 503 {
			t.Errorf("status %d", r.StatusCode)
		}
		v.response.Body.Close()
		p.eventually(func() bool { return p.stream.Stats().Subscribers == 0 })
		if r := p.view("").response; r.StatusCode != 200 {
			t.Errorf("status %d after the first has left", r.StatusCode)
		}
	})
	t.Run("closed", func(t *testing.T) {
		p := newPanel(t, snapshot.StreamOptions{})
		p.stream.Close(snapshot.EndShutdown)
		p.stream.Close("again")
		if r := p.view("").response; r.StatusCode != 503 {
			t.Errorf("status %d", r.StatusCode)
		}
	})
	t.Run("no document", func(t *testing.T) {
		s, source := section("a")
		source.Fail(errors.New("down"))
		cache, _ := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, s)
		if r := ask(snapshot.NewStream(cache, snapshot.StreamOptions{}), "GET", nil); r.StatusCode != 503 {
			t.Errorf("status %d", r.StatusCode)
		}
	})
	t.Run("POST", func(t *testing.T) {
		p := newPanel(t, snapshot.StreamOptions{})
		if r := ask(p.stream, "POST", nil); r.StatusCode != 405 || r.Header.Get("Allow") != "GET" {
			t.Errorf("status %d", r.StatusCode)
		}
	})
}

// Many viewers, some with and some without compression, while documents come: all of them end with the same document.
func TestStreamServesMany(t *testing.T) {
	p := newPanel(t, snapshot.StreamOptions{})
	const many = 60
	viewers := make([]*viewer, many)
	for i := range viewers {
		viewers[i] = p.view("", "Accept-Encoding: "+[]string{"gzip", "identity"}[i%2])
	}
	var reading sync.WaitGroup
	last := make(chan uint64, many)
	for _, v := range viewers {
		reading.Go(func() {
			for v.follow(nextRevision(v)); ; v.follow(nextRevision(v)) {
				if strings.Contains(string(v.doc), `"n":29}`) {
					last <- v.revision
					return
				}
			}
		})
	}
	for n := range 30 {
		p.publish(n)
	}
	reading.Wait()
	for range many {
		if revision := <-last; revision != p.cache.Current().Revision {
			t.Errorf("a viewer ended at revision %d", revision)
		}
	}
	for _, v := range viewers {
		p.wantDocument(v)
	}
}

// nextRevision reads one event that moves the viewer and returns where to.
func nextRevision(v *viewer) uint64 {
	for {
		e := v.next()
		switch e.kind {
		case "snapshot":
			v.doc = []byte(e.data)
			v.revision, _ = strconv.ParseUint(e.id, 10, 64)
			return v.revision
		case "patch":
			v.apply(e)
			return v.revision
		}
	}
}

// When patches are more than the whole document, the whole document is sent.
func TestStreamSendsWhatIsSmaller(t *testing.T) {
	p := newPanel(t, snapshot.StreamOptions{})
	v := p.view("")
	v.follow(p.cache.Current().Revision)
	publish := func(value any) uint64 {
		p.source.Return(value)
		if err := p.warmer.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		return p.cache.Current().Revision
	}
	many := obj{}
	for i := range 2000 {
		many[fmt.Sprint("key", i)] = 1
	}
	cases := []struct {
		name  string
		value any
		want  string
	}{
		{"many new members", many, "patch"},
		{"all of them gone", obj{}, "snapshot"},
		{"one new member", obj{"n": 1}, "patch"},
	}
	for _, c := range cases {
		if got := strings.Join(v.follow(publish(c.value)), " "); got != c.want {
			t.Errorf("%s: came %q, want %q", c.name, got, c.want)
		}
		p.wantDocument(v)
	}
	behind := p.cache.Current().Revision
	publish(obj{"x": strings.Repeat("x", 10_000)})
	publish(obj{"y": strings.Repeat("y", 10_000)})
	late := p.view("?revision=" + fmt.Sprint(behind))
	if got := strings.Join(late.follow(p.cache.Current().Revision), " "); got != "snapshot" {
		t.Errorf("two large patches behind: came %q, want the document, which is smaller", got)
	}
}
