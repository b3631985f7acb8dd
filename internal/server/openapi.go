package server

import (
	"net/http"

	"github.com/agentos/agentos/internal/worker"
	"github.com/agentos/agentos/snapshot"
)

// OpenAPI returns the description of the JSON API as YAML: the file openapi.yaml, which clients are generated from.
func OpenAPI() ([]byte, error) {
	var all *worker.Service // it is described, not used
	s := newServer(Options{Panel: &snapshot.Panel{}, Jobs: all, Actions: all, Fleet: all})
	for _, r := range s.routes() {
		r.endpoint(s, r)
	}
	return s.api.describe().YAML()
}

// openAPI serves the description as JSON, made when first asked for.
func (s *server) openAPI(c *call) {
	body, err := s.api.json()
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Header().Set("Content-Type", "application/openapi+json")
	c.Header().Set("Cache-Control", "no-cache")
	c.WriteHeader(http.StatusOK)
	_, _ = c.Write(body) // the client may be gone: nobody is there to learn of it
}
