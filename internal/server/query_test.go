package server

import (
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
)

// What a query asks for is done or refused: a filter that is passed over would show everything.
func TestQueriesAreRefusedRatherThanPassedOver(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := working(t, d)
		token := f.token(auth.RoleAdmin)
		for path, want := range map[string]string{
			"/api/jobs?state=bogus":                                    "query.state",
			"/api/jobs?stat=running":                                   "did you mean state?",
			"/api/jobs?colour=red":                                     "there are: state, agent",
			"/api/jobs?agent=talk&agent=other":                         "given 2 times: give it once",
			"/api/jobs?state=running&state=completed":                  "separated by commas",
			"/api/jobs?q=%zz":                                          "cannot be read",
			"/api/jobs?q=a;b":                                          "cannot be read",
			"/api/jobs?limit=many":                                     "query.limit",
			"/api/jobs?since=yesterday":                                "query.since",
			"/api/jobs?state=running&ended_since=2026-11-01T00:00:00Z": "have ended",
			"/api/jobs/" + strings.Repeat("9", engine.MaxID+1):         "path.id",
			"/api/agents?q=x&zzz=1":                                    "query.zzz",
			"/api/me?x=1":                                              "query.x",
			"/api/audit?limit=1&limit=2":                               "given 2 times",
			"/api/admin/ssot?section=jobs":                             "query.section",
			"/api/admin/ssot?revision=1":                               "query.revision",
			"/api/admin/ssot?%zz":                                      "cannot be read",
			"/api/admin/stream?revison=1":                              "did you mean revision?",
			"/api/admin/stream?revision=1&sections=jobs":               "query.sections",
			"/api/admin/stream?revision=1&revision=2":                  "given 2 times",
			"/api/admin/stream?revision=%zz":                           "cannot be read",
			"/api/admin/stream?revision=now":                           "query.revision",
		} {
			r := f.as(token, "GET", path, "")
			if r.status != 422 || !strings.Contains(r.body, want) {
				t.Errorf("%s: %d %s, want %q", path, r.status, r.body, want)
				continue
			}
			r.problem(t)
			if r.header.Get("X-Content-Type-Options") == "" || r.header.Get("ETag") != "" {
				t.Errorf("%s: %v", path, r.header)
			}
		}
		for _, path := range []string{"/api/jobs?state=&agent=&queue=&q=", "/api/jobs?state=running,completed&limit=1", "/api/jobs?q=a%20b%26c", "/api/admin/ssot", "/api/admin/ssot?"} {
			if r := f.as(token, "GET", path, ""); r.status != 200 {
				t.Errorf("%s: %d %s", path, r.status, r.body)
			}
		}
		if r := f.as("", "GET", "/api/admin/ssot?section=jobs", ""); r.status != 401 { // who asks comes first
			t.Errorf("without a credential: %d %s", r.status, r.body)
		}
		if r := f.as(token, "HEAD", "/api/admin/ssot?section=jobs", ""); r.status != 422 {
			t.Errorf("HEAD: %d", r.status)
		}
	})
}
