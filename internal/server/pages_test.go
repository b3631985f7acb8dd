package server

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/db/dbtest"
)

var blockPattern = regexp.MustCompile(`<script type="application/json" id="(boot|snapshot)">(.*?)</script>`)

// agePattern is what differs between two pages within a millisecond.
var agePattern = regexp.MustCompile(`"age_s":[0-9.]+|"now":"[^"]+"`)

// blocks reads the data inside a page.
func blocks(t *testing.T, page string) (b boot, document map[string]any) {
	t.Helper()
	found := blockPattern.FindAllStringSubmatch(page, -1)
	if len(found) != 2 || found[0][1] != "boot" || found[1][1] != "snapshot" {
		t.Fatalf("data blocks: %q in %s", found, page)
	}
	must(t, json.Unmarshal([]byte(found[0][2]), &b))
	must(t, json.Unmarshal([]byte(found[1][2]), &document))
	return b, document
}

func TestPagesCarryTheDocument(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		f.user("ada", auth.RoleOperator)
		browser := f.browser()
		f.login(browser, "ada")
		f.publish("</script><script>alert(1)</script>")
		for _, path := range []string{"/", "/jobs", "/jobs/7", "/agents", "/agents/hash", "/workers", "/settings"} {
			r := f.get(browser, path) // the client asks for gzip and unpacks it
			if r.status != 200 || r.header.Get("Cache-Control") != "no-store" || r.header.Get("Content-Type") != "text/html; charset=utf-8" {
				t.Errorf("%s: %d %v", path, r.status, r.header)
			}
			b, document := blocks(t, r.body)
			if b.Me != (me{"ada", auth.RoleOperator}) || b.Version != "test" || b.Served.Rung != "memory" || b.Served.Stale || time.Since(b.Now).Abs() > time.Minute {
				t.Errorf("%s: boot %+v", path, b)
			}
			status := document["dashboard"].(map[string]any)["system"].(map[string]any)["status"]
			if status != "</script><script>alert(1)</script>" {
				t.Errorf("%s: the document arrived as %v", path, document)
			}
			if !strings.HasSuffix(r.body, "</body></html>") {
				t.Errorf("%s: the page is cut: %s", path, r.body)
			}
		}
	})
}

func TestPageIsTheSamePackedAndPlain(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		f.user("ada", auth.RoleViewer)
		browser := f.browser()
		f.login(browser, "ada")
		timeless := func(r reply) string { return agePattern.ReplaceAllString(r.body, "") }
		plain := f.get(browser, "/", "Accept-Encoding", "identity")
		if packed := f.get(browser, "/"); timeless(plain) != timeless(packed) {
			t.Errorf("unpacked it is another page:\n%s\n%s", plain.body, packed.body)
		}
	})
}

func TestPageWithoutDocument(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d, func(_ *fixture, o *Options) { o.Panel = emptyPanel(t) })
		f.user("ada", auth.RoleViewer)
		browser := f.browser()
		f.login(browser, "ada")
		r := f.get(browser, "/")
		if b, document := blocks(t, r.body); r.status != 200 || b.Served != nil || document != nil {
			t.Errorf("%d, %+v, %v", r.status, b, document)
		}
	})
}

func TestPagesAreClosedToOtherOrigins(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		f.user("ada", auth.RoleViewer)
		browser := f.browser()
		f.login(browser, "ada")
		for _, path := range []string{"/", "/login", "/nothing"} {
			h := f.get(browser, path).header
			for name, want := range map[string]string{
				"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'sha256-" + hashOf("body{}") + "'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
					"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'",
				"X-Content-Type-Options":       "nosniff",
				"Referrer-Policy":              "no-referrer",
				"Cross-Origin-Opener-Policy":   "same-origin",
				"Cross-Origin-Resource-Policy": "same-origin",
			} {
				if h.Get(name) != want {
					t.Errorf("%s: %s is %q", path, name, h.Get(name))
				}
			}
		}
	})
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func TestUnknownPage(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		for _, path := range []string{"/nothing", "/assets/nothing.js", "/index.html", "/assets/"} {
			r := f.as("", "GET", path, "")
			if r.status != 404 || !strings.Contains(r.body, "no such page") {
				t.Errorf("%s: %d %s", path, r.status, r.body)
			}
		}
	})
}

func TestAssets(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		r := f.as("", "GET", "/assets/app-1.js", "", "Accept-Encoding", "br, gzip")
		if r.status != 200 || r.body != "as packed by the build" || r.header.Get("Content-Encoding") != "gzip" ||
			r.header.Get("Cache-Control") != "public, max-age=31536000, immutable" || r.header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("packed: %d %v %q", r.status, r.header, r.body)
		}
		again := f.as("", "GET", "/assets/app-1.js", "", "Accept-Encoding", "gzip", "If-None-Match", r.header.Get("ETag"))
		if again.status != 304 || again.body != "" {
			t.Errorf("known: %d %q", again.status, again.body)
		}
		plain := f.as("", "GET", "/assets/app-1.js", "", "Accept-Encoding", "gzip;q=0")
		if plain.status != 200 || plain.header.Get("Content-Encoding") != "" || !strings.HasPrefix(plain.body, "export") ||
			plain.header.Get("ETag") == r.header.Get("ETag") || plain.header.Get("Content-Type") != "text/javascript; charset=utf-8" {
			t.Errorf("plain: %d %v %.40q", plain.status, plain.header, plain.body)
		}
		head := f.as("", "HEAD", "/assets/app-1.css", "")
		if head.status != 200 || head.header.Get("Content-Length") != "6" || head.body != "" {
			t.Errorf("HEAD: %d %v %q", head.status, head.header, head.body)
		}
		if icon := f.as("", "GET", "/favicon.svg", ""); icon.status != 200 || icon.header.Get("Content-Type") != "image/svg+xml" {
			t.Errorf("icon: %d %v", icon.status, icon.header)
		}
	})
}
