package server

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/agentos/agentos/snapshot"
)

// readiness is the body of /readyz. It is open, so it tells no details of what fails; the dashboard does.
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

// readyz answers 200 when there is a document to show, however old, because that is what this server is for. What else
// does not work is a reason in the body.
func (s *server) readyz(c *call) {
	body := readiness{Status: "unready", Reasons: []string{}}
	if doc, served, err := s.currentDocument(c.request.Context()); err == nil {
		body.Status, body.Revision = "ready", doc.Revision
		body.AgeS, body.Stale = roundSeconds(served.Age), served.Stale
	} else {
		body.Reasons = append(body.Reasons, "there is no document to show yet")
	}
	if body.Stale {
		body.Reasons = append(body.Reasons, "the data shown is old")
	}
	if s.Ready != nil && !s.dependencyReady(c.request.Context()) {
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
	_ = json.NewEncoder(c).Encode(body) // the client may be gone: nobody could be told
}

const readyDeadline = time.Second

func (s *server) dependencyReady(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, readyDeadline)
	defer cancel()
	return s.Ready(ctx) == nil
}

// currentDocument climbs the cache's ladder, but not for long: whoever asks here has something else to say.
func (s *server) currentDocument(ctx context.Context) (*snapshot.Snapshot, snapshot.Served, error) {
	ctx, cancel := context.WithTimeout(ctx, readyDeadline)
	defer cancel()
	return s.Cache.Get(ctx)
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
