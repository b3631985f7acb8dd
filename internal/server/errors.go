package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/engine"
)

// Problem is the body of every error of the API (RFC 9457).
type Problem struct {
	Title     string   `json:"title" doc:"The status in words"`
	Status    int      `json:"status"`
	Detail    string   `json:"detail" doc:"What is wrong and what to do next"`
	RequestID string   `json:"request_id" doc:"Names this request in the server's log"`
	Errors    []*Fault `json:"errors,omitempty" doc:"What is wrong with the request, place by place"`

	retryAfter time.Duration
	challenge  bool // the answer says how to authenticate
}

// Fault is one thing wrong with a request.
type Fault struct {
	Location string `json:"location" doc:"Such as body.priority or query.limit"`
	Message  string `json:"message"`
}

func problem(status int, detail string) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Detail: detail}
}

func (p *Problem) Error() string { return p.Detail }

// GetStatus returns the HTTP status; the library of the API asks for it, as for GetHeaders and ContentType.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders returns Retry-After and WWW-Authenticate where they apply.
func (p *Problem) GetHeaders() http.Header {
	h := make(http.Header)
	if p.retryAfter > 0 {
		h.Set("Retry-After", seconds(p.retryAfter))
	}
	if p.challenge {
		h.Set("WWW-Authenticate", `Bearer realm="agentos"`)
	}
	return h
}

// ContentType is that of RFC 9457.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

func unexpected() *Problem {
	return problem(http.StatusInternalServerError,
		"Something unexpected went wrong here. Try again; if it stays, look for the request id in the server's log.")
}

// problemOf is the one place where errors become statuses. Its second result reports whether operators must see the error's
// text, which users do not get.
func problemOf(err error) (p *Problem, report bool) {
	var (
		ready   *Problem
		limited *auth.RateLimitedError
		invalid *auth.InvalidError
		tooBig  *http.MaxBytesError
	)
	switch {
	case errors.As(err, &ready):
		return ready, false
	case errors.As(err, &limited):
		p = problem(http.StatusTooManyRequests, "There were too many attempts. Try again in "+seconds(limited.RetryAfter)+" s.")
		p.retryAfter = limited.RetryAfter
		return p, false
	case errors.As(err, &invalid):
		return problem(http.StatusUnprocessableEntity, sentence(invalid.Text)), false
	case errors.Is(err, engine.ErrInvalid):
		return problem(http.StatusUnprocessableEntity, sentence(err.Error())), false
	case errors.As(err, &tooBig):
		return problem(http.StatusRequestEntityTooLarge, "The request is too large: send at most 1 MiB."), false
	case errors.Is(err, auth.ErrNoCredential):
		p = problem(http.StatusUnauthorized, "There is no valid credential. Log in at /login, or send \"Authorization: Bearer TOKEN\" with a token made by \"agentos token create\".")
		p.challenge = true
		return p, false
	case errors.Is(err, auth.ErrBadCredentials):
		return problem(http.StatusUnauthorized, "Invalid username or password."), false
	case errors.Is(err, auth.ErrNotASession):
		return problem(http.StatusForbidden, sentence(err.Error())), false
	case errors.Is(err, auth.ErrNoAccounts):
		p = problem(http.StatusServiceUnavailable, "There is no account yet. The first start makes one in a moment: try again. Or make one with \"agentos user add\".")
		p.retryAfter = time.Second
		return p, false
	case errors.Is(err, auth.ErrNotFound), errors.Is(err, engine.ErrNotFound):
		return problem(http.StatusNotFound, sentence(detailOf(err))), false
	case errors.Is(err, auth.ErrConflict), errors.Is(err, engine.ErrConflict):
		return problem(http.StatusConflict, sentence(detailOf(err))), false
	case errors.Is(err, auth.ErrUnavailable), errors.Is(err, engine.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		p = problem(http.StatusServiceUnavailable, "The database does not answer at the moment. What the dashboard shows stays readable; try this again shortly.")
		p.retryAfter = 2 * time.Second
		return p, true
	case isDataError(err):
		return problem(http.StatusUnprocessableEntity, "The request has a value that the database cannot store, such as text with a NUL character or half of a "+
			"surrogate pair (\\ud800). Leave it out."), false
	case errors.Is(err, context.Canceled):
		return problem(http.StatusServiceUnavailable, "The request ended before its answer was ready. Try again."), false
	}
	return unexpected(), true
}

// isDataError reports whether Postgres refused a value. Class 22 is "data exception".
func isDataError(err error) bool {
	var state interface{ SQLState() string }
	return errors.As(err, &state) && strings.HasPrefix(state.SQLState(), "22")
}

// detailOf drops the kind in front of an error's text: the status says it.
func detailOf(err error) string {
	text := err.Error()
	for _, kind := range []error{auth.ErrNotFound, auth.ErrConflict} {
		text = strings.TrimPrefix(text, kind.Error()+": ")
	}
	return text
}

// sentence makes an error's text one.
func sentence(text string) string {
	if text == "" {
		return text
	}
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// problemFor is the problem of a call's error, reported to the operator when it must be.
func (s *server) problemFor(c *call, err error) *Problem {
	found, report := problemOf(err)
	p := *found
	p.RequestID = c.requestID()
	if report && !errors.Is(err, context.Canceled) {
		s.log.Error("request failed", "error", err, "status", p.Status, "method", c.request.Method,
			"path", c.request.URL.Path, "request_id", p.RequestID)
	}
	return &p
}

// fail answers with the problem of err.
func (s *server) fail(c *call, err error) { s.answer(c, s.problemFor(c, err)) }

// answer writes a problem.
func (s *server) answer(c *call, p *Problem) {
	p.RequestID = c.requestID()
	h := c.Header()
	for name, values := range p.GetHeaders() {
		h[name] = values
	}
	h.Set("Content-Type", p.ContentType(""))
	h.Set("X-Request-Id", p.RequestID)
	h["Cache-Control"] = noStore
	c.WriteHeader(p.Status)
	if c.request.Method != http.MethodHead {
		_ = json.NewEncoder(c).Encode(p) // the client may be gone: nobody is there to learn of it
	}
}

// asProblem replaces what the API's library says about a malformed request.
func asProblem(ctx huma.Context, _ string, v any) (any, error) {
	model, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := problem(model.Status, sentence(model.Detail))
	if model.Status == http.StatusUnprocessableEntity || model.Status == http.StatusBadRequest {
		p.Detail = "The request is not as the API describes it. Correct what \"errors\" lists; /openapi.json has the form."
	}
	for _, e := range model.Errors {
		if e != nil {
			p.Errors = append(p.Errors, &Fault{Location: e.Location, Message: e.Message})
		}
	}
	if c := callFrom(ctx.Context()); c != nil {
		p.RequestID = c.requestID()
	}
	return p, nil
}

// notFound answers what no route takes: after the credential, so that strangers learn nothing about the API.
func (s *server) notFound(c *call) {
	path := c.request.URL.Path
	if isPagePath(path) {
		s.noSuchPage(c)
		return
	}
	if _, err := s.Auth.Authenticate(c.request); err != nil {
		s.fail(c, err)
		return
	}
	if allowed := s.allowedMethods(c.request); len(allowed) > 0 {
		c.Header().Set("Allow", strings.Join(allowed, ", "))
		s.answer(c, problem(http.StatusMethodNotAllowed, c.request.Method+" is not possible here: use "+strings.Join(allowed, " or ")+"."))
		return
	}
	s.answer(c, problem(http.StatusNotFound, "There is nothing at this address. /openapi.json lists all operations."))
}

// disguisedPath answers an address that writes plain characters as codes: /%6Cogin. No browser and no client of ours does so; who
// does tries to get past a rule about addresses, of a proxy before us for example.
func (s *server) disguisedPath(c *call) {
	if isPagePath(c.request.URL.Path) {
		s.noSuchPage(c)
		return
	}
	s.answer(c, problem(http.StatusNotFound, "There is nothing at this address: write letters, digits and -._~ as they are, not as % codes."))
}

// disguised reports whether an escaped path has a code for a character that needs none (RFC 3986, section 2.3).
func disguised(path string) bool {
	for i := 0; i+2 < len(path); i++ {
		if path[i] != '%' {
			continue
		}
		code, err := strconv.ParseUint(path[i+1:i+3], 16, 8)
		if c := byte(code); err == nil && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0) {
			return true
		}
	}
	return false
}

// allowedMethods are those that some route takes at the request's path.
func (s *server) allowedMethods(r *http.Request) []string {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		probe := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if _, pattern := s.mux.Handler(probe); pattern != "/" && pattern != "" {
			allowed = append(allowed, method)
		}
	}
	return allowed
}
