package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/runner"
	"github.com/agentos/agentos/internal/worker"
	"github.com/agentos/agentos/snapshot"
)

// TestMain makes the test binary the supervisor of the attempts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "supervisor" {
		os.Exit(runner.SupervisorMain())
	}
	goleak.VerifyTestMain(dbtest.Main(m))
}

const fleetText = `
agents:
  good: {command: [sh, -c, 'echo fine >&2']}
  bad: {command: [sh, -c, 'echo broken >&2; exit 3'], max_attempts: 1}
  later: {command: [sh, -c, 'true']}
  held: {command: [sh, -c, 'true']}
  long: {command: [sh, -c, 'echo "{\"progress\":0.5,\"msg\":\"half way\"}" >&2; exec sleep 600']}
`

// bed is a fleet at work on a database of its own, with all sections on top.
type bed struct {
	t        *testing.T
	database *db.DB
	service  *worker.Service
	panel    *snapshot.Panel
}

func newBed(t *testing.T, database *db.DB) *bed {
	t.Helper()
	fleet, err := agent.Parse("agentos.yaml", t.TempDir(), []byte(fleetText))
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{t: t, database: database}
	dataDir := t.TempDir()
	b.service, err = worker.New(t.Context(), worker.Options{DB: b.database, Fleet: fleet, DataDir: dataDir, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	fine := func(context.Context) document.Component { return document.Component{Status: "ok"} }
	loaded := Fleet{Fleet: fleet, LoadedAt: time.Now()}
	b.panel, err = snapshot.Open(t.Context(), snapshot.Options{PublishDelay: time.Minute, Sections: unhurried(Deps{
		Jobs: b.service, Fleet: func() Fleet { return loaded }, DataDir: dataDir, Version: "test", StartedAt: time.Now(),
		Database: fine, Cache: fine, Warmer: fine,
	})})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.service.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		gone, cancel := context.WithCancelCause(context.Background())
		cancel(errors.New("the test is over"))
		if err := b.service.Stop(gone); err != nil {
			t.Log(err)
		}
	})
	return b
}

// unhurried are all sections with the deadline of a machine that may be busy: bench_test.go has the times.
func unhurried(deps Deps) []snapshot.Section {
	sections := All(deps)
	for i := range sections {
		sections[i].Deadline = time.Minute
	}
	return sections
}

func (b *bed) enqueue(agent string, n int, delay time.Duration) {
	b.t.Helper()
	for i := range n {
		params := engine.EnqueueParams{Agent: agent, Args: json.RawMessage(fmt.Sprintf(`{"n":%d}`, i))}
		if delay > 0 {
			due := time.Now().Add(delay)
			params.ScheduledAt = &due
		}
		if _, err := b.service.Enqueue(b.t.Context(), params); err != nil {
			b.t.Fatal(err)
		}
	}
}

// document collects everything and decodes it.
func (b *bed) document() map[string]any {
	b.t.Helper()
	if err := b.panel.Refresh(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(b.panel.Current().JSON, &doc); err != nil {
		b.t.Fatal(err)
	}
	checkSchema(b.t, doc)
	return doc
}

// at follows keys into a document.
func at(t *testing.T, doc any, path ...string) any {
	t.Helper()
	for _, key := range path {
		object, ok := doc.(map[string]any)
		if !ok {
			t.Fatalf("%v: %q is not in an object", path, key)
		}
		if doc, ok = object[key]; !ok {
			t.Fatalf("%v: there is no %q", path, key)
		}
	}
	return doc
}

// count asks the database, past everything that is under test.
func (b *bed) count(query string) float64 {
	b.t.Helper()
	var n float64
	if err := b.database.Read.QueryRowContext(b.t.Context(), query).Scan(&n); err != nil {
		b.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// await waits until the jobs are as the test wants them and everything that ended is rolled up.
func (b *bed) await(want map[string]float64) {
	b.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		wrong := ""
		for state, n := range want {
			if got := b.count(`select count(*) from river_job where state = '` + state + `'`); got != n {
				wrong = fmt.Sprintf("%v jobs are %s, want %v", got, state, n)
			}
		}
		ended := b.count(`select count(*) from run where ended_ms is not null`)
		if runs := at(b.t, b.document(), "analytics", "day", "runs"); runs != ended {
			wrong = fmt.Sprintf("%v runs are counted of %v that ended", runs, ended)
		}
		if b.count(`select count(*) from run where progress is not null`) == 0 {
			wrong = "no progress is recorded yet"
		}
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatal(wrong)
		}
		<-time.After(20 * time.Millisecond) // polls another goroutine's work on the database
	}
}

func TestDocumentShowsWhatTheDatabaseHolds(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, database *db.DB) {
		b := newBed(t, database)
		if err := b.service.PauseAgent(t.Context(), "held"); err != nil {
			t.Fatal(err)
		}
		b.enqueue("good", 7, 0)
		b.enqueue("bad", 3, 0)
		b.enqueue("later", 2, time.Hour)
		b.enqueue("held", 4, 0)
		b.enqueue("long", 1, 0)
		b.await(map[string]float64{"completed": 7, "discarded": 3, "scheduled": 2, "available": 4, "running": 1})

		doc := b.document()
		state := func(s string) float64 { return b.count(`select count(*) from river_job where state = '` + s + `'`) }
		for _, tc := range []struct {
			want any
			path []string
		}{
			{state("available"), []string{"dashboard", "queue", "pending"}},
			{state("running"), []string{"dashboard", "queue", "processing"}},
			{state("scheduled"), []string{"dashboard", "queue", "scheduled"}},
			{state("available"), []string{"dashboard", "queue", "items", "held", "pending"}},
			{1.0, []string{"dashboard", "queue", "paused"}},
			{b.count(`select count(*) from river_job`), []string{"dashboard", "jobs", "total_today"}},
			{state("completed"), []string{"dashboard", "jobs", "completed_today"}},
			{b.count(`select count(*) from run where outcome in ('failed', 'timeout', 'lost')`), []string{"dashboard", "jobs", "failed_today"}},
			{3.0, []string{"dashboard", "jobs", "gave_up_today"}},
			{"degraded", []string{"dashboard", "system", "status"}},
			{3.0, []string{"dashboard", "system", "conditions", "gave_up", "params", "jobs"}},
			{4.0, []string{"dashboard", "system", "conditions", "paused_backlog", "params", "jobs"}},
			{"held", []string{"dashboard", "system", "conditions", "paused_backlog", "params", "queue"}},
			{1.0, []string{"dashboard", "workers", "total"}},
			{1.0, []string{"dashboard", "workers", "active"}},
			{1.0, []string{"dashboard", "workers", "busy"}},
			{5.0, []string{"agents_workers", "agents", "total_agents"}},
			{4.0, []string{"agents_workers", "agents", "active_agents"}},
			{1.0, []string{"agents_workers", "agents", "paused_agents"}},
			{"paused", []string{"agents_workers", "agents", "items", "held", "state"}},
			{4.0, []string{"agents_workers", "agents", "items", "held", "waiting"}},
			{"running", []string{"agents_workers", "agents", "items", "long", "state"}},
			{"failing", []string{"agents_workers", "agents", "items", "bad", "state"}},
			{"idle", []string{"agents_workers", "agents", "items", "good", "state"}},
			{7.0, []string{"agents_workers", "agents", "items", "good", "runs_24h"}},
			{100.0, []string{"agents_workers", "agents", "items", "good", "success_rate"}},
			{0.0, []string{"agents_workers", "agents", "items", "bad", "success_rate"}},
			{nil, []string{"agents_workers", "agents", "items", "later", "success_rate"}},
			{70.0, []string{"analytics", "success_rate"}},
			{10.0, []string{"analytics", "hour", "runs"}},
			{3.0, []string{"analytics", "hour", "failed"}},
		} {
			if got := at(t, doc, tc.path...); got != tc.want {
				t.Errorf("%v = %v, want %v", tc.path, got, tc.want)
			}
		}
		b.checkLists(doc)
	})
}

// checkLists checks the entities that the lists of the document name.
func (b *bed) checkLists(doc map[string]any) {
	t := b.t
	t.Helper()
	newest := at(t, doc, "dashboard", "jobs", "newest").(map[string]any)
	if want := min(b.count(`select count(*) from river_job`), newestShown); float64(len(newest)) != want {
		t.Errorf("%d newest jobs are shown, want %v", len(newest), want)
	}
	running := at(t, doc, "dashboard", "jobs", "running").(map[string]any)
	if len(running) != 1 {
		t.Fatalf("%d running jobs are shown, want 1", len(running))
	}
	for _, job := range running {
		if at(t, job, "agent") != "long" || at(t, job, "progress") != 0.5 || at(t, job, "message") != "half way" {
			t.Errorf("the running job is shown as %v", job)
		}
	}
	failures := at(t, doc, "dashboard", "jobs", "failures").(map[string]any)
	if len(failures) != 1 {
		t.Errorf("%d kinds of failures are shown, want 1", len(failures))
	}
	for _, failure := range failures {
		if at(t, failure, "exit_code") != 3.0 || at(t, failure, "similar_24h") != 3.0 || at(t, failure, "gave_up") != 3.0 {
			t.Errorf("a failure is shown as %v", failure)
		}
	}
	lines := at(t, doc, "logs", "items").(map[string]any)
	if want := min(b.count(`select count(*) from run_log`), logLinesShown); float64(len(lines)) != want {
		t.Errorf("%d log lines are shown, want %v", len(lines), want)
	}
}

// Every path of the contract is there from the first document on, on an empty database too.
func TestEmptyDatabaseHasEveryPathOfTheContract(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, database *db.DB) {
		b := newBed(t, database)
		doc := b.document()
		for _, path := range [][]string{
			{"dashboard", "system", "status"},
			{"dashboard", "system", "cpu"},
			{"dashboard", "system", "memory"},
			{"dashboard", "workers", "total"},
			{"dashboard", "workers", "active"},
			{"dashboard", "queue", "pending"},
			{"dashboard", "queue", "processing"},
			{"dashboard", "jobs", "total_today"},
			{"agents_workers", "agents", "total_agents"},
			{"agents_workers", "agents", "active_agents"},
			{"analytics", "success_rate"},
			{"logs"},
			{"timestamp"},
			{"meta", "version"},
			{"meta", "revision"},
			{"meta", "sections", "queue", "as_of"},
			{"meta", "sections", "queue", "took_ms"},
			{"meta", "sections", "queue", "error"},
		} {
			at(t, doc, path...)
		}
		if got := at(t, doc, "analytics", "success_rate"); got != nil {
			t.Errorf("success rate of no runs = %v, want null", got)
		}
	})
}
