//go:build linux

package faults

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/agentos/agentos/test/servers"
)

// startLimit is the median that the project promises from process start to the first document, with the demo's fleet.
const startLimit = 300 * time.Millisecond

// TestStartUpIsFast runs alone, before the tests that run several at a time.
func TestStartUpIsFast(t *testing.T) {
	const starts = 10
	folder := t.TempDir() // what the demo's agents read
	for i := range 50 {
		text := fmt.Sprintf("# File %d\nSee https://example.org/%d. TODO: read it.\n", i, i)
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("file-%d.md", i)), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var fresh, existing []time.Duration
	for range starts {
		b := newBed(t, nil)
		fresh = append(fresh, b.startDemo(folder))
		b.kill()
	}
	b := newBed(t, nil)
	b.startDemo(folder)
	eventually(t, 20*time.Second, "the demo has worked", func() error {
		return b.none("no run", `select 'none' where not exists (select * from run where outcome = 'ok')`)
	})
	for range starts {
		b.server.signal(t, syscall.SIGTERM)
		b.server.wait(t, 20*time.Second)
		existing = append(existing, b.startDemo(folder))
	}
	for name, took := range map[string][]time.Duration{"l1. start on a new data folder": fresh, "l2. start on an existing data folder": existing} {
		slices.Sort(took)
		median := took[len(took)/2]
		if median > startLimit {
			t.Errorf("%s: median %v of %v, want at most %v", name, median, took, startLimit)
		}
		results.add(row{
			fault: name, viewers: "first 200 after start of the process",
			note: fmt.Sprintf("median %d ms, slowest %d ms of %d", median.Milliseconds(), took[len(took)-1].Milliseconds(), len(took)),
		})
	}
}

// startDemo starts `agentos demo` and gives the time from the process's start to its first document. It knocks every
// two milliseconds at a port chosen before, so that reading the address does not count.
func (b *bed) startDemo(folder string) time.Duration {
	b.t.Helper()
	address := servers.HoldPort(b.t).Addr()
	url := "http://" + address
	b.address.Store(&url)
	b.server = launch(b.t, []string{"MARK=" + b.mark}, nil, "demo", "--data", b.data, "--folder", folder, "--listen", address)
	deadline := time.After(20 * time.Second)
	ticks := time.NewTicker(2 * time.Millisecond)
	defer ticks.Stop()
	for {
		request, err := b.api().Request(context.Background(), "GET", "/api/admin/ssot", nil)
		b.must(err)
		response, err := b.client.Do(request)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return time.Since(b.server.began)
			}
		}
		select {
		case <-ticks.C:
		case <-deadline:
			b.t.Fatalf("no document within 20 s: %v\n%s", err, b.server.stderr)
		}
	}
}
