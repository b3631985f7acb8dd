package server

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
)

func TestLoginByForm(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		f.user("ada", auth.RoleViewer)
		browser := f.browser()
		if r := f.get(browser, "/login?next=/jobs"); r.status != 200 || !strings.Contains(r.body, "<form") || strings.Contains(r.body, "<!--agentos") {
			t.Errorf("login page: %d %s", r.status, r.body)
		}
		if r := f.get(browser, "/jobs/7?x=1"); r.status != 303 || r.header.Get("Location") != "/login?next=%2Fjobs%2F7%3Fx%3D1" {
			t.Errorf("page without session: %d %q", r.status, r.header.Get("Location"))
		}
		r := f.post(browser, "/login?next=%2Fjobs%2F7%3Fx%3D1", "", url.Values{"name": {"ada"}, "password": {password}})
		if r.status != 303 || r.header.Get("Location") != "/jobs/7?x=1" {
			t.Fatalf("login: %d %q %s", r.status, r.header.Get("Location"), r.body)
		}
		cookie := r.header.Get("Set-Cookie")
		for _, part := range []string{"agentos_session_", "=ses_", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age="} {
			if !strings.Contains(cookie, part) {
				t.Errorf("cookie %q has no %s", cookie, part)
			}
		}
		if r := f.get(browser, "/jobs/7"); r.status != 200 {
			t.Errorf("page with session: %d", r.status)
		}
		if r := f.get(browser, "/login?next=/agents"); r.status != 303 || r.header.Get("Location") != "/agents" {
			t.Errorf("login page with session: %d %q", r.status, r.header.Get("Location"))
		}
		if r := f.post(browser, "/logout", "", nil); r.status != 303 || r.header.Get("Location") != "/login" {
			t.Errorf("log-out: %d", r.status)
		}
		if r := f.get(browser, "/jobs/7"); r.status != 303 {
			t.Errorf("page after log-out: %d", r.status)
		}
	})
}

func TestLoginOverTLSSetsTheHostCookie(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d, func(_ *fixture, o *Options) { o.TLS = true })
		f.user("ada", auth.RoleViewer)
		r := f.login(f.browser(), "ada")
		if cookie := r.header.Get("Set-Cookie"); !strings.HasPrefix(cookie, "__Host-agentos_session_") || !strings.Contains(cookie, "Secure") {
			t.Errorf("cookie %q", cookie)
		}
		if r.header.Get("Strict-Transport-Security") == "" {
			t.Error("no Strict-Transport-Security")
		}
	})
}

func TestLoginSaysWhatIsWrong(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		f.user("ada", auth.RoleViewer)
		wrong := url.Values{"name": {"ada"}, "password": {"wrong password"}}
		r := f.post(f.browser(), "/login", "", wrong)
		if r.status != 401 || !strings.Contains(r.body, "Wrong name or password.") || !strings.Contains(r.body, "<form") {
			t.Errorf("wrong password: %d %s", r.status, r.body)
		}
		for range 30 {
			r = f.post(f.browser(), "/login", "", wrong)
		}
		if r.status != 429 || r.header.Get("Retry-After") == "" || !strings.Contains(r.body, "Too many attempts. Try again in ") {
			t.Errorf("too many attempts: %d, Retry-After %q, %s", r.status, r.header.Get("Retry-After"), r.body)
		}
	})
}

func TestLoginBeforeThereIsAnybody(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		if r := f.login(f.browser(), "admin"); r.status != 503 || r.header.Get("Retry-After") != "1" || !strings.Contains(r.body, "no account yet") {
			t.Errorf("%d %s", r.status, r.body)
		}
	})
}

func TestLoginWithDatabaseDown(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		d.Break()
		r := f.post(f.browser(), "/login", "", url.Values{"name": {"ada"}, "password": {password}})
		if r.status != 503 || r.header.Get("Retry-After") == "" || !strings.Contains(r.body, "database does not answer") {
			t.Errorf("%d, Retry-After %q, %s", r.status, r.header.Get("Retry-After"), r.body)
		}
	})
}

func TestPageForAnUnknownSessionWithDatabaseDown(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		d.Break()
		unknown := "ses_aaaaaaaa_" + strings.Repeat("a", 52)
		r := f.as("", "GET", "/jobs", "", "Cookie", f.auth.SessionCookie(unknown, false).Name+"="+unknown)
		if r.status != 503 || r.header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(r.body, "database does not answer") {
			t.Errorf("%d %v %s", r.status, r.header, r.body)
		}
	})
}

func TestOtherSitesCannotActForTheBrowser(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		f.user("root", auth.RoleAdmin)
		browser := f.browser()
		f.login(browser, "root")
		const evil = "https://evil.example"
		for _, path := range []string{"/login", "/logout", "/api/jobs", "/api/agents/hash/pause", "/api/tokens"} {
			if r := f.post(browser, path, evil, url.Values{"name": {"root"}, "password": {password}}); r.status != http.StatusForbidden {
				t.Errorf("POST %s from another site: %d", path, r.status)
			}
		}
		if r := f.get(browser, "/"); r.status != 200 {
			t.Errorf("the session did not survive: %d", r.status)
		}
	})
}

func TestLocalPath(t *testing.T) {
	for next, want := range map[string]string{
		"/jobs": "/jobs", "/jobs/7?tab=log": "/jobs/7?tab=log", "/": "/",
		"": "/", "jobs": "/", "//evil.example": "/", "/\\evil.example": "/", "https://evil.example": "/", "javascript:alert(1)": "/",
		"/\t/evil.example": "/", "/\n/evil.example": "/", "/api/me": "/", "/login": "/", "/login?next=/login": "/", "/logout": "/",
		"///evil.example": "/", "/jobs\x00": "/", "/" + strings.Repeat("a", 3000): "/",
	} {
		if got := localPath(next); got != want {
			t.Errorf("localPath(%q) = %q, want %q", next, got, want)
		}
	}
}

func TestLoginPageEscapesItsMessage(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		s := f.handler.(*server)
		w := &fakeWriter{header: http.Header{}}
		s.writeLogin(&call{ResponseWriter: w, request: httptest.NewRequest("GET", "/login", nil)}, 400, "<script>alert(1)</script>")
		if strings.Contains(w.body.String(), "<script>") {
			t.Errorf("unescaped: %s", w.body.String())
		}
	})
}

type fakeWriter struct {
	header http.Header
	body   strings.Builder
}

func (w *fakeWriter) Header() http.Header         { return w.header }
func (w *fakeWriter) Write(b []byte) (int, error) { return w.body.Write(b) }
func (w *fakeWriter) WriteHeader(int)             {}

func TestSignInToTwoFleetsOnOneHost(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		other := dbtest.NewBreakable(t, db.SQLite)
		dbtest.AnotherFleet(t, other.DB)
		a, b := newFixture(t, d), newFixture(t, other)
		browser := a.browser()
		a.user("ada", auth.RoleViewer)
		b.user("bob", auth.RoleViewer)
		a.login(browser, "ada")
		b.login(browser, "bob")
		for _, f := range []*fixture{a, b} {
			if r := f.get(browser, "/api/me"); r.status != http.StatusOK {
				t.Errorf("signed out by signing in elsewhere: %d %s", r.status, r.body)
			}
		}
		b.post(browser, "/logout", "", nil)
		if r := a.get(browser, "/api/me"); r.status != http.StatusOK {
			t.Errorf("signed out by signing out elsewhere: %d %s", r.status, r.body)
		}
	})
}
