package server

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/agentos/agentos/snapshot"
)

// readiness is the body of /readyz. It is open, so it shows no details of what fails; the dashboard does.
type readiness struct {
	Status   string   `json:"status"` // ready or unready
	Reasons  []string `json:"reasons"`
	Revision uint64   `json:"revision,omitempty"`
	AgeS     float64  `json:"age_s"`
	Stale    bool     `json:"stale"`
}

// livez answers as long as the process serves at all.
func (s *server) livez(c *call) {
	h := c.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h["Cache-Control"] = noStore
	_, _ = c.Write([]byte("ok\n"))
}

// readyz answers 200 when this server can show a document, however old, to whoever may see it: a load balancer then sends
// viewers here. A database that fails is a reason in the body and no more, or its failure would take all servers out of
// rotation at once. A server that was started without it, though, knows no credentials yet: others, who do, are better.
//
// It waits for nothing: probes give up after a second, and what hangs must not look like a server that does not work.
func (s *server) readyz(c *call) {
	body := readiness{Status: "ready", Reasons: []string{}}
	unready := func(reason string) { body.Status, body.Reasons = "unready", append(body.Reasons, reason) }
	if doc, served, err := s.currentDocument(c.request.Context(), readyTimeout); err == nil {
		body.Revision, body.AgeS, body.Stale = doc.Revision, roundSeconds(served.Age), served.Stale
	} else {
		unready("there is no document to show yet")
	}
	if !s.Auth.Admits() {
		unready("the database has not answered since the start: nobody can be let in")
	}
	if body.Stale {
		body.Reasons = append(body.Reasons, "the data shown is old")
	}
	if !s.dependency.ready() {
		body.Reasons = append(body.Reasons, "the database does not answer: data is shown, but nothing can be changed")
	}
	status := http.StatusOK
	if body.Status != "ready" {
		status = http.StatusServiceUnavailable
		c.Header().Set("Retry-After", "1")
	}
	c.Header().Set("Content-Type", "application/json")
	c.Header()["Cache-Control"] = noStore
	c.WriteHeader(status)
	_ = json.NewEncoder(c).Encode(body) // the client may be gone: nobody is there to learn of it
}

const (
	readyTimeout  = 100 * time.Millisecond // of a probe, for what it asks
	readyDeadline = time.Second            // of what it asks
	readyEvery    = time.Second            // is asked at most once in
)

// dependency is what this server needs to change anything. However many probes there are, it is asked once a second.
type dependency struct {
	ask func(context.Context) error // nil: there is none

	mu   sync.Mutex
	last *inquiry
}

// inquiry is one question to a dependency. Its answer is written before done is closed.
type inquiry struct {
	began time.Time
	done  chan struct{}
	err   error
}

// ready reports whether the dependency answers, and waits for the answer for readyTimeout at most.
func (d *dependency) ready() bool {
	if d.ask == nil {
		return true
	}
	i := d.inquire(time.Now())
	timer := time.NewTimer(readyTimeout)
	defer timer.Stop()
	select {
	case <-i.done:
		return i.err == nil
	case <-timer.C:
		return false
	}
}

// inquire begins an inquiry unless the last one is under way or young.
func (d *dependency) inquire(now time.Time) *inquiry {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last != nil && !d.last.over(now) {
		return d.last
	}
	i := &inquiry{began: now, done: make(chan struct{})}
	d.last = i
	go func() { // ends by its deadline
		defer close(i.done)
		ctx, cancel := context.WithTimeout(context.Background(), readyDeadline)
		defer cancel()
		i.err = d.ask(ctx)
	}()
	return i
}

func (i *inquiry) over(now time.Time) bool {
	select {
	case <-i.done:
		return now.Sub(i.began) >= readyEvery
	default:
		return false
	}
}

// currentDocument asks for the best document there is, but not for long: whoever asks here has something else to say.
func (s *server) currentDocument(ctx context.Context, timeout time.Duration) (*snapshot.Snapshot, snapshot.Served, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return s.Panel.Get(ctx)
}

func roundSeconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// metrics serves what Options.Metrics gathers.
func (s *server) metrics(c *call) {
	if s.Metrics == nil {
		s.answer(c, problem(http.StatusNotFound, "This server was started without metrics."))
		return
	}
	c.Header()["Cache-Control"] = noStore
	s.Metrics.ServeHTTP(c, c.request)
}
