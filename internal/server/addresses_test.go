package server

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/db/dbtest"
)

// A rule of a proxy about /login, say, holds for every way to write it that reaches us.
func TestAddressesHaveOneForm(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		f.user("ada", auth.RoleViewer)
		admin := f.token(auth.RoleAdmin)
		for _, path := range []string{
			"/%6Cogin", "/%6cogin", "/log%69n", "/%2E/login", "/%61pi/jobs", "/api/admin/%73sot", "/api%2Fadmin%2Fssot", "/api/admin/stre%61m",
			"/api%2fjobs", "/LOGIN", "/login/", "/login%2F", "/login%00", "/assets/%2e%2e/login", "/livez/", "/%6Civez", "/%6Detrics", "/openapi%2Ejson",
		} {
			if r := f.as(admin, "GET", path, ""); r.status != http.StatusNotFound || r.header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("GET %s: %d %v", path, r.status, r.header)
			}
		}
		form := url.Values{"name": {"ada"}, "password": {password}}
		for _, path := range []string{"/%6Cogin", "/login/", "/LOGIN", "//login", "/./login", "/x/../login"} {
			r := f.post(f.browser(), path, "", form)
			if r.header.Get("Set-Cookie") != "" || r.status == http.StatusOK {
				t.Errorf("POST %s signs in: %d %v", path, r.status, r.header)
			}
		}
		for _, path := range []string{"//login", "/./login", "/x/../login"} {
			if r := f.as("", "GET", path, ""); r.status < 300 || r.status > 399 || r.header.Get("Location") != "/login" {
				t.Errorf("GET %s: %d to %q, want it sent to /login", path, r.status, r.header.Get("Location"))
			}
		}
		// What must be written as a code still is.
		if r := f.as(admin, "POST", "/api/queues/a%2Fb%20c/pause", ""); !strings.Contains(r.body, "a/b c") {
			t.Errorf("a queue's name with a slash: %d %s", r.status, r.body)
		}
	})
}

// Whatever the answer, a browser takes it for what it says it is.
func TestEveryAnswerForbidsSniffing(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		viewer := f.token(auth.RoleViewer)
		for _, token := range []string{viewer, "", "nonsense"} {
			for _, r := range f.table() {
				if r.path == "/api/admin/stream" && token == viewer {
					continue // it does not end
				}
				for _, method := range []string{r.method, "HEAD", "PATCH"} {
					if got := f.as(token, method, example(r.path), ""); got.header.Get("X-Content-Type-Options") != "nosniff" {
						t.Errorf("%s %s: %d %v", method, r.path, got.status, got.header)
					}
				}
			}
		}
		if r := f.as(viewer, "GET", documentPath, "", "If-None-Match", f.as(viewer, "GET", documentPath, "").header.Get("Etag")); r.status != http.StatusNotModified || r.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("an unchanged document: %d %v", r.status, r.header)
		}
		ctx := f.as(viewer, "GET", "/nowhere", "")
		if ctx.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("a page that does not exist: %v", ctx.header)
		}
	})
}
