package server

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
)

// A job's answer has the beginning of what is long, and says where the rest is.
func TestTheRestOfALargeJobIsThereOnRequest(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		token := f.token(auth.RoleOperator)
		r := f.as(token, "POST", "/api/jobs", `{"agent":"hash","args":{"path":"x"}}`)
		var job engine.Job
		must(t, json.Unmarshal([]byte(r.body), &job))
		for n := range 45 {
			_, err := d.Write.ExecContext(t.Context(), `insert into run (job_id, attempt, max_attempts, agent, queue, worker, outcome, scheduled_ms, started_ms, ended_ms, wait_ms, result)
				values ($1, $2, 50, 'hash', 'hash', 'w', 'ok', 1, 1, 1, 0, $3)`, job.ID, n+1, strings.Repeat("r", 200_000))
			must(t, err)
		}
		path := "/api/jobs/" + string(job.ID)
		get := func(path string, into any) {
			t.Helper()
			r := f.as(token, "GET", path, "")
			if r.status != 200 || len(r.body) > 400_000 {
				t.Fatalf("%s: %d, %d bytes: %.300s", path, r.status, len(r.body), r.body)
			}
			must(t, json.Unmarshal([]byte(r.body), into))
		}
		var detail engine.Detail
		get(path, &detail)
		if len(detail.Runs) != 20 || detail.RunsTotal != 45 || detail.RunsNext == nil || !detail.ResultCut {
			t.Fatalf("%d runs, cut %v", len(detail.Runs), detail.ResultCut)
		}
		var page engine.RunPage
		get(path+"/runs?limit=100&cursor="+string(*detail.RunsNext), &page)
		if len(page.Runs) != 25 || page.Next != nil {
			t.Errorf("%d older runs", len(page.Runs))
		}
		var errors engine.ErrorPage
		get(path+"/errors", &errors)
		var text engine.Text
		get(path+"/args", &text)
		if text.Text != `{"path":"x"}` && text.Text != `{"path": "x"}` {
			t.Errorf("args %q", text.Text)
		}
		var all sync.WaitGroup
		for range 3 * largeAtOnce { // more than are made at a time: the others wait
			all.Go(func() {
				r := f.as(token, "GET", "/api/runs/"+string(*detail.RunsNext)+"/result", "")
				if r.status != 200 || len(r.body) < 200_000 {
					t.Errorf("a result: %d, %d bytes", r.status, len(r.body))
				}
			})
		}
		all.Wait()
		for _, path := range []string{path + "/runs?cursor=x", path + "/runs?limit=1000", "/api/jobs/99999999/args", "/api/runs/99999999/result"} {
			if r := f.as(token, "GET", path, ""); r.status != 422 && r.status != 404 {
				t.Errorf("%s: %d", path, r.status)
			}
		}
	})
}
