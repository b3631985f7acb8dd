package source

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/worker"
	"github.com/agentos/agentos/snapshot"
)

// read makes readings as if every section had just been read.
func read(now time.Time, queues []engine.Queue, agents map[string]agentReading, workers int, hour engine.Window, gaveUp *int64) *readings {
	r := newReadings()
	for _, part := range readParts {
		r.at[part] = now
	}
	r.queues, r.agents, r.workers, r.hour, r.today.Recently = queues, agents, workers, hour, gaveUp
	return r
}

func TestHealthJudgesTheFleet(t *testing.T) {
	now := time.Now()
	due := func(d time.Duration) *engine.Time { return &engine.Time{Time: now.Add(-d)} }
	count := func(n int64) *int64 { return &n }
	fleet := Fleet{Fleet: &agent.Fleet{Agents: []*agent.Spec{{Name: "a", Queue: "q"}, {Name: "b", Queue: "q"}, {Name: "c", Queue: "r"}}}}
	served := map[string]agentReading{"a": {slots: 1}, "b": {slots: 1}, "c": {slots: 1}}
	for _, tc := range []struct {
		name     string
		readings *readings
		attached bool
		status   document.SystemStatus
		reasons  []string
	}{
		{"all is well", read(now, []engine.Queue{{Name: "q", Slots: new(2), Pending: new(int64(3)), OldestAt: due(time.Second)}}, served, 1, engine.Window{OK: 100, Failed: 9}, count(0)), false, "healthy", nil},
		{
			"no worker at all",
			read(now, []engine.Queue{{Name: "q", Pending: new(int64(3)), OldestAt: due(time.Minute)}}, map[string]agentReading{"a": {waiting: 2}, "b": {waiting: 1}}, 0, engine.Window{}, count(0)),
			false, "critical", []string{"3 jobs wait and no worker runs a and 1 other"},
		},
		{
			"one agent that nobody runs, in a queue that is served",
			read(now, []engine.Queue{{Name: "q", Slots: new(1), Pending: new(int64(3)), OldestAt: due(time.Minute)}}, map[string]agentReading{"a": {slots: 1, waiting: 2}, "b": {waiting: 1}}, 1, engine.Window{}, count(0)),
			false, "degraded", []string{"1 job waits and no worker runs b"},
		},
		{
			"jobs that are of no agent here",
			read(now, []engine.Queue{{Name: "old", Pending: new(int64(7)), OldestAt: due(time.Minute)}}, served, 1, engine.Window{}, count(0)),
			false, "degraded", []string{"7 jobs wait and no worker runs the queue old"},
		},
		{
			"nobody knows what another program's workers serve",
			read(now, []engine.Queue{{Name: "q", Pending: new(int64(3)), OldestAt: due(time.Minute)}}, map[string]agentReading{"a": {slots: -1, waiting: 3}}, 0, engine.Window{}, nil),
			true, "healthy", nil,
		},
		{"a worker has a moment to take a job", read(now, []engine.Queue{{Name: "q", Pending: new(int64(1)), OldestAt: due(time.Second)}}, map[string]agentReading{"a": {waiting: 1}}, 0, engine.Window{}, count(0)), false, "healthy", nil},
		{"four of four failed", read(now, nil, served, 1, engine.Window{Failed: 4}, count(0)), false, "degraded", []string{"4 of 4 attempts failed in the last hour"}},
		{"three say little", read(now, nil, served, 1, engine.Window{Failed: 3}, count(0)), false, "healthy", nil},
		{
			"one agent among many fails",
			read(now, nil, map[string]agentReading{"a": {slots: 1, ok: 1000}, "b": {slots: 1, ok: 1, failed: 9}}, 1, engine.Window{OK: 1001, Failed: 9}, count(0)),
			false, "degraded", []string{"b: 9 of 10 attempts failed in the last hour"},
		},
		{"jobs gave up", read(now, nil, served, 1, engine.Window{}, count(2)), false, "degraded", []string{"2 jobs gave up in the last hour"}},
		{
			"a job waits for long", read(now, []engine.Queue{{Name: "q", Slots: new(1), Pending: new(int64(9)), OldestAt: due(7*time.Minute + time.Second)}}, served, 1, engine.Window{}, count(0)),
			false, "degraded", []string{"queue q: the oldest job has waited 7 min"},
		},
		{
			"a paused queue with a backlog",
			read(now, []engine.Queue{{Name: "q", Pending: new(int64(5)), PausedAt: due(time.Hour), OldestAt: due(time.Hour)}, {Name: "r", PausedAt: due(time.Hour)}}, map[string]agentReading{"a": {waiting: 5}}, 0, engine.Window{}, count(0)),
			false, "degraded", []string{"queue q is paused with 5 jobs waiting"},
		},
		{"nothing is known", newReadings(), false, "degraded", []string{"not known at the moment: queues, agents, workers, attempts, jobs"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := &fleetHealth{readings: tc.readings, attached: tc.attached, raised: map[string]bool{}}
			var v document.System
			judge(&v, 0, f.judge(now, fleet))
			if v.Status != tc.status {
				t.Errorf("the status is %s, want %s", v.Status, tc.status)
			}
			if diff := cmp.Diff(tc.reasons, v.Reasons); diff != "" {
				t.Error(diff)
			}
			for key, c := range v.Conditions {
				if v.Reasons[c.Order] != (condition{Condition: c}).text() || key != string(c.Code) {
					t.Errorf("%s is %+v", key, c)
				}
			}
		})
	}
}

func TestConditionsLeadToWhatTheyAreAbout(t *testing.T) {
	for _, tc := range []struct {
		code   document.ConditionCode
		params map[string]any
		want   string
	}{
		{document.ConditionComponent, map[string]any{"component": "redis"}, ""},
		{document.ConditionNoWorker, map[string]any{"agents": 1, "agent": "hash"}, "/jobs?state=available&agent=hash"},
		{document.ConditionNoWorker, map[string]any{"agents": 4, "agent": "hash"}, "/jobs?state=available"},
		{document.ConditionNoWorker, map[string]any{"agents": 0, "agent": "the queue old", "queue": "old"}, "/jobs?state=available&queue=old"},
		{document.ConditionGaveUp, map[string]any{"jobs": int64(2)}, "/jobs?state=discarded&ended=1h"},
		{document.ConditionOldestWait, map[string]any{"queue": "a&b"}, "/jobs?state=available&queue=a%26b"},
		{document.ConditionPausedBacklog, map[string]any{"queues": 2, "queue": "q"}, "/jobs?state=available"},
		{document.ConditionAgentFailing, map[string]any{"agents": 1, "agent": "hash"}, "/agents/hash"},
		{document.ConditionAgentFailing, map[string]any{"agents": 2, "agent": "hash"}, "/agents"},
	} {
		if got := newCondition(tc.code, "", tc.params).page(); got != tc.want {
			t.Errorf("%s %v leads to %q, want %q", tc.code, tc.params, got, tc.want)
		}
	}
}

func TestHealthDoesNotFlicker(t *testing.T) {
	now := time.Now()
	f := &fleetHealth{raised: map[string]bool{}}
	conditions := func(failed int64, waited time.Duration) []document.ConditionCode {
		at := engine.Time{Time: now.Add(-waited)}
		f.readings = read(now, []engine.Queue{{Name: "q", Slots: new(1), Pending: new(int64(1)), OldestAt: &at}}, nil, 1, engine.Window{OK: 100 - failed, Failed: failed}, nil)
		codes := []document.ConditionCode{}
		for _, c := range f.judge(now, Fleet{Fleet: &agent.Fleet{}}) {
			codes = append(codes, c.Code)
		}
		return codes
	}
	for _, step := range []struct {
		failed int64
		waited time.Duration
		want   []document.ConditionCode
	}{
		{49, 299 * time.Second, []document.ConditionCode{}},
		{50, 300 * time.Second, []document.ConditionCode{document.ConditionFailing, document.ConditionOldestWait}},
		{41, 241 * time.Second, []document.ConditionCode{document.ConditionFailing, document.ConditionOldestWait}},
		{39, 239 * time.Second, []document.ConditionCode{}},
		{41, 241 * time.Second, []document.ConditionCode{}},
	} {
		if got := conditions(step.failed, step.waited); !slices.Equal(got, step.want) {
			t.Errorf("%d %% failed and %v waited: %v, want %v", step.failed, step.waited, got, step.want)
		}
	}
}

// A fleet without any worker is not healthy while jobs wait, and is again when somebody runs them.
func TestHealthOfAFleetThatNobodyRuns(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, database *db.DB) {
		fleet, err := agent.Parse("agentos.yaml", t.TempDir(), []byte(fleetText))
		if err != nil {
			t.Fatal(err)
		}
		service, err := worker.New(t.Context(), worker.Options{DB: database, Fleet: fleet, DataDir: t.TempDir(), Version: "test", NoWork: true})
		if err != nil {
			t.Fatal(err)
		}
		fine := func(context.Context) document.Component { return document.Component{Status: "ok"} }
		loaded := Fleet{Fleet: fleet, LoadedAt: time.Now()}
		panel, err := snapshot.Open(t.Context(), snapshot.Options{PublishDelay: time.Minute, Sections: unhurried(Deps{
			Jobs: service, Fleet: func() Fleet { return loaded }, DataDir: t.TempDir(), Version: "test", StartedAt: time.Now(),
			Database: fine, Cache: fine, Warmer: fine,
		})})
		if err != nil {
			t.Fatal(err)
		}
		b := &bed{t: t, database: database, service: service, panel: panel}
		if status := at(t, b.document(), "dashboard", "system", "status"); status != "healthy" {
			t.Errorf("an idle fleet is %v: %v", status, at(t, b.document(), "dashboard", "system", "reasons"))
		}
		b.enqueue("good", 1, 0)
		if _, err := database.Write.ExecContext(t.Context(), `update river_job set scheduled_at = $1`, database.Stamp(time.Now().Add(-time.Minute))); err != nil {
			t.Fatal(err)
		}
		b.document() // the judgement follows what the sections read
		doc := b.document()
		if status := at(t, doc, "dashboard", "system", "status"); status != "critical" {
			t.Errorf("a fleet that nobody runs is %v: %v", status, at(t, doc, "dashboard", "system"))
		}
		if name := at(t, doc, "dashboard", "system", "conditions", "no_worker", "params", "agent"); name != "good" {
			t.Errorf("%v is said to wait", name)
		}
	})
}
