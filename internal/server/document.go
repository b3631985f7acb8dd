package server

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/agentos/agentos/snapshot"
)

const documentPath = "/api/admin/ssot"

// document serves the whole dashboard as one JSON document. It is the hot path: one look at the credential in memory,
// then the bytes as they were published. Nothing here takes a lock, asks the database or allocates; the call that other
// handlers get is made only to say what went wrong.
func document(s *server, r route) http.Handler {
	next := s.Panel.Handler()
	s.document = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		defer func() {
			if cause := recover(); cause != nil {
				s.panicked(&call{ResponseWriter: w, request: req}, cause)
			}
		}()
		w.Header()["X-Content-Type-Options"] = nosniff
		p, err := s.Auth.Authenticate(req)
		if err != nil {
			s.setSecurityHeaders(w.Header())
			s.fail(&call{ResponseWriter: w, request: req}, err)
			return
		}
		if !p.Role.Allows(r.role) {
			s.forbid(&call{ResponseWriter: w, request: req}, p, r.role)
			return
		}
		if req.URL.RawQuery != "" {
			if p := checkQuery(req.URL.RawQuery, nil, nil); p != nil {
				s.setSecurityHeaders(w.Header())
				s.answer(&call{ResponseWriter: w, request: req}, p)
				return
			}
		}
		next.ServeHTTP(w, req)
	})
	return s.document
}

// checkStreamQuery lets a stream be asked for what follows a revision, and for nothing else.
func checkStreamQuery(address *url.URL) *Problem {
	if p := checkQuery(address.RawQuery, []string{"revision"}, nil); p != nil {
		return p
	}
	revision := address.Query().Get("revision")
	if _, err := strconv.ParseUint(revision, 10, 64); revision != "" && err != nil {
		return queryProblem(&Fault{Location: "query.revision", Message: "it is no number: give the id of an event, or none"})
	}
	return nil
}

// stream sends the document and then its changes, until the client leaves, the server stops, or the credential ends.
func stream(s *server, r route) http.Handler {
	return s.wrap(s.restrict(r.role, func(c *call) {
		if p := checkStreamQuery(c.request.URL); p != nil {
			s.answer(c, p)
			return
		}
		ctx, end := context.WithCancelCause(c.request.Context())
		defer end(nil)
		release, err := s.hold(c)
		if err != nil {
			s.fail(c, err)
			return
		}
		defer release()
		stop := c.principal.OnEnd(func() { end(snapshot.EndSession) })
		defer stop()
		s.Panel.Stream().ServeHTTP(c, c.request.WithContext(ctx))
	}))
}

// hold notes that the caller's request stays open. Whoever has as many open as one may is sent away: one credential must not use
// up what all share.
func (s *server) hold(c *call) (release func(), err error) {
	if release = c.principal.Hold(s.MaxStreams); release == nil {
		p := problem(http.StatusTooManyRequests, fmt.Sprintf("%s has %d live connections open, as many as one session or token may have. "+
			"Close some, use a token for each program, or raise max_streams.", c.principal.Name, s.MaxStreams))
		p.retryAfter = streamRetry
		return nil, p
	}
	return release, nil
}

const streamRetry = 10 * time.Second
