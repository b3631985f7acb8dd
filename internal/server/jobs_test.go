package server

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/worker"
)

// working gives the fixture a job service that runs attempts.
func working(t *testing.T, d *dbtest.Breakable) *fixture {
	t.Helper()
	return newFixture(t, d, func(f *fixture, o *Options) {
		service, err := worker.New(t.Context(), worker.Options{
			DB: f.db.DB, Fleet: o.Agents().Fleet, DataDir: t.TempDir(),
		})
		must(t, err)
		must(t, service.Start(t.Context()))
		t.Cleanup(func() {
			ctx, cancel := context.WithCancel(context.Background())
			cancel() // do not wait for what runs
			if err := service.Stop(ctx); err != nil {
				t.Errorf("stop the jobs: %v", err)
			}
		})
		o.Jobs = service
	})
}

// Arguments are text until somebody needs them as numbers: no digit is lost on the way to the agent and to the screen.
func TestArgumentsKeepTheirNumbers(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := working(t, d)
		token := f.token(auth.RoleOperator)
		for _, number := range []string{"3544790567247868102", "-9223372036854775809", "1.10", "1e400", "123456789012345678901234567890.123456789"} {
			var job engine.Job
			r := f.as(token, "POST", "/api/jobs", `{"agent":"talk","args":{"n":`+number+`,"in":[{"n":`+number+`}]}}`)
			if r.json(t, &job); r.status != 201 {
				t.Fatalf("enqueue %s: %d %s", number, r.status, r.body)
			}
			var detail struct {
				Args struct {
					N  json.Number
					In []struct{ N json.Number }
				} `json:"args_json"`
			}
			f.as(token, "GET", fmt.Sprint("/api/jobs/", job.ID), "").json(t, &detail)
			want, _ := new(big.Rat).SetString(number)
			for _, n := range []json.Number{detail.Args.N, detail.Args.In[0].N} {
				if got, ok := new(big.Rat).SetString(n.String()); !ok || got.Cmp(want) != 0 || !strings.ContainsRune(number, 'e') && n.String() != number {
					t.Errorf("%s is shown as %s", number, n)
				}
			}
		}
		// Postgres has no number of so many digits; SQLite keeps the text.
		if r := f.as(token, "POST", "/api/jobs", `{"agent":"talk","args":{"n":1e999999}}`); r.status != 201 && r.status != 422 {
			t.Errorf("1e999999: %d %s", r.status, r.body)
		}
		if r := f.as(token, "POST", "/api/jobs", `{"agent":"talk","priority":1e400}`); r.status != 422 {
			t.Errorf("a priority of 1e400: %d %s", r.status, r.body)
		}
	})
}

func TestEnqueueRunFollowAndAct(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := working(t, d)
		token := f.token(auth.RoleOperator)

		var job engine.Job
		r := f.as(token, "POST", "/api/jobs", `{"agent":"talk","args":{"n":12345678901234567890,"password":"hunter2"},"tags":["test"]}`)
		r.json(t, &job)
		if r.status != 201 || job.ID == "" || job.Agent != "talk" || strings.Contains(r.body, "hunter2") {
			t.Fatalf("enqueue: %d %s", r.status, r.body)
		}
		var detail engine.Detail
		waitFor(t, "a run", func() bool {
			f.as(token, "GET", fmt.Sprint("/api/jobs/", job.ID), "").json(t, &detail)
			return detail.LogRunID != nil
		})
		var log RunLog
		waitFor(t, "the last line", func() bool {
			var more RunLog
			f.as(token, "GET", fmt.Sprintf("/api/runs/%s/logs?after=%d&wait=2", *detail.LogRunID, log.Next), "").json(t, &more)
			log.Lines, log.Next, log.Done = append(log.Lines, more.Lines...), more.Next, more.Done
			return log.Done
		})
		if len(log.Lines) == 0 || log.Lines[0].Msg != "hello" {
			t.Errorf("log: %+v", log)
		}
		waitFor(t, "the job's end", func() bool {
			f.as(token, "GET", fmt.Sprint("/api/jobs/", job.ID), "").json(t, &detail)
			return detail.State == "completed"
		})
		if detail.Result == nil || !strings.Contains(*detail.Result, "12345678901234567890") || strings.Contains(string(detail.ArgsJSON), "hunter2") {
			t.Errorf("detail: %+v", detail)
		}

		if r := f.as(token, "POST", fmt.Sprintf("/api/jobs/%s/cancel", job.ID), ""); r.status != 409 {
			t.Errorf("cancel what has ended: %d %s", r.status, r.body)
		} else if p := r.problem(t); !strings.Contains(p.Detail, "already ended") {
			t.Errorf("detail: %s", p.Detail)
		}
		if r := f.as(token, "POST", fmt.Sprintf("/api/jobs/%s/retry", job.ID), ""); r.status != 200 {
			t.Errorf("retry: %d %s", r.status, r.body)
		}
		waitFor(t, "the second end", func() bool {
			f.as(token, "GET", fmt.Sprint("/api/jobs/", job.ID), "").json(t, &detail)
			return detail.State == "completed" && len(detail.Runs) == 2
		})
		if r := f.as(token, "DELETE", fmt.Sprint("/api/jobs/", job.ID), ""); r.status != 204 || r.body != "" {
			t.Errorf("delete: %d %s", r.status, r.body)
		}
		if r := f.as(token, "GET", fmt.Sprint("/api/jobs/", job.ID), ""); r.status != 404 {
			t.Errorf("after deleting: %d", r.status)
		}
		wantAudit := []string{"job.delete ok", "job.retry ok", "job.cancel refused", "job.enqueue ok"}
		if got := f.audit(); !slices.Equal(got[:4], wantAudit) {
			t.Errorf("audit: %v", got)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if !slices.Contains(f.happened, engine.JobEnqueued) || !slices.Contains(f.happened, engine.JobChanged) {
			t.Errorf("events: %v", f.happened)
		}
	})
}

func TestHangingUpLeavesATrace(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		s := f.handler.(*server)
		ctx, hangUp := context.WithCancel(auth.WithActor(t.Context(), auth.Actor{Name: "eve", Kind: auth.KindToken}))
		hangUp()
		s.acted(ctx, "job.cancel", "job 7", nil, engine.JobChanged)
		if got := f.audit(); len(got) == 0 || got[0] != "job.cancel ok" {
			t.Errorf("audit: %v", got)
		}
	})
}

func TestPauseAndResume(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := working(t, d)
		token := f.token(auth.RoleOperator)
		paused := func() bool {
			var list QueueList
			f.as(token, "GET", "/api/queues", "").json(t, &list)
			i := slices.IndexFunc(list.Queues, func(q engine.Queue) bool { return q.Name == "slow" })
			return i >= 0 && list.Queues[i].PausedAt != nil
		}
		for _, kind := range []string{"agents", "queues"} {
			if r := f.as(token, "POST", "/api/"+kind+"/slow/pause", ""); r.status != 204 || !paused() {
				t.Errorf("pause %s: %d %s", kind, r.status, r.body)
			}
			if r := f.as(token, "POST", "/api/"+kind+"/slow/resume", ""); r.status != 204 || paused() {
				t.Errorf("resume %s: %d %s", kind, r.status, r.body)
			}
			if r := f.as(token, "POST", "/api/"+kind+"/nobody/pause", ""); r.status != 404 {
				t.Errorf("pause unknown %s: %d", kind, r.status)
			} else {
				r.problem(t)
			}
		}
	})
}

func TestCancelAWaitingJob(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := working(t, d)
		token := f.token(auth.RoleOperator)
		later := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
		var job engine.Job
		f.as(token, "POST", "/api/jobs", `{"agent":"slow","scheduled_at":"`+later+`"}`).json(t, &job)
		if job.State != "scheduled" {
			t.Errorf("state %s", job.State)
		}
		var cancelled engine.Job
		f.as(token, "POST", fmt.Sprintf("/api/jobs/%s/cancel", job.ID), "").json(t, &cancelled)
		if cancelled.State != "cancelled" {
			t.Errorf("after cancel: %s", cancelled.State)
		}
	})
}

func TestListJobsPagesAndFilters(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		token := f.token(auth.RoleOperator)
		for i := range 5 {
			name := []string{"hash", "slow"}[i%2]
			f.as(token, "POST", "/api/jobs", fmt.Sprintf(`{"agent":%q,"args":{"path":"file-%d"}}`, name, i))
		}
		var ids []engine.ID
		for cursor, more := "", true; more; {
			var page engine.Page
			f.as(token, "GET", "/api/jobs?limit=2&cursor="+cursor, "").json(t, &page)
			for _, j := range page.Jobs {
				ids = append(ids, j.ID)
			}
			if more = page.Next != nil; more {
				cursor = string(*page.Next)
			}
		}
		if len(ids) != 5 || !slices.IsSortedFunc(ids, func(a, b engine.ID) int { return strings.Compare(string(b), string(a)) }) {
			t.Errorf("pages: %v", ids)
		}
		for query, want := range map[string]int{
			"agent=hash": 3, "queue=slow": 2, "state=available": 5, "state=running,completed": 0, "q=file-3": 1,
			"since=2100-01-01T00:00:00Z": 0, "until=2100-01-01T00:00:00Z": 5, "": 5,
			"since=9999-12-31T23:59:59-05:00": 0, "until=9999-12-31T23:59:59-05:00": 5, "since=0000-01-01T00:00:00%2B14:00": 5,
		} {
			var page engine.Page
			r := f.as(token, "GET", "/api/jobs?"+query, "")
			r.json(t, &page)
			if r.status != 200 || len(page.Jobs) != want || page.Jobs == nil {
				t.Errorf("%s: %d with %d jobs, want %d", query, r.status, len(page.Jobs), want)
			}
		}
	})
}

func TestMalformedRequestsAreExplained(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		token := f.token(auth.RoleAdmin)
		big := `{"agent":"hash","args":{"x":"` + strings.Repeat("x", 300<<10) + `"}}`
		for _, c := range []struct {
			name, method, path, body string
			status                   int
			mentions                 string
		}{
			{"no JSON", "POST", "/api/jobs", `{"agent":`, 400, "body"},
			{"no agent", "POST", "/api/jobs", `{}`, 422, "agent"},
			{"unknown agent", "POST", "/api/jobs", `{"agent":"nobody"}`, 422, "hash"},
			{"args are a list", "POST", "/api/jobs", `{"agent":"hash","args":[1]}`, 422, "body.args"},
			{"args are null", "POST", "/api/jobs", `{"agent":"hash","args":null}`, 422, "JSON object"},
			{"args too large", "POST", "/api/jobs", big, 422, "put the data into a file"},
			{"body too large", "POST", "/api/jobs", strings.Repeat("x", 2<<20), 413, "too large"},
			{"misspelt field", "POST", "/api/jobs", `{"agent":"hash","prio":1}`, 422, "body.prio"},
			{"a time that cannot be kept", "POST", "/api/jobs", `{"agent":"hash","scheduled_at":"9999-12-31T23:59:59-05:00"}`, 422, "use a time before 9999-12-31T00:00:00Z"},
			{"bad priority", "POST", "/api/jobs", `{"agent":"hash","priority":9}`, 422, "body.priority"},
			{"an id that no job has", "GET", "/api/jobs/x", "", 404, "There is no job x"},
			{"bad state", "GET", "/api/jobs?state=done", "", 422, "query.state"},
			{"misspelt filter", "GET", "/api/jobs?sate=running", "", 422, "query.sate"},
			{"bad limit", "GET", "/api/jobs?limit=0", "", 422, "query.limit"},
			{"bad cursor", "GET", "/api/jobs?cursor=zzz", "", 422, "cursor"},
			{"bad time", "GET", "/api/jobs?since=yesterday", "", 422, "query.since"},
			{"unknown job", "GET", "/api/jobs/999", "", 404, "999"},
			{"unknown run", "GET", "/api/runs/999/logs", "", 404, "999"},
			{"unknown agent's page", "GET", "/api/agents/nobody", "", 404, "nobody"},
			{"delete unknown", "DELETE", "/api/jobs/999", "", 404, "999"},
			{"weak password", "POST", "/api/users", `{"name":"bob","role":"viewer","password":"short"}`, 422, "body.password"},
			{"bad name", "POST", "/api/users", `{"name":"B o b","role":"viewer","password":"long enough"}`, 422, "a-z"},
			{"bad role", "POST", "/api/users", `{"name":"bob","role":"root","password":"long enough"}`, 422, "body.role"},
			{"unknown user", "DELETE", "/api/users/nobody", "", 404, "nobody"},
			{"unknown token", "DELETE", "/api/tokens/nothing", "", 404, "nothing"},
		} {
			r := f.as(token, c.method, c.path, c.body)
			p := r.problem(t)
			if r.status != c.status || !strings.Contains(r.body, c.mentions) {
				t.Errorf("%s: %d, want %d mentioning %q: %.300s", c.name, r.status, c.status, c.mentions, r.body)
			}
			if strings.Contains(r.body, "long enough") || p.Detail == "" {
				t.Errorf("%s: %s", c.name, r.body)
			}
		}
	})
}

func TestAgentsShowNoSecrets(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		token := f.token(auth.RoleViewer)
		for _, path := range []string{"/api/agents", "/api/agents/hash"} {
			r := f.as(token, "GET", path, "")
			if r.status != 200 || strings.Contains(r.body, "hunter2") || !strings.Contains(r.body, "SECRET_KEY") {
				t.Errorf("%s: %d %s", path, r.status, r.body)
			}
		}
		var spec AgentSpec
		f.as(token, "GET", "/api/agents/hash", "").json(t, &spec)
		if spec.Name != "hash" || len(spec.Command) != 3 || spec.TimeoutS != 300 || *spec.Schedule != "@every 20s" || spec.Backoff.InitialMS != 1000 {
			t.Errorf("%+v", spec)
		}
		var list AgentList
		f.as(token, "GET", "/api/agents", "").json(t, &list)
		if len(list.Agents) != 3 || list.Agents[0].Name != "hash" {
			t.Errorf("%+v", list)
		}
		var workers WorkerList
		if r := f.as(token, "GET", "/api/workers", ""); !json.Valid([]byte(r.body)) || !strings.Contains(r.body, `"workers":[`) {
			t.Errorf("%s", r.body)
		} else {
			r.json(t, &workers)
		}
	})
}

func TestDatabaseDownIsSaid(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		token := f.token(auth.RoleOperator)
		d.Break()
		for _, c := range [][2]string{{"GET", "/api/jobs"}, {"GET", "/api/queues"}, {"GET", "/api/workers"}, {"POST", "/api/jobs"}, {"POST", "/api/queues/hash/pause"}} {
			r := f.as(token, c[0], c[1], map[bool]string{true: `{"agent":"hash"}`}[c[1] == "/api/jobs" && c[0] == "POST"])
			if r.status != 503 || r.header.Get("Retry-After") == "" {
				t.Errorf("%s %s: %d %s", c[0], c[1], r.status, r.body)
			}
			if p := r.problem(t); strings.Contains(r.body, "sql") || !strings.Contains(f.log.String(), p.RequestID) {
				t.Errorf("%s %s: the user gets %s, the log %s", c[0], c[1], r.body, f.log.String())
			}
		}
	})
}

// audit returns actions and outcomes, newest first.
func (f *fixture) audit() []string {
	f.t.Helper()
	entries, err := f.auth.ListAudit(f.t.Context(), 0, 100, "")
	must(f.t, err)
	var out []string
	for _, e := range entries {
		out = append(out, e.Action+" "+e.Outcome)
	}
	return out
}

// waitFor polls until ok, or fails after 10 s.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}
