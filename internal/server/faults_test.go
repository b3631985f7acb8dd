package server

import (
	"net/url"
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
)

// What no text column of Postgres can hold is the request's fault, or simply not there: never the database's failure.
func TestTextThatCannotBeStoredIsNoFailure(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		token := f.token(auth.RoleAdmin)
		for _, c := range []struct {
			method, path, body string
			status             []int
		}{
			{"GET", "/api/jobs?q=a%00b", "", []int{200, 422}},
			{"GET", "/api/jobs?q=%ff", "", []int{200, 422}},
			{"GET", "/api/jobs?agent=a%00b", "", []int{200, 422}},
			{"GET", "/api/jobs?queue=%ff", "", []int{200, 422}},
			{"GET", "/api/jobs?cursor=a%00b", "", []int{422}},
			{"GET", "/api/agents/a%00b", "", []int{404}},
			{"POST", "/api/agents/a%00b/pause", "", []int{404}},
			{"POST", "/api/queues/a%00b/pause", "", []int{404, 422}},
			{"POST", "/api/queues/%ff/resume", "", []int{404, 422}},
			{"DELETE", "/api/users/a%00b", "", []int{404}},
			{"DELETE", "/api/users/%ff", "", []int{404}},
			{"PUT", "/api/users/a%00b/role", `{"role":"viewer"}`, []int{404}},
			{"PUT", "/api/users/a%00b/password", `{"password":"long enough"}`, []int{404}},
			{"DELETE", "/api/tokens/aaaa%00aaa", "", []int{404}},
			{"POST", "/api/users", `{"name":"a\u0000b","role":"viewer","password":"long enough"}`, []int{422}},
			{"POST", "/api/users", `{"name":"bob","role":"viewer","password":"long\u0000enough"}`, []int{201}},
			{"POST", "/api/tokens", `{"name":"a\u0000b","role":"viewer"}`, []int{422}},
			{"POST", "/api/jobs", `{"agent":"a\u0000b"}`, []int{422}},
			{"POST", "/api/jobs", `{"agent":"hash","args":` + nested(1_100) + `}`, []int{422}},
			{"POST", "/api/jobs", `{"agent":"hash","args":` + nested(50_000) + `}`, []int{400, 422}},
			{"POST", "/api/jobs", `{"agent":"hash","queue":"a\u0000b"}`, []int{422}},
			{"POST", "/api/jobs", `{"agent":"hash","tags":["a\u0000b"]}`, []int{201, 422}},
			{"POST", "/api/jobs", `{"agent":"hash","args":{"x":"a\u0000b"}}`, []int{201, 422}},
			{"POST", "/api/jobs", `{"agent":"hash","args":{"x":"\ud800"}}`, []int{201, 422}},
			{"GET", "/api/jobs/9223372036854775807", "", []int{404}},
			{"GET", "/api/runs/9223372036854775807/logs?after=9223372036854775807", "", []int{404}},
			{"GET", "/api/audit?before=9223372036854775807", "", []int{200}},
			{"GET", "/api/jobs?since=0001-01-01T00:00:00Z&until=9999-12-31T23:59:59Z", "", []int{200}},
		} {
			r := f.as(token, c.method, c.path, c.body)
			ok := false
			for _, status := range c.status {
				ok = ok || r.status == status
			}
			if !ok {
				t.Errorf("%s %s %s: %d, want one of %v: %s", c.method, c.path, c.body, r.status, c.status, r.body)
			}
		}
		r := f.post(f.browser(), "/login", "", url.Values{"name": {"a\x00b"}, "password": {"\xff"}})
		if r.status != 401 {
			t.Errorf("login: %d %s", r.status, r.body)
		}
	})
}

// What Postgres says is reported as what it means for the request: wait, or correct it, or it is a fault of ours.
func TestFailuresOfPostgresAreReported(t *testing.T) {
	for name, c := range map[string]struct {
		fault  func(t *testing.T, d *dbtest.Breakable) (mend func())
		status int
	}{
		"gone":    {func(_ *testing.T, d *dbtest.Breakable) func() { d.Break(); return d.Mend }, 503},
		"hanging": {func(_ *testing.T, d *dbtest.Breakable) func() { d.Hang(); return d.Mend }, 503},
		"a table locked": {func(t *testing.T, d *dbtest.Breakable) func() {
			tx, err := d.Begin(t.Context())
			must(t, err)
			_, err = tx.ExecContext(t.Context(), `lock table auth_token, river_job in access exclusive mode`)
			must(t, err)
			return func() { must(t, tx.Rollback()) }
		}, 503},
		"a table missing": {func(t *testing.T, d *dbtest.Breakable) func() {
			_, err := d.Write.ExecContext(t.Context(), `alter table auth_token rename to away; alter table river_job rename to gone`)
			must(t, err)
			return func() {
				_, err := d.Write.ExecContext(t.Context(), `alter table away rename to auth_token; alter table gone rename to river_job`)
				must(t, err)
			}
		}, 500},
	} {
		t.Run(name, func(t *testing.T) {
			d := dbtest.NewBreakable(t, db.Postgres)
			f := newFixture(t, d)
			token := f.token(auth.RoleAdmin)
			f.as(token, "GET", "/api/jobs", "") // connects
			mend := c.fault(t, d)
			for _, path := range []string{"/api/tokens", "/api/jobs"} {
				r := f.as(token, "GET", path, "")
				if r.status != c.status || (r.header.Get("Retry-After") != "") != (c.status == 503) {
					t.Errorf("%s: %d, want %d: %s", path, r.status, c.status, r.body)
				}
				if p := r.problem(t); !strings.Contains(f.log.String(), p.RequestID) {
					t.Errorf("%s: the log does not have it: %s", path, f.log.String())
				}
			}
			if r := f.as(token, "GET", "/api/admin/ssot", ""); r.status != 200 {
				t.Errorf("the document: %d", r.status)
			}
			mend()
			waitFor(t, "everything works again", func() bool {
				return f.as(token, "GET", "/api/tokens", "").status == 200 && f.as(token, "GET", "/api/jobs", "").status == 200
			})
		})
	}
}

func TestEndedConnectionsAreMadeAnew(t *testing.T) {
	d := dbtest.NewBreakable(t, db.Postgres)
	f := newFixture(t, d)
	token := f.token(auth.RoleAdmin)
	for range 5 {
		_, err := d.Write.ExecContext(t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity
			where datname = current_database() and pid <> pg_backend_pid()`)
		must(t, err)
		waitFor(t, "an answer again", func() bool {
			r := f.as(token, "GET", "/api/jobs", "")
			if r.status != 200 && (r.status != 503 || r.header.Get("Retry-After") == "") {
				t.Errorf("%d %s", r.status, r.body)
			}
			return r.status == 200
		})
	}
}

func nested(levels int) string {
	return strings.Repeat(`{"a":`, levels-1) + `{}` + strings.Repeat(`}`, levels-1)
}
