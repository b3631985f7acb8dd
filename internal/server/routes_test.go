package server

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/db/dbtest"
)

// openRoutes is everything that answers without a credential. Adding a line here is a decision about security.
var openRoutes = []string{
	"GET /login", "POST /login", "GET /assets/", "GET /favicon.ico", "GET /favicon.svg", "GET /manifest.webmanifest",
	"GET /robots.txt", "GET /livez", "GET /readyz",
}

var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"}

// example is a path of the route.
func example(path string) string {
	path = strings.NewReplacer("{id}", "1", "{name}", "hash", "{$}", "").Replace(path)
	if strings.HasSuffix(path, "/") && path != "/" {
		path += "app-1.css"
	}
	return path
}

func (f *fixture) table() []route { return f.handler.(*server).table }

func TestOnlyTheListedRoutesAreOpen(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		var found []string
		for _, r := range f.table() {
			if r.role == open {
				found = append(found, r.method+" "+r.path)
			}
		}
		slices.Sort(found)
		want := slices.Sorted(slices.Values(openRoutes))
		if !slices.Equal(found, want) {
			t.Errorf("open routes:\n%s\nwant:\n%s", strings.Join(found, "\n"), strings.Join(want, "\n"))
		}
	})
}

// What the table says is not what the mux does: this asks the server itself, at every path with every method.
func TestNothingAnswersWithoutACredential(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		paths := []string{
			"/api", "/api/", "/api/nothing", "/api/admin", "/api/jobs/", "/api/jobs/1/nothing", "/openapi.yaml", "/docs", "/schemas/Job.json",
			"/metrics/", "//api/me", "/api//me", "/api/../api/me", "/api/%6de", "/API/me", "/login/", "/assets/../api/me",
		}
		for _, r := range f.table() {
			paths = append(paths, example(r.path))
		}
		forged, _, err := f.auth.CreateToken(t.Context(), auth.TokenParams{Name: "gone", Role: auth.RoleAdmin})
		must(t, err)
		must(t, f.auth.RevokeToken(t.Context(), forged.ID))
		for _, token := range []string{"", "aos_nonsense", "aos_" + forged.ID + "_" + strings.Repeat("a", 52)} {
			for _, path := range paths {
				for _, method := range methods {
					if isOpen(f.table(), method, path) {
						continue
					}
					r := f.as(token, method, path, "")
					switch {
					case r.status == http.StatusUnauthorized:
						r.withoutBodyOr(t, method)
					case r.status == http.StatusSeeOther && strings.HasPrefix(r.header.Get("Location"), "/login"): // a page
					case r.status == http.StatusTemporaryRedirect: // the mux cleans the path: the cleaned one is asked too
					case r.status == http.StatusNotFound && (isPagePath(path) || disguised(path)): // there is nothing to protect, or not by this address
					default:
						t.Errorf("%s %s with credential %q: %d %.80q", method, path, token, r.status, r.body)
					}
				}
			}
		}
	})
}

// withoutBodyOr checks the body of a refusal: HEAD has none.
func (r reply) withoutBodyOr(t *testing.T, method string) {
	t.Helper()
	if method != http.MethodHead {
		if p := r.problem(t); r.header.Get("WWW-Authenticate") == "" || !strings.Contains(p.Detail, "token") {
			t.Errorf("a refusal that does not say how to authenticate: %+v", r)
		}
	}
}

func isOpen(table []route, method, path string) bool {
	for _, r := range table {
		if r.role == open && example(r.path) == path && (r.method == method || r.method == "GET" && method == "HEAD") {
			return true
		}
	}
	return false
}

func TestEachRoleMayDoItsOwnAndNotMore(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		for _, have := range []auth.Role{auth.RoleViewer, auth.RoleOperator, auth.RoleAdmin} {
			token := f.token(have)
			for _, r := range f.table() {
				if r.path == "/api/admin/stream" && have.Allows(r.role) {
					continue // does not end; see stream_test.go
				}
				got := f.as(token, r.method, example(r.path), "")
				switch allowed := r.role == open || have.Allows(r.role); {
				case !allowed && got.status != http.StatusForbidden:
					t.Errorf("%s may %s %s: %d", have, r.method, r.path, got.status)
				case allowed && (got.status == http.StatusForbidden || got.status == http.StatusUnauthorized) && r.path != "/login":
					t.Errorf("%s may not %s %s: %d %s", have, r.method, r.path, got.status, got.body)
				}
				if !(r.role == open || have.Allows(r.role)) {
					if p := got.problem(t); !strings.Contains(p.Detail, string(r.role)) {
						t.Errorf("the refusal does not name the role %s: %s", r.role, p.Detail)
					}
				}
			}
		}
	})
}

func TestViewerCannotChangeAnything(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		token := f.token(auth.RoleViewer)
		for _, r := range f.table() {
			if r.method == http.MethodGet || r.role == open || r.path == "/logout" {
				continue
			}
			if got := f.as(token, r.method, example(r.path), "{}"); got.status != http.StatusForbidden {
				t.Errorf("%s %s: %d, want 403", r.method, r.path, got.status)
			}
		}
	})
}

func TestUnknownPathsAndMethodsOfTheAPI(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		token := f.token(auth.RoleViewer)
		for _, c := range []struct {
			method, path string
			status       int
			allow        string
		}{
			{"GET", "/api/nothing", 404, ""},
			{"GET", "/api/jobs/1/nothing", 404, ""},
			{"PUT", "/api/jobs", 405, "GET, POST"},
			{"OPTIONS", "/api/jobs/1", 405, "GET, DELETE"},
			{"POST", "/api/admin/ssot", 405, "GET"},
			{"PATCH", "/openapi.json", 405, "GET"},
		} {
			r := f.as(token, c.method, c.path, "")
			if r.status != c.status || r.header.Get("Allow") != c.allow {
				t.Errorf("%s %s: %d, Allow %q; want %d, %q", c.method, c.path, r.status, r.header.Get("Allow"), c.status, c.allow)
			}
			r.problem(t)
		}
	})
}
