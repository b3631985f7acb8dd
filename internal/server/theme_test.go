package server

import (
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
)

func TestPagesHaveTheThemeThatTheBrowserKeeps(t *testing.T) {
	f := newFixture(t, dbtest.NewBreakable(t, db.SQLite))
	f.user("ada", auth.RoleViewer)
	browser := f.browser()
	stranger := f.browser()
	f.login(browser, "ada")
	for cookie, want := range map[string]string{
		"": "light dark", "agentos_theme=dark": "dark", "agentos_theme=light": "light", `agentos_theme="><script>`: "light dark",
	} {
		r := f.get(browser, "/no/such/page", "Cookie", cookie, "Accept", "text/html")
		if r.status != 404 || !strings.Contains(r.body, `<meta name="color-scheme" content="`+want+`">`) {
			t.Errorf("%q: %d %s", cookie, r.status, r.body)
		}
	}
	for cookie, want := range map[string]string{
		"":                                    `<html lang="en">`,
		"agentos_theme=dark":                  `<html lang="en" data-theme="dark">`,
		"agentos_theme=light":                 `<html lang="en" data-theme="light">`,
		"agentos_theme=":                      `<html lang="en">`,
		`agentos_theme="><script>`:            `<html lang="en">`,
		"agentos_theme=x; agentos_theme=dark": `<html lang="en" data-theme="dark">`,
	} {
		for _, coding := range [][]string{nil, {"Accept-Encoding", "identity"}} { // without, the client asks for gzip and unpacks it
			r := f.get(browser, "/", append(coding, "Cookie", cookie)...)
			if r.status != 200 || !strings.HasPrefix(r.body, "<!doctype html>"+want+"<head>") {
				t.Errorf("%q, %v: %d %.80s", cookie, coding, r.status, r.body)
			}
		}
		if r := f.get(stranger, "/login", "Cookie", cookie); !strings.HasPrefix(r.body, "<!doctype html>"+want) {
			t.Errorf("%q: login %.80s", cookie, r.body)
		}
	}
}
