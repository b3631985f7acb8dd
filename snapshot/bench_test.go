package snapshot_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/snapshot/internal/jsonpatch"
	"github.com/agentos/agentos/snapshot/snapshottest"
)

// dashboardSections makes sections that together are about as large and as compressible as a real dashboard: 54 KB.
func dashboardSections() []snapshot.Section {
	random := rand.New(rand.NewPCG(1, 2))
	rows := func(n int) map[string]any {
		items := make(map[string]any, n)
		for i := range n {
			items[strconv.Itoa(100_000+i)] = map[string]any{
				"order": -i, "id": 100_000 + i, "agent": fmt.Sprintf("agent-%d", random.IntN(11)), "state": "completed",
				"attempt": 1, "created_at": fmt.Sprintf("2026-01-02T15:%02d:%02d.%03dZ", random.IntN(60), random.IntN(60), random.IntN(1000)),
				"run_ms": random.IntN(90_000), "worker": nil, "args": fmt.Sprintf("path=/data/%x size=%d", random.Uint64(), random.IntN(1e6)),
			}
		}
		return map[string]any{"total": n, "items": items}
	}
	var sections []snapshot.Section
	for i, n := range []int{10, 20, 40, 60, 60, 60} {
		value := rows(n)
		sections = append(sections, snapshot.Section{
			Name:    fmt.Sprintf("part%d", i),
			Collect: func(context.Context) (any, error) { return value, nil },
		})
	}
	return sections
}

func warmCache(tb testing.TB) *snapshot.Cache {
	cache := snapshot.NewCache(snapshot.CacheOptions{FreshFor: 5 * time.Minute})
	warmer, err := snapshot.NewWarmer(cache, dashboardSections(), snapshot.WarmerOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	if err := warmer.Refresh(context.Background()); err != nil {
		tb.Fatal(err)
	}
	return cache
}

// groupedCache is a warm cache in a group that runs to the test's end.
func groupedCache(tb testing.TB) *snapshot.Cache {
	conn := snapshottest.NewHub("hub").Link("p")
	cache := snapshot.NewCache(snapshot.CacheOptions{FreshFor: 5 * time.Minute, Tiers: []snapshot.Tier{conn}})
	warmer, err := snapshot.NewWarmer(cache, dashboardSections(), snapshot.WarmerOptions{Interval: time.Hour})
	if err != nil {
		tb.Fatal(err)
	}
	runGroup(tb, cache, warmer, conn)
	return cache
}

// bareHandler writes the same gzip bytes and nothing else: what net/http costs at the least.
func bareHandler(body []byte) http.Handler {
	length := strconv.Itoa(len(body))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Content-Encoding", "gzip")
		h.Set("Content-Length", length)
		_, _ = w.Write(body)
	})
}

// BenchmarkServerCPU measures what one request costs the whole process, client included, over real connections. The
// three handlers take turns within one run, so that what else the machine does disturbs both alike.
func BenchmarkServerCPU(b *testing.B) {
	cache := warmCache(b)
	bare := listen(b, bareHandler(cache.Current().Gzip))
	hot := listen(b, snapshot.NewHandler(cache, "agentos"))
	grouped := listen(b, snapshot.NewHandler(groupedCache(b), "agentos"))
	var cpu [3]time.Duration
	const turn = 500
	for b.Loop() {
		for i, address := range []string{bare, hot, grouped} {
			cpu[i] += cpuOf(func() { request(b, address, turn) })
		}
	}
	per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(b.N*turn) }
	b.ReportMetric(per(cpu[0]), "bare-cpu-ns/req")
	b.ReportMetric(per(cpu[1]), "hot-cpu-ns/req")
	b.ReportMetric(per(cpu[1])/per(cpu[0]), "hot/bare")
	b.ReportMetric(per(cpu[2])/per(cpu[0]), "in-group/bare")
}

func listen(tb testing.TB, handler http.Handler) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	var served sync.WaitGroup
	served.Go(func() { _ = server.Serve(listener) })
	tb.Cleanup(func() {
		_ = server.Close()
		served.Wait()
	})
	return listener.Addr().String()
}

// request asks n times over one connection with a client so plain that the server is what is measured.
func request(tb testing.TB, address string, n int) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	answers := bufio.NewReaderSize(conn, 64<<10)
	ask := []byte("GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n")
	for range n {
		if _, err := conn.Write(ask); err != nil {
			tb.Fatal(err)
		}
		length := 0
		for {
			line, err := answers.ReadSlice('\n')
			if err != nil {
				tb.Fatal(err)
			}
			if len(line) == 2 {
				break
			}
			if len(line) > 16 && string(line[:16]) == "Content-Length: " {
				length, _ = strconv.Atoi(string(line[16 : len(line)-2]))
			}
		}
		if _, err := answers.Discard(length); err != nil {
			tb.Fatal(err)
		}
	}
}

func cpuOf(work func()) time.Duration {
	before := cpuTime()
	work()
	return cpuTime() - before
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// nullWriter is a ResponseWriter that costs nothing, to see what the handler itself costs.
type nullWriter struct{ header http.Header }

func (w *nullWriter) Header() http.Header         { return w.header }
func (w *nullWriter) WriteHeader(int)             {}
func (w *nullWriter) Write(p []byte) (int, error) { return len(p), nil }

func BenchmarkHandler(b *testing.B) {
	cache := warmCache(b)
	hot := snapshot.NewHandler(cache, "agentos")
	grouped := snapshot.NewHandler(groupedCache(b), "agentos")
	cases := []struct {
		name    string
		handler http.Handler
		header  http.Header
	}{
		{"bare", bareHandler(cache.Current().Gzip), nil},
		{"gzip", hot, http.Header{"Accept-Encoding": {"gzip, deflate, br, zstd"}}},
		{"gzip-in-group", grouped, http.Header{"Accept-Encoding": {"gzip, deflate, br, zstd"}}},
		{"identity", hot, nil},
		{"not-modified", hot, http.Header{"Accept-Encoding": {"gzip"}, "If-None-Match": {cache.Current().ETag}}},
	}
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			r, _ := http.NewRequest(http.MethodGet, "/", http.NoBody)
			r.Header = c.header
			w := &nullWriter{header: make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				c.handler.ServeHTTP(w, r)
			}
		})
	}
}

// BenchmarkPublish is the cost of one publish in which a single number has changed: encode, compress, hash, patch.
func BenchmarkPublish(b *testing.B) {
	cache := snapshot.NewCache(snapshot.CacheOptions{})
	sections := dashboardSections()
	tick := 0
	sections = append(sections, snapshot.Section{Name: "tick", Collect: func(context.Context) (any, error) {
		tick++
		return map[string]int{"n": tick}, nil
	}})
	warmer, err := snapshot.NewWarmer(cache, sections, snapshot.WarmerOptions{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := warmer.Refresh(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(cache.Current().JSON)), "json-bytes")
	b.ReportMetric(float64(len(cache.Current().Gzip)), "gzip-bytes")
}

func BenchmarkDiff(b *testing.B) {
	cache := warmCache(b)
	from := cache.Current().JSON
	to := append([]byte(`{"x":1,`), from[1:]...)
	b.SetBytes(int64(len(from)))
	for b.Loop() {
		if _, err := jsonpatch.Diff(from, to); err != nil {
			b.Fatal(err)
		}
	}
}
