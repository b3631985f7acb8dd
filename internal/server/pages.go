package server

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/snapshot"
)

// boot is what the page knows before its first request.
type boot struct {
	Me      me          `json:"me"`
	Fleet   bool        `json:"fleet"` // agents can be given work and paused
	Acts    bool        `json:"acts"`  // jobs and queues can be acted on
	Version string      `json:"version"`
	Base    string      `json:"base"`   // the path of a proxy that this server is below; empty: none
	Now     time.Time   `json:"now"`    // this server's clock, by which the page counts all ages
	Served  *bootServed `json:"served"` // null: there is no document
}

type me struct {
	Name string    `json:"name"`
	Role auth.Role `json:"role"`
}

type bootServed struct {
	Rung  string  `json:"rung"`
	AgeS  float64 `json:"age_s"` // of what is shown: of its oldest overdue section. It says nothing of when the document was published
	Stale bool    `json:"stale"`
}

// pageTimeout is for a server that has nothing at all to show.
const pageTimeout = time.Second

// page serves the dashboard's page with the document inside, so that it is complete before its first request.
func page(s *server, r route) http.Handler {
	return s.wrap(s.restrict(r.role, func(c *call) {
		b := boot{Me: me{Name: c.principal.Name, Role: c.principal.Role}, Fleet: s.Fleet != nil, Acts: s.Actions != nil, Version: s.Version, Base: s.BasePath,
			Now: time.Now().UTC().Truncate(time.Millisecond)}
		doc, served, err := s.currentDocument(c.request.Context(), pageTimeout)
		if err == nil {
			b.Served = &bootServed{Rung: served.Rung, AgeS: roundSeconds(served.Age), Stale: served.Stale}
		}
		s.writePage(c, b, doc)
	}))
}

func (s *server) writePage(c *call, b boot, doc *snapshot.Snapshot) {
	inline, err := json.Marshal(b) // escapes <, > and &
	if err != nil {
		s.fail(c, err)
		return
	}
	s.setPageHeaders(c.Header())
	s.site.ServePage(c, c.request, inline, doc)
}

// noSuchPage answers a page's address that does not exist.
func (s *server) noSuchPage(c *call) {
	s.setPageHeaders(c.Header())
	s.site.ServeMissing(c, c.request, s.under("/"))
}

// asset sends a static file of the dashboard.
func (s *server) asset(c *call) {
	if file := s.site.File(c.request.URL.Path); file != nil {
		file.ServeHTTP(c, c.request)
		return
	}
	s.noSuchPage(c)
}

func (s *server) robots(c *call) {
	c.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = c.Write([]byte("User-agent: *\nDisallow: /\n"))
}
