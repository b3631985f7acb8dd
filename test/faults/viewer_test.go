//go:build linux

package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/agentos/agentos/test/cluster"
)

// viewer asks for the document every 20 ms, as a dashboard without stream would, only more often. It keeps what it
// got and everything that must never happen.
type viewer struct {
	bed    *bed
	client *http.Client
	stop   context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex
	phase    int
	got      [phases]samples
	wrongs   []string
	revision uint64 // of the document seen last
	starts   int64  // of servers, when it was seen
	etag     string // of the document parsed last
	asOf     time.Time
	last     *cluster.Document
}

func (b *bed) newViewer() *viewer {
	ctx, cancel := context.WithCancel(context.Background())
	v := &viewer{
		bed: b, stop: cancel, done: make(chan struct{}),
		client: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 2}},
	}
	go v.watch(ctx) // ended by close
	return v
}

func (v *viewer) close() {
	v.stop()
	<-v.done
	v.client.CloseIdleConnections()
}

func (v *viewer) watch(ctx context.Context) {
	defer close(v.done)
	ticks := time.NewTicker(lookEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			v.look(ctx)
		}
	}
}

// look makes one request and judges its answer.
func (v *viewer) look(ctx context.Context) {
	wasDown := v.bed.down.Load()
	began := time.Now()
	header, body, status, err := v.ask(ctx)
	took := time.Since(began)
	if ctx.Err() != nil {
		return
	}
	down := wasDown || v.bed.down.Load()

	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		v.got[v.phase] = append(v.got[v.phase], sample{took: took})
		if !down {
			v.wrong("no answer after %v: %v", took, err)
		}
		return
	}
	seen := sample{status: status, rung: rungOf(header), took: took}
	if age, err := strconv.Atoi(header.Get("Age")); err == nil {
		seen.age = time.Duration(age) * time.Second
	}
	if status == http.StatusOK {
		v.judge(header, body, seen, began)
	} else if !down {
		v.wrong("status %d: %.300s", status, body)
	}
	v.got[v.phase] = append(v.got[v.phase], seen)
}

func (v *viewer) ask(ctx context.Context) (http.Header, []byte, int, error) {
	request, err := v.bed.api().Request(ctx, "GET", "/api/admin/ssot", nil)
	if err != nil {
		return nil, nil, 0, err
	}
	response, err := v.client.Do(request)
	if err != nil {
		return nil, nil, 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.Header, body, response.StatusCode, err
}

// judge checks a document: whole, not older than one seen before, and not younger than it says.
func (v *viewer) judge(header http.Header, body []byte, seen sample, asked time.Time) {
	const slack = 1500 * time.Millisecond // Age is in whole seconds
	etag := header.Get("ETag")
	if etag == "" || etag != v.etag {
		var d cluster.Document
		if err := json.Unmarshal(body, &d); err != nil {
			v.wrong("not a document: %v: %.200s", err, body)
			return
		}
		// A server that was killed has written its last good document some seconds before: its successor begins with it.
		starts := v.bed.starts.Load()
		if d.Meta.Revision < v.revision && starts == v.starts {
			v.wrong("revision %d after %d", d.Meta.Revision, v.revision)
		}
		v.starts = starts
		v.etag, v.revision, v.asOf, v.last = etag, d.Meta.Revision, d.Meta.AsOf, &d
	}
	if real := asked.Sub(v.asOf); real-seen.age > slack {
		v.wrong("Age says %v, but the document is as of %v, %v ago", seen.age, v.asOf, real)
	}
	if header.Get("Age") == "" {
		v.wrong("no Age header")
	}
}

// wrong keeps the first few complaints of each phase.
func (v *viewer) wrong(format string, args ...any) {
	if len(v.wrongs) < 20 {
		v.wrongs = append(v.wrongs, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
	}
}

func (v *viewer) enter(phase int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.phase = phase
}

func (v *viewer) seen(phase int) samples {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append(samples(nil), v.got[phase]...)
}

func (v *viewer) complaints() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]string(nil), v.wrongs...)
}

// rungOf is the rung of the ladder that Cache-Status names.
func rungOf(header http.Header) string {
	status := header.Get("Cache-Status")
	if _, detail, found := strings.Cut(status, "detail="); found {
		detail, _, _ = strings.Cut(detail, ";")
		return strings.Trim(strings.TrimSpace(detail), `"`)
	}
	return status
}
