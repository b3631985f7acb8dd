package server

import (
	"net/url"
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/db/dbtest"
)

// Whether a proxy takes the path off or leaves it on, browsers find everything below it and are led nowhere else.
func TestBelowAPathOfAProxy(t *testing.T) {
	const base = "/ops/agentos"
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d, func(_ *fixture, o *Options) { o.BasePath = base })
		f.user("ada", auth.RoleOperator)
		for name, prefix := range map[string]string{"left on": base, "taken off": ""} {
			t.Run(name, func(t *testing.T) {
				browser := f.browser()
				for path, want := range map[string]string{
					"/jobs?state=running": base + "/login?next=" + url.QueryEscape("/jobs?state=running"),
					"/":                   base + "/login",
				} {
					if r := f.get(browser, prefix+path); r.status != 303 || r.header.Get("Location") != want {
						t.Errorf("%s: %d, Location %q, want %q", path, r.status, r.header.Get("Location"), want)
					}
				}
				login := f.post(browser, prefix+"/login?next=%2Fjobs%3Fstate%3Drunning", "", url.Values{"name": {"ada"}, "password": {password}})
				if login.status != 303 || login.header.Get("Location") != base+"/jobs?state=running" {
					t.Fatalf("login: %d, Location %q", login.status, login.header.Get("Location"))
				}
				for _, path := range []string{"/", "/jobs", "/jobs/7"} {
					r := f.get(browser, prefix+path)
					if b, _ := blocks(t, r.body); r.status != 200 || b.Base != base {
						t.Errorf("%s: %d, base %q", path, r.status, b.Base)
					}
					if strings.Contains(r.body, `"/assets/`) || !strings.Contains(r.body, `"`+base+`/assets/app-1.js"`) {
						t.Errorf("%s asks for scripts elsewhere: %s", path, r.body)
					}
				}
				for path, want := range map[string]int{
					documentPath: 200, "/api/me": 200, "/api/nothing": 404, "/assets/app-1.css": 200, "/nothing": 404, "/livez": 200,
				} {
					if r := f.get(browser, prefix+path); r.status != want {
						t.Errorf("%s: %d, want %d", path, r.status, want)
					}
				}
				if r := f.get(browser, prefix+"/nothing"); !strings.Contains(r.body, `href="`+base+`/"`) {
					t.Errorf("the missing page leads elsewhere: %s", r.body)
				}
				if r := f.post(browser, prefix+"/logout", "", nil); r.status != 303 || r.header.Get("Location") != base+"/login" {
					t.Errorf("logout: %d, Location %q", r.status, r.header.Get("Location"))
				}
			})
		}
		if r := f.get(f.browser(), base); r.status != 308 || r.header.Get("Location") != base+"/" {
			t.Errorf("%s: %d, Location %q", base, r.status, r.header.Get("Location"))
		}
		if r := f.get(f.browser(), base+"x/login"); r.status != 404 {
			t.Errorf("a neighbour's path: %d", r.status)
		}
	})
}
