package server

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/auth"
)

const (
	maxBody = 1 << 20
	// requestDeadline ends what a request waits for, a little later than the database's own deadlines of 5 s, which say
	// more about the cause. Streams have none; following a log has its own.
	requestDeadline = 6 * time.Second
	// bodyDeadline is for the client to send its request.
	bodyDeadline = 15 * time.Second
)

// call is what is known about one request on its way through the handlers, and the writer of its answer. Requests for
// the document do without: for them it is made only when something goes wrong.
type call struct {
	http.ResponseWriter
	request   *http.Request
	principal *auth.Principal // nil on open routes
	id        string          // made when first asked for
	status    int             // zero until the answer begins
}

// Unwrap lets http.ResponseController reach the connection.
func (c *call) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// WriteHeader notes the status for the access log and for recovering.
func (c *call) WriteHeader(status int) {
	if c.status == 0 && status >= 200 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

func (c *call) Write(b []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	return c.ResponseWriter.Write(b)
}

// requestID names the request in the answer and in the log. A proxy's own id is kept.
func (c *call) requestID() string {
	if c.id == "" {
		c.id = c.request.Header.Get("X-Request-Id")
		if !validRequestID(c.id) {
			c.id = strings.ToLower(rand.Text()[:16])
		}
		c.Header().Set("X-Request-Id", c.id)
	}
	return c.id
}

func validRequestID(id string) bool {
	return id != "" && len(id) <= 64 && strings.IndexFunc(id, func(r rune) bool {
		return r != '-' && r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0
}

type callKey struct{}

// callFrom is the call behind a context that restricted or unrestricted handlers got.
func callFrom(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// wrap is the way to every handler but the document's: bounded body, recovery, access log.
func (s *server) wrap(next func(c *call)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{ResponseWriter: w}
		c.request = r.WithContext(context.WithValue(r.Context(), callKey{}, c))
		if r.Body != nil && r.Body != http.NoBody {
			c.request.Body = http.MaxBytesReader(w, r.Body, maxBody)
			// Who sends slowly may not hold a request forever. Writers without deadlines are those of tests.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyDeadline))
		}
		if s.log.Enabled(r.Context(), slog.LevelDebug) {
			defer s.logAccess(c, time.Now())
		}
		defer s.recover(c)
		next(c)
	})
}

// plain is a handler method behind its route's role.
func plain(handle func(s *server, c *call)) endpoint {
	return func(s *server, r route) http.Handler {
		return s.wrap(s.restrict(r.role, func(c *call) {
			ctx, cancel := context.WithTimeout(c.request.Context(), requestDeadline)
			defer cancel()
			c.request = c.request.WithContext(ctx)
			handle(s, c)
		}))
	}
}

// restrict lets only principals of the role through, and unsafe requests of a browser only from our own pages.
func (s *server) restrict(role auth.Role, next func(c *call)) func(c *call) {
	return func(c *call) {
		if role == open {
			if s.sameOrigin(c) {
				next(c)
			}
			return
		}
		p, err := s.Auth.Authenticate(c.request)
		if err != nil {
			s.refuse(c, err)
			return
		}
		if !p.Role.Allows(role) {
			s.forbid(c, p, role)
			return
		}
		c.principal = p
		if p.Kind == auth.KindSession && !s.sameOrigin(c) {
			return
		}
		next(c)
	}
}

// sameOrigin answers 403 to an unsafe request that another site made the browser send. Clients other than browsers send
// neither Sec-Fetch-Site nor Origin and pass.
func (s *server) sameOrigin(c *call) bool {
	if err := s.origin.Check(c.request); err != nil {
		s.answer(c, problem(http.StatusForbidden, "The request came from another site. Open AgentOS itself and try again there."))
		return false
	}
	return true
}

// refuse answers a request without a usable credential: people get the login page, which also says when accounts
// cannot be checked, and programs a problem.
func (s *server) refuse(c *call, err error) {
	switch {
	case !isPagePath(c.request.URL.Path):
		s.fail(c, err)
	case errors.Is(err, auth.ErrNoCredential):
		s.seeOther(c, loginPath(c.request))
	default:
		s.refuseLogin(c, err)
	}
}

// forbid refuses what the role does not allow, and records it.
func (s *server) forbid(c *call, p *auth.Principal, need auth.Role) {
	c.principal = p
	ctx, cancel := context.WithTimeout(auth.WithActor(context.WithoutCancel(c.request.Context()), c.actor()), recordDeadline)
	defer cancel()
	s.record(ctx, auth.Entry{Action: "access.denied", Target: c.request.Method + " " + c.request.URL.Path, Outcome: "refused",
		Detail: "needs the role " + string(need) + ", has " + string(p.Role)})
	s.answer(c, problem(http.StatusForbidden, "This needs the role "+string(need)+"; "+p.Name+" has the role "+string(p.Role)+
		". Ask an administrator for another role or token."))
}

// isPagePath reports whether a path is that of a page, which people see, and not of the API.
func isPagePath(path string) bool {
	return !strings.HasPrefix(path, "/api/") && path != "/api" && path != "/openapi.json" && path != "/metrics"
}

// recover is deferred by wrap.
func (s *server) recover(c *call) {
	if cause := recover(); cause != nil {
		s.panicked(c, cause)
	}
}

// panicked turns a panic into a logged error and, when nothing was sent yet, a problem.
func (s *server) panicked(c *call, cause any) {
	if cause == http.ErrAbortHandler { //nolint:errorlint // a sentinel that is panicked with as it is
		panic(cause)
	}
	s.log.Error("a handler panicked", "panic", cause, "method", c.request.Method, "path", c.request.URL.Path,
		"request_id", c.requestID(), "stack", string(debug.Stack()))
	if c.status != 0 {
		panic(http.ErrAbortHandler) // the answer is torn: only a broken connection shows that to the client
	}
	clear(c.Header())
	s.setSecurityHeaders(c.Header())
	s.answer(c, unexpected())
}

func (s *server) logAccess(c *call, start time.Time) {
	name := ""
	if c.principal != nil {
		name = c.principal.Name
	}
	s.log.Debug("request", "method", c.request.Method, "path", c.request.URL.Path, "status", c.status,
		"took", time.Since(start), "principal", name, "remote", c.request.RemoteAddr, "request_id", c.id)
}
