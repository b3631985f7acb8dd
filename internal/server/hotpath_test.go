package server

import (
	"context"
	"database/sql"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/test/processor"
)

// hotCost is the most the document may cost beyond a handler that does nothing but write the same bytes.
const hotCost = 1.15

// bare is what we are measured against.
func bare(packed []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Content-Encoding", "gzip")
		h.Set("Content-Length", strconv.Itoa(len(packed)))
		w.Write(packed)
	})
}

// typical makes the document about as large as a real one: 12 KB compressed.
func (f *fixture) typical() {
	f.t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, 22<<10)
	for i := range text {
		text[i] = "0123456789abcdef"[random.IntN(16)]
	}
	f.publish(string(text))
	if size := len(f.panel.Current().Gzip); size < 11<<10 || size > 14<<10 {
		f.t.Fatalf("the typical document has %d bytes compressed", size)
	}
}

// serve runs a server over real sockets and returns its address.
func serve(t testing.TB, web *http.Server) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	done := make(chan error, 1)
	go func() { done <- web.Serve(listener) }()
	t.Cleanup(func() {
		_ = web.Close()
		<-done
	})
	return listener.Addr().String()
}

// Over real connections, as many as a busy morning brings, with the clients in another process: process time of the server per
// request, beside a server with the same timeouts that does nothing. They take turns in rounds so short that what else the machine
// does meets both.
func TestDocumentCostsHardlyMoreThanItsBytes(t *testing.T) {
	const connections, requests = 64, 64 * 25
	rounds := 60
	if raced {
		rounds = 2
	}
	f := newFixture(t, dbtest.NewBreakable(t, db.SQLite)) // which it does not ask, as the tests below show
	f.typical()
	log := slog.New(slog.DiscardHandler)
	whole := NewHTTP(f.handler, log)
	NewConnections(10_000, log).Bound(whole)
	ours, naked := serve(t, whole), serve(t, NewHTTP(bare(f.panel.Current().Gzip), log))
	load := startLoad(t, connections, f.token(auth.RoleViewer))
	load.run(ours, requests)
	load.run(naked, requests)
	var shares []float64
	var oursTime, nakedTime []time.Duration
	for n := range rounds {
		var a, b time.Duration
		measureBare := func() { a = cpuOf(func() { load.run(naked, requests) }) / requests }
		if n%2 == 0 { // neither always comes first
			measureBare()
		}
		b = cpuOf(func() { load.run(ours, requests) }) / requests
		if n%2 == 1 {
			measureBare()
		}
		nakedTime, oursTime = append(nakedTime, a), append(oursTime, b)
		shares = append(shares, float64(b)/float64(a))
	}
	share := median(shares)
	t.Logf("server CPU per request at %d connections: bare %s, document %s, share %.3f (median of %d rounds of %d)",
		connections, median(nakedTime), median(oursTime), share, rounds, requests)
	if share > hotCost && !raced {
		t.Errorf("the document costs %.3f times a bare handler, want at most %.2f", share, hotCost)
	}
}

// One more, and net/http's maps of headers become the large, slow kind: see docs/decisions/0008-eight-headers.md.
func TestDocumentHasEightHeaders(t *testing.T) {
	f := newFixture(t, dbtest.NewBreakable(t, db.SQLite))
	r, w := documentRequest(f.token(auth.RoleViewer)), &discard{header: http.Header{}}
	f.handler.ServeHTTP(w, r)
	if w.bytes == 0 || w.header.Get("X-Content-Type-Options") != "nosniff" || len(w.header) > 8 {
		t.Errorf("%d headers, want at most 8: %v", len(w.header), w.header)
	}
}

// cpuOf is the process time that fn takes, garbage collection of what it leaves included.
func cpuOf(fn func()) time.Duration {
	runtime.GC()
	before := processor.Used()
	fn()
	return processor.Used() - before
}

func median[T float64 | time.Duration](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// discard is an answer nobody reads.
type discard struct {
	header http.Header
	status int
	bytes  int
}

func (d *discard) Header() http.Header { return d.header }
func (d *discard) WriteHeader(status int) {
	d.status = status
}
func (d *discard) Write(b []byte) (int, error) {
	d.bytes += len(b)
	return len(b), nil
}

func documentRequest(token string) *http.Request {
	r := httptest.NewRequest("GET", "/api/admin/ssot", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Accept-Encoding", "gzip")
	return r
}

func TestDocumentAllocatesNothing(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		r, w := documentRequest(f.token(auth.RoleViewer)), &discard{header: http.Header{}}
		allocations := testing.AllocsPerRun(200, func() {
			clear(w.header)
			f.handler.ServeHTTP(w, r)
		})
		if w.bytes == 0 || w.status != 0 || allocations > 0 && !raced {
			t.Errorf("%v allocations, status %d, %d bytes", allocations, w.status, w.bytes)
		}
	})
}

func TestDocumentNeedsNoDatabase(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		f.user("ada", auth.RoleViewer)
		browser := f.browser()
		f.login(browser, "ada")
		token := f.token(auth.RoleViewer)

		// The service that looks for changes is not part of a request: a second handler without it is counted.
		quiet, err := auth.Open(t.Context(), f.db.DB, auth.Options{})
		must(t, err)
		opts := f.handler.(*server).Options
		opts.Auth = quiet
		handler, err := New(opts)
		must(t, err)

		f.stop()
		before := f.db.Statements()
		for range 100 {
			w := &discard{header: http.Header{}}
			handler.ServeHTTP(w, documentRequest(token))
			if w.status != 0 || w.bytes == 0 {
				t.Fatalf("status %d", w.status)
			}
		}
		if n := f.db.Statements() - before; n != 0 {
			t.Errorf("%d SQL statements for 100 requests", n)
		}

		// With every connection of the database taken, whoever needs one waits: nobody does.
		takeAll(t, f.db.Write)
		takeAll(t, f.db.Read)
		waited := f.waits()
		before = f.db.Statements()
		if r := f.as(token, "GET", "/api/admin/ssot", ""); r.status != 200 {
			t.Errorf("document by token: %d", r.status)
		}
		for _, path := range []string{"/api/admin/ssot", "/", "/api/me"} {
			if r := f.get(browser, path); r.status != 200 {
				t.Errorf("%s by session: %d", path, r.status)
			}
		}
		if n, now := f.db.Statements()-before, f.waits(); n != 0 || now != waited {
			t.Errorf("%d statements, %d requests waited for the database", n, now-waited)
		}
	})
}

// takeAll borrows connections until the pool has none left.
func takeAll(t *testing.T, pool *sql.DB) {
	t.Helper()
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		conn, err := pool.Conn(ctx)
		cancel()
		if err != nil {
			return
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
}

// waits counts those who had to wait for a connection of SQLite's pools.
func (f *fixture) waits() int64 { return f.db.Write.Stats().WaitCount + f.db.Read.Stats().WaitCount }

// A lock that is taken by many at once shows in the mutex profile, a wait of any kind in the block profile.
func TestDocumentTakesNoLock(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		f.typical()
		token := f.token(auth.RoleViewer)
		runtime.SetMutexProfileFraction(1)
		runtime.SetBlockProfileRate(1)
		defer runtime.SetMutexProfileFraction(0)
		defer runtime.SetBlockProfileRate(0)
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				r, w := documentRequest(token), &discard{header: http.Header{}}
				for range 5000 {
					clear(w.header)
					f.handler.ServeHTTP(w, r)
				}
			})
		}
		group.Wait()
		for name, read := range map[string]func([]runtime.BlockProfileRecord) (int, bool){
			"mutex": runtime.MutexProfile, "block": runtime.BlockProfile,
		} {
			for _, stack := range waits(read) {
				if strings.Contains(stack, "document.func") {
					t.Errorf("%s profile: requests for the document waited:\n%s", name, stack)
				}
			}
		}
	})
}

// waits returns the stacks of a profile.
func waits(read func([]runtime.BlockProfileRecord) (int, bool)) []string {
	n, _ := read(nil)
	records := make([]runtime.BlockProfileRecord, n+100)
	n, _ = read(records)
	var stacks []string
	for _, record := range records[:n] {
		var stack strings.Builder
		frames := runtime.CallersFrames(record.Stack())
		for more := true; more; {
			var frame runtime.Frame
			frame, more = frames.Next()
			stack.WriteString(frame.Function + "\n")
		}
		stacks = append(stacks, stack.String())
	}
	return stacks
}

func BenchmarkDocument(b *testing.B) {
	f := newFixture(b, dbtest.NewBreakable(b, db.SQLite))
	f.typical()
	r, w := documentRequest(f.token(auth.RoleViewer)), &discard{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		f.handler.ServeHTTP(w, r)
	}
}
