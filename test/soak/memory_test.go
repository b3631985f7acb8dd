//go:build linux

package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/test/api"
	"github.com/agentos/agentos/test/foreign"
	"github.com/agentos/agentos/test/servers"
)

// plan is how long the servers run, and how what they hold is compared. The live heap of a window is the smallest that a collection
// found in it: what every collection found in use is held.
type plan struct {
	span, warmUp, window time.Duration
	growth               float64 // as a share
}

// planned is ten minutes, whose third is compared with the last one; or what AGENTOS_SOAK says, in tenths. The least of one minute
// differs by some percent from that of another; a leak of each page that is asked for is several times as much as what ten minutes may grow.
func planned(t *testing.T) plan {
	t.Helper()
	given := os.Getenv("AGENTOS_SOAK")
	if given == "" {
		return plan{10 * time.Minute, 2 * time.Minute, time.Minute, 0.15}
	}
	span, err := time.ParseDuration(given)
	if err != nil || span < 20*time.Minute {
		t.Fatalf("AGENTOS_SOAK=%s: write a duration of at least 20m", given)
	}
	return plan{span, span / 10, span / 10, 0.02}
}

func TestMemoryOfOwnFleetDoesNotGrow(t *testing.T) {
	t.Parallel()
	folder := t.TempDir() // what the demo's agents read
	for i := range 50 {
		must(t, os.WriteFile(filepath.Join(folder, fmt.Sprintf("note-%d.md", i)), []byte("# A note\n\nTODO: nothing\n"), 0o644))
	}
	s := start(t, "demo", "--folder", folder)
	s.watch(t, planned(t))
}

func TestMemoryOfAttachedServerDoesNotGrow(t *testing.T) {
	t.Parallel()
	postgres := servers.StartPostgres(t)
	url, err := foreign.Create(t.Context(), postgres)
	must(t, err)
	conn, err := postgres.Connect(t.Context(), foreign.Name)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	_, err = conn.Exec(t.Context(), foreign.EndedJobs, 20_000, (10 * time.Hour).Seconds())
	must(t, err)
	s := start(t, "serve", "--attach", url)
	s.also = func(ctx context.Context) error { // 50 jobs end each second; River's own cleaner would remove the old ones
		_, err := conn.Exec(ctx, foreign.EndedJobs, 50, 1.0)
		return err
	}
	s.watch(t, planned(t))
}

// subject is a server that is watched.
type subject struct {
	api.Server
	also func(context.Context) error // done once a second, beside what viewers do; nil: nothing
}

// start builds the program, and runs a command of it with a data folder of its own.
func start(t *testing.T, command string, flags ...string) *subject {
	t.Helper()
	dir := t.TempDir()
	binary, data, log := filepath.Join(dir, "agentos"), filepath.Join(dir, "data"), filepath.Join(dir, "log")
	build := exec.Command("go", "build", "-o", binary, "github.com/agentos/agentos")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, output)
	}
	s := &subject{Server: api.Server{Client: &http.Client{Timeout: 30 * time.Second}}}
	process := &servers.Process{
		Name: "agentos " + command, Log: log, Alone: true,
		Env:  []string{"GOGC=20"}, // many collections, so that some come while little is under way; what they find in use is the same
		Argv: append([]string{binary, command, "--data", data, "--listen", "127.0.0.1:0"}, flags...),
		Ready: func(context.Context) error {
			text, err := os.ReadFile(log)
			if err != nil {
				return err
			}
			_, rest, found := strings.Cut(string(text), "dashboard ")
			address, _, whole := strings.Cut(rest, "\n")
			if !found || !whole {
				return errors.New("it has not said its address")
			}
			s.URL = strings.TrimSpace(address)
			return nil
		},
	}
	must(t, process.Start())
	t.Cleanup(func() {
		process.Stop()
		if text, _ := os.ReadFile(log); t.Failed() {
			t.Logf("%s", text[max(0, len(text)-4000):])
		}
	})
	token, err := exec.Command(binary, "token", "create", "soak", "--role", "viewer", "--data", data).Output()
	must(t, err)
	s.Token = strings.TrimSpace(string(token))
	return s
}

// watch opens pages and follows the stream as viewers do, and compares what the server holds at the end with what it held once
// it was warm.
func (s *subject) watch(t *testing.T, p plan) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), p.span)
	defer cancel()
	go func() { // ends with ctx
		for ctx.Err() == nil {
			viewer, leave := context.WithTimeout(ctx, 20*time.Second)
			_ = s.Stream(viewer, 0, func(string, string) error { return nil }) // ends when the viewer leaves
			leave()
		}
	}()
	pages := []string{"/", "/jobs", "/", "/agents", "/", "/workers"}
	began := time.Now()
	early, late := heap{}, heap{}
	ticks := time.NewTicker(time.Second)
	defer ticks.Stop()
	for n := 0; ; n++ {
		select {
		case <-ticks.C:
		case <-ctx.Done():
			p.judge(t, early, late)
			return
		}
		_, err := s.read(t.Context(), pages[n%len(pages)])
		must(t, err)
		if s.also != nil {
			must(t, s.also(t.Context()))
		}
		switch age := time.Since(began); {
		case age > p.span-p.window:
			s.sample(t, &late)
		case age > p.warmUp && age <= p.warmUp+p.window:
			s.sample(t, &early)
		}
	}
}

// sample looks what the last collections found in use. Many come while something is under way, and find what it holds: the figures
// are asked for so often that their own garbage brings some in between.
func (s *subject) sample(t *testing.T, into *heap) {
	t.Helper()
	for range 15 {
		live, err := s.liveHeap(t.Context())
		must(t, err)
		into.add(live)
	}
}

// heap is the smallest of some samples.
type heap struct {
	least float64
	of    int
}

func (h *heap) add(live float64) {
	if h.of == 0 || live < h.least {
		h.least = live
	}
	h.of++
}

func (p plan) judge(t *testing.T, early, late heap) {
	t.Helper()
	text := fmt.Sprintf("live heap: %.2f MiB after %v, %.2f MiB after %v (%+.1f %%), of %d and %d samples",
		early.least/(1<<20), p.warmUp+p.window, late.least/(1<<20), p.span, 100*(late.least/early.least-1), early.of, late.of)
	t.Log(text)
	if early.of < 300 || late.of < 300 {
		t.Errorf("too few samples: %d and %d", early.of, late.of)
	}
	if late.least > early.least*(1+p.growth) {
		t.Errorf("it has grown: %s", text)
	}
}

// read asks for a page or a figure, and reads the answer to its end.
func (s *subject) read(ctx context.Context, path string) ([]byte, error) {
	request, err := s.Request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	response, err := s.Client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, response.Status)
	}
	return io.ReadAll(response.Body)
}

func (s *subject) liveHeap(ctx context.Context) (float64, error) {
	text, err := s.read(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	live, found := api.Metrics(text)["go_gc_heap_live_bytes"]
	if !found {
		return 0, errors.New("/metrics has no go_gc_heap_live_bytes")
	}
	return live, nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
