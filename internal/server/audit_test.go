package server

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
)

// entries returns what the audit log has, newest first.
func (f *fixture) entries() []auth.Entry {
	f.t.Helper()
	entries, err := f.auth.ListAudit(f.t.Context(), 0, 500, "")
	must(f.t, err)
	return entries
}

// A request that a role does not allow is in the audit log with what was asked for, the role it needs and the role it has; nothing else happened.
func TestWhatARoleRefusesIsRecorded(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		f.user("vera", auth.RoleViewer)
		browser := f.browser()
		f.login(browser, "vera")
		for _, r := range f.table() {
			if r.role == open || r.role == auth.RoleViewer {
				continue
			}
			have := auth.RoleViewer
			if r.role == auth.RoleAdmin {
				have = auth.RoleOperator
			}
			token := f.token(have) // one each: what one does over and over is summed
			if got := f.as(token, r.method, example(r.path), "{}"); got.status != http.StatusForbidden {
				t.Fatalf("%s %s as %s: %d", r.method, r.path, have, got.status)
			}
			e := f.entries()[0]
			if e.Action != "access.denied" || e.Class != auth.ClassRefused || e.Outcome != "refused" || e.Target != r.method+" "+example(r.path) ||
				e.Kind != auth.KindToken || !strings.HasPrefix(e.Actor, string(have)+"-") || !strings.HasPrefix(e.Remote, "127.0.0.1:") ||
				e.Detail != fmt.Sprintf("needs the role %s, has %s", r.role, have) {
				t.Errorf("%s %s as %s: %+v", r.method, r.path, have, e)
			}
		}
		if r := f.post(browser, "/api/queues/slow/pause", f.url, nil); r.status != http.StatusForbidden {
			t.Fatalf("a viewer's session: %d %s", r.status, r.body)
		}
		if e := f.entries()[0]; e.Action != "access.denied" || e.Actor != "vera" || e.Kind != auth.KindSession || e.Target != "POST /api/queues/slow/pause" {
			t.Errorf("a viewer's session: %+v", e)
		}
		// Without a credential there is nobody to name, and one's own role refuses nothing.
		before := f.entries()[0].ID
		f.as("", "DELETE", "/api/jobs/1", "")
		f.as(f.token(auth.RoleOperator), "DELETE", "/api/jobs/1", "")
		for _, e := range f.entries() {
			if e.ID > before && e.Action == "access.denied" {
				t.Errorf("%+v", e)
			}
		}
	})
}

// A target names the agent too: when the job is deleted, or the agent no longer in the file, its number alone says nothing.
func TestTargetsOfTheAuditLogSayWhatWasActedOn(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		token := f.token(auth.RoleOperator)
		var job engine.Job
		f.as(token, "POST", "/api/jobs", `{"agent":"slow"}`).json(t, &job)
		path := fmt.Sprint("/api/jobs/", job.ID)
		name := fmt.Sprintf("job %s of slow", job.ID)
		gone := fmt.Sprintf("job %s", job.ID)
		_, err := d.Write.ExecContext(t.Context(), `insert into river_job (kind, args, queue, max_attempts, state) values ('former', '{}', 'former', 1, 'available')`)
		must(t, err)
		id, _ := job.ID.Number()
		former := id + 1
		for _, c := range []struct {
			method, path string
			status       int
			want         string // the entry: action, target, outcome
		}{
			{"POST", path + "/cancel", 200, "job.cancel " + name + " ok"},
			{"POST", path + "/cancel", 409, "job.cancel " + name + " refused"},
			{"POST", path + "/retry", 200, "job.retry " + name + " ok"},
			{"DELETE", path, 204, "job.delete " + name + " ok"},
			{"DELETE", path, 404, "job.delete " + gone + " refused"},
			{"POST", path + "/retry", 404, "job.retry " + gone + " refused"},
			{"POST", fmt.Sprintf("/api/jobs/%d/cancel", former), 200, fmt.Sprintf("job.cancel job %d of former ok", former)},
			{"DELETE", fmt.Sprint("/api/jobs/", former), 204, fmt.Sprintf("job.delete job %d of former ok", former)},
			{"POST", "/api/agents/slow/pause", 204, "agent.pause slow ok"},
			{"POST", "/api/agents/gone/resume", 404, "agent.resume gone refused"},
			{"POST", "/api/queues/gone/pause", 404, "queue.pause gone refused"},
		} {
			if r := f.as(token, c.method, c.path, ""); r.status != c.status {
				t.Fatalf("%s %s: %d %s", c.method, c.path, r.status, r.body)
			}
			e := f.entries()[0]
			if got := e.Action + " " + e.Target + " " + e.Outcome; got != c.want {
				t.Errorf("%s %s: %q, want %q", c.method, c.path, got, c.want)
			}
		}
		f.as(token, "POST", "/api/jobs", `{"agent":"gone"}`)
		if e := f.entries()[0]; e.Action != "job.enqueue" || e.Target != "gone" || e.Outcome != "refused" {
			t.Errorf("enqueue for an agent that is not there: %+v", e)
		}
		for _, e := range f.entries() {
			if e.Action == "job.enqueue" && e.Outcome == "ok" && e.Target != name {
				t.Errorf("enqueue: %+v", e)
			}
		}
	})
}
