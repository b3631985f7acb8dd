package snapshot_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/snapshot/link"
	"github.com/agentos/agentos/snapshot/snapshottest"
)

// ask sends one request to a handler.
func ask(handler http.Handler, method string, header http.Header) *http.Response {
	r := httptest.NewRequest(method, "/", http.NoBody)
	r.Header = header
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w.Result()
}

func bodyOf(t *testing.T, r *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestHandlerServesTheDocument(t *testing.T) {
	cache := warmCache(t)
	handler := snapshot.NewHandler(cache, "agentos")
	s := cache.Current()
	common := map[string]string{
		"Cache-Control": "private, no-cache", "Age": "0", "Content-Type": "application/json",
	}
	t.Run("identity", func(t *testing.T) {
		r := ask(handler, "GET", nil)
		wantHeader(t, r, common)
		wantHeader(t, r, map[string]string{"Etag": s.ETag, "Content-Encoding": "", "Content-Length": strconv.Itoa(len(s.JSON)), "Server-Timing": "memory;dur=0", "Vary": "Accept-Encoding"})
		if r.StatusCode != 200 || bodyOf(t, r) != string(s.JSON) {
			t.Errorf("status %d", r.StatusCode)
		}
		if got := r.Header.Get("Cache-Status"); !regexp.MustCompile(`^agentos; hit; ttl=(299|300); detail=memory$`).MatchString(got) {
			t.Errorf("Cache-Status: %s", got)
		}
	})
	t.Run("gzip", func(t *testing.T) {
		r := ask(handler, "GET", http.Header{"Accept-Encoding": {"gzip"}})
		wantHeader(t, r, common)
		wantHeader(t, r, map[string]string{"Content-Encoding": "gzip", "Content-Length": strconv.Itoa(len(s.Gzip))})
		if r.Header.Get("Etag") == s.ETag {
			t.Error("two representations have the same strong tag")
		}
		if len(r.Header) != 7 {
			t.Errorf("%d headers: more than eight make net/http's maps grow, and a handler around this one may add one", len(r.Header))
		}
		reader, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(reader); err != nil || string(body) != string(s.JSON) {
			t.Errorf("%d bytes, %v", len(body), err)
		}
	})
	t.Run("HEAD", func(t *testing.T) {
		r := ask(handler, "HEAD", nil)
		wantHeader(t, r, common)
		wantHeader(t, r, map[string]string{"Etag": s.ETag, "Content-Length": strconv.Itoa(len(s.JSON)), "Vary": "Accept-Encoding"})
		if body := bodyOf(t, r); r.StatusCode != 200 || body != "" {
			t.Errorf("status %d, %d bytes", r.StatusCode, len(body))
		}
	})
	t.Run("POST", func(t *testing.T) {
		r := ask(handler, "POST", nil)
		wantHeader(t, r, map[string]string{"Allow": "GET, HEAD", "Content-Type": "application/problem+json"})
		if r.StatusCode != 405 {
			t.Errorf("status %d", r.StatusCode)
		}
	})
	t.Run("another name", func(t *testing.T) {
		r := ask(snapshot.NewHandler(cache, "shop"), "GET", nil)
		if got := r.Header.Get("Cache-Status"); !strings.HasPrefix(got, "shop; hit") {
			t.Errorf("Cache-Status: %s", got)
		}
	})
	t.Run("a varying wrapper", func(t *testing.T) {
		wrapped := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Vary", "Cookie")
			handler.ServeHTTP(w, r)
		})
		if got := ask(wrapped, "GET", nil).Header["Vary"]; !slices.Equal(got, []string{"Cookie", "Accept-Encoding"}) {
			t.Errorf("Vary: %q", got)
		}
	})
}

func wantHeader(t *testing.T, r *http.Response, want map[string]string) {
	t.Helper()
	for key, value := range want {
		if got := r.Header.Get(key); got != value {
			t.Errorf("%s: %q, want %q", key, got, value)
		}
	}
}

func TestHandlerAnswersConditionalRequests(t *testing.T) {
	cache := warmCache(t)
	handler := snapshot.NewHandler(cache, "agentos")
	plain := cache.Current().ETag
	zipped := ask(handler, "GET", http.Header{"Accept-Encoding": {"gzip"}}).Header.Get("Etag")
	cases := []struct {
		tags   []string
		status int
		tag    string
	}{
		{[]string{plain}, 304, plain},
		{[]string{zipped}, 304, zipped},
		{[]string{"W/" + plain}, 304, plain},
		{[]string{`"other", W/"x,y" ,` + zipped}, 304, zipped},
		{[]string{`"other"`, plain}, 304, plain},
		{[]string{"*"}, 304, plain},
		{[]string{`"other"`}, 200, plain},
		{[]string{``}, 200, plain},
		{[]string{strings.Trim(plain, `"`)}, 200, plain},
		{[]string{`"` + plain}, 200, plain},
		{[]string{`W/`, `,,`, `"`, plain + `"`}, 304, plain},
	}
	for _, c := range cases {
		r := ask(handler, "GET", http.Header{"If-None-Match": c.tags})
		if r.StatusCode != c.status || r.Header.Get("Etag") != c.tag {
			t.Errorf("If-None-Match: %q: %d %s, want %d %s", c.tags, r.StatusCode, r.Header.Get("Etag"), c.status, c.tag)
		}
		if c.status == 304 {
			wantHeader(t, r, map[string]string{"Content-Length": "", "Content-Type": "", "Vary": "Accept-Encoding", "Cache-Control": "private, no-cache", "Age": "0"})
		}
	}
}

// Each rung shows in the headers, in the syntax of RFC 9211.
func TestHandlerReportsTheRung(t *testing.T) {
	bubble(t, func(t *testing.T) {
		shelf := snapshottest.NewMemory("shelf")
		s, source := section("a")
		open := func() *snapshot.Handler {
			cache, _ := newWarmer(t, snapshot.CacheOptions{Tiers: []snapshot.Tier{shelf}}, snapshot.WarmerOptions{}, s)
			return snapshot.NewHandler(cache, "agentos")
		}
		source.Delay(120 * time.Millisecond)
		handler := open()
		wantHeader(t, ask(handler, "GET", nil), map[string]string{"Cache-Status": "agentos; fwd=miss; stored; ttl=15; detail=rebuild", "Server-Timing": "rebuild;dur=120.0", "Age": "0"})
		pass(4 * time.Second)
		wantHeader(t, ask(handler, "GET", nil), map[string]string{"Cache-Status": "agentos; hit; ttl=11; detail=memory", "Server-Timing": "memory;dur=0", "Age": "4"})
		wantHeader(t, ask(open(), "GET", nil), map[string]string{"Cache-Status": "agentos; hit; ttl=11; detail=tier:shelf", "Server-Timing": "tier-shelf;dur=0.0", "Age": "4"})
		source.Fail(errors.New("down"))
		pass(400 * time.Second)
		wantHeader(t, ask(handler, "GET", nil), map[string]string{"Cache-Status": "agentos; hit; ttl=-389; detail=last-good", "Age": "404"})
		pass(time.Second)
		wantHeader(t, ask(open(), "GET", nil), map[string]string{"Cache-Status": "agentos; hit; ttl=-391; detail=last-good", "Age": "405"})
	})
}

func TestHandlerSaysWhatToDoWhenThereIsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, source := section("a")
		source.Fail(errors.New("secret host db-7 is down"))
		cache, _ := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, s)
		handler := snapshot.NewHandler(cache, "agentos")
		r := ask(handler, "GET", nil)
		wantHeader(t, r, map[string]string{"Retry-After": "5", "Content-Type": "application/problem+json", "Cache-Control": "no-store"})
		var problem struct {
			Type, Title, Detail string
			Status              int
		}
		body := bodyOf(t, r)
		if err := json.Unmarshal([]byte(body), &problem); err != nil || r.StatusCode != 503 || problem.Status != 503 || problem.Title != "Service Unavailable" {
			t.Errorf("%d %s: %v", r.StatusCode, body, err)
		}
		if !strings.Contains(problem.Detail, "Ask again in 5 seconds") || strings.Contains(body, "secret") {
			t.Errorf("detail: %s", problem.Detail)
		}
		source.Mend()
		pass(time.Second)
		if r := ask(handler, "GET", nil); r.StatusCode != 200 {
			t.Errorf("mended: %d", r.StatusCode)
		}
	})
}

// The hot path takes no lock: it answers while every lock of the package is held, alone and in a group.
func TestHotPathTakesNoLock(t *testing.T) {
	for _, grouped := range []bool{false, true} {
		t.Run(fmt.Sprint("in a group ", grouped), func(t *testing.T) {
			bubble(t, func(t *testing.T) { hotPathTakesNoLock(t, grouped) }) // no time passes while requests are answered, so that nothing else looks into a tier
		})
	}
}

func hotPathTakesNoLock(t *testing.T, grouped bool) {
	shelf, hub := snapshottest.NewMemory("shelf"), snapshottest.NewHub("hub")
	conn := hub.Link("p")
	s, source := section("a")
	cache, warmer := newWarmer(t, snapshot.CacheOptions{Tiers: []snapshot.Tier{shelf, conn}},
		snapshot.WarmerOptions{Interval: time.Hour}, s)
	var group *snapshot.Group
	if grouped {
		group = runGroup(t, cache, warmer, conn)
	} else if err := warmer.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	handler := snapshot.NewHandler(cache, "agentos")
	tag := cache.Current().ETag
	collected := source.Calls()
	loads, stores := shelf.Calls()
	if stores == 0 {
		t.Fatal("nothing was stored")
	}

	unlock := snapshot.LockAll(cache, warmer, group)
	var viewers sync.WaitGroup
	for range 64 {
		viewers.Go(func() {
			for range 100 {
				for _, header := range []http.Header{nil, {"Accept-Encoding": {"gzip"}}, {"If-None-Match": {tag}}} {
					if r := ask(handler, "GET", header); r.StatusCode != 200 && r.StatusCode != 304 {
						t.Errorf("status %d", r.StatusCode)
					}
				}
			}
		})
	}
	viewers.Wait()
	unlock()
	if l, s := shelf.Calls(); source.Calls() != collected || l != loads || s != stores {
		t.Error("a request reached a source or a tier")
	}
	if hits := cache.Stats().Hits["memory"]; hits != 64*300 {
		t.Errorf("%d hits from memory counted", hits)
	}
}

// runGroup runs a group to the test's end, and returns when it has published.
func runGroup(tb testing.TB, cache *snapshot.Cache, warmer *snapshot.Warmer, links ...link.Link) *snapshot.Group {
	tb.Helper()
	group := snapshot.NewGroup(cache, warmer, links)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- group.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Errorf("Run() = %v", err)
		}
	})
	before := cache.Current()
	for s := range cache.Watch(ctx) {
		if s != before && snapshot.HasHeartbeat(cache) {
			break
		}
	}
	return group
}

// Nobody waits for a lock under 64 busy viewers, as the runtime's own profile of lock contention says.
func TestHotPathHasNoContention(t *testing.T) {
	handler := snapshot.NewHandler(warmCache(t), "agentos")
	old := runtime.SetMutexProfileFraction(1)
	defer runtime.SetMutexProfileFraction(old)
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.Header = http.Header{"Accept-Encoding": {"gzip"}}
	var viewers sync.WaitGroup
	for range 64 {
		viewers.Go(func() {
			w := &nullWriter{header: make(http.Header)}
			for range 2000 {
				clear(w.header)
				handler.ServeHTTP(w, r)
			}
		})
	}
	viewers.Wait()
	records := make([]runtime.BlockProfileRecord, 10_000)
	n, ok := runtime.MutexProfile(records)
	if !ok {
		t.Fatalf("the profile has %d records", n)
	}
	for _, record := range records[:n] {
		if stack := stackOf(record); strings.Contains(stack, "snapshot.(*Handler)") && strings.Contains(stack, "sync.(") {
			t.Errorf("the hot path waits for a lock:\n%s", stack)
		}
	}
}

func stackOf(record runtime.BlockProfileRecord) string {
	var stack strings.Builder
	frames := runtime.CallersFrames(record.Stack())
	for {
		frame, more := frames.Next()
		stack.WriteString(frame.Function + "\n")
		if !more {
			return stack.String()
		}
	}
}

func TestHotPathAllocatesNothing(t *testing.T) {
	for _, grouped := range []bool{false, true} {
		cache := warmCache(t)
		if grouped {
			cache = groupedCache(t)
		}
		handler := snapshot.NewHandler(cache, "agentos")
		for name, header := range map[string]http.Header{
			"gzip":         {"Accept-Encoding": {"gzip, deflate, br, zstd"}},
			"identity":     {},
			"not modified": {"If-None-Match": {`"other", W/` + cache.Current().ETag}},
		} {
			r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
			r.Header = header
			w := &nullWriter{header: make(http.Header)}
			n := testing.AllocsPerRun(1000, func() {
				clear(w.header)
				handler.ServeHTTP(w, r)
			})
			if n != 0 {
				t.Errorf("%s, in a group %v: %v allocations", name, grouped, n)
			}
		}
	}
}
