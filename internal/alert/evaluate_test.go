package alert

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/document"
)

func TestEachItemIsAnInstance(t *testing.T) {
	doc := sampleDocument(t)
	for per, want := range map[Per]string{
		PerAgent: "read send", PerQueue: "bulk mail", PerSection: "agents analytics jobs own queue system workers",
	} {
		set, errs := Compile([]Rule{{Name: "r", Per: per, Expression: string(per) + `.name != ""`}})
		if len(errs) > 0 {
			t.Fatal(errs[0])
		}
		var subjects []string
		for _, o := range set.Evaluate(doc, now)[0].Observations {
			subjects = append(subjects, o.Subject)
			if o.Truth != Holds {
				t.Errorf("%s %s: %v %s", per, o.Subject, o.Truth, o.Why)
			}
		}
		if got := strings.Join(subjects, " "); got != want {
			t.Errorf("per %s: %s, want %s", per, got, want)
		}
	}
	failed := observe(t, doc, Rule{Per: PerSection, Expression: `section.error != nil`})
	if failed["jobs"].Truth != Holds || failed["queue"].Truth != HoldsNot {
		t.Errorf("the section that failed: %+v", failed)
	}
}

// A section that is late, has failed or is not there makes unknown what is read from it, in all instances.
func TestSectionsThatCannotBeUsed(t *testing.T) {
	rule := Rule{Name: "r", Per: PerAgent, Expression: `agent.waiting >= 0`}
	set, errs := Compile([]Rule{rule, {Name: "s", Expression: `any(values(agents_workers.agents.items), .waiting >= 0)`}})
	if len(errs) > 0 {
		t.Fatal(errs[0])
	}
	failed := "connection refused"
	for _, test := range []struct {
		change func(*document.Document)
		why    string
	}{
		{func(d *document.Document) { delete(d.Meta.Sections, "agents") }, "was not collected yet"},
		{func(d *document.Document) { d.AgentsWorkers.Agents = nil }, "was not collected yet"},
		{func(d *document.Document) {
			changed(d.Meta.Sections, "agents", func(m *document.SectionMeta) { m.AsOf = nil })
		}, "was not collected yet"},
		{func(d *document.Document) {
			changed(d.Meta.Sections, "agents", func(m *document.SectionMeta) { m.Error = &failed })
		}, "could not be collected: connection refused"},
		{func(d *document.Document) {
			changed(d.Meta.Sections, "agents", func(m *document.SectionMeta) { m.Overdue = true })
		}, "is 0s old"},
		{func(d *document.Document) {
			changed(d.Meta.Sections, "agents", func(m *document.SectionMeta) { m.AsOf = of(now.Add(-time.Minute)) })
		}, "is 1m0s old"},
	} {
		doc := sampleDocument(t)
		test.change(doc)
		outcomes := set.Evaluate(doc, now)
		if got := outcomes[0]; !strings.Contains(got.Missing, test.why) || len(got.Observations) > 0 {
			t.Errorf("per agent: %+v, want %s", got, test.why)
		}
		if got := outcomes[1].Observations[0]; got.Truth != Unknown || !strings.Contains(got.Why, test.why) {
			t.Errorf("over all: %+v, want %s", got, test.why)
		}
	}
}

func TestWhatIsNotListedIsNotGone(t *testing.T) {
	doc := sampleDocument(t)
	set, _ := Compile([]Rule{{Name: "r", Per: PerQueue, Expression: `queue.pending > 0`}})
	if got := set.Evaluate(doc, now)[0].Unlisted; got != "" {
		t.Errorf("all are listed: %s", got)
	}
	doc.Dashboard.Queue.Total = 500
	if got := set.Evaluate(doc, now)[0].Unlisted; got != "only 2 of 500 are listed" {
		t.Errorf("got %q", got)
	}
}

// One rule's fault makes it unknown, and the others are evaluated.
func TestFaultOfOneRuleStopsNoOther(t *testing.T) {
	set, errs := Compile([]Rule{{Name: "bad", Expression: `true`}, {Name: "worse", Expression: `true`}, {Name: "good", Expression: `dashboard.system.disk > 90`}})
	if len(errs) > 0 {
		t.Fatal(errs[0])
	}
	set.rules[0].condition.eval = func(*scope) value { panic("a fault") }
	set.rules[1].Per = "moon"
	outcomes := set.Evaluate(sampleDocument(t), now)
	if got := outcomes[0].Observations[0]; got.Truth != Unknown || !strings.Contains(got.Why, "a fault") {
		t.Errorf("the faulty rule: %+v", got)
	}
	if got := outcomes[2].Observations[0]; got.Truth != Holds {
		t.Errorf("the good rule: %+v", got)
	}
}

func TestRulesHaveNamesOfTheirOwn(t *testing.T) {
	if _, errs := Compile([]Rule{{Name: "r", Expression: "true"}, {Name: "r", Expression: "false"}}); len(errs) != 1 || errs[0].Part != "name" {
		t.Errorf("two rules of one name: %v", errs)
	}
}

// fleet is a document of many agents, all of them listed.
func fleet(t testing.TB, agents int) *document.Document {
	t.Helper()
	doc := sampleDocument(t)
	doc.AgentsWorkers.Agents.Items = map[string]document.Agent{}
	for n := range agents {
		name := fmt.Sprintf("agent-%04d", n)
		doc.AgentsWorkers.Agents.Items[name] = document.Agent{Name: name, State: document.AgentIdle, Runs1h: 20, Failed1h: int64(n % 20)}
	}
	doc.AgentsWorkers.Agents.TotalAgents, doc.AgentsWorkers.Agents.Listed = &agents, agents
	return doc
}

// A rule that looks at every agent for every agent is cut off, and is unknown then; other rules are not affected.
func TestCostOfARuleIsBounded(t *testing.T) {
	costly := `any(values(agents_workers.agents.items), any(values(agents_workers.agents.items), .waiting > 100))`
	set, errs := Compile([]Rule{
		{Name: "costly", Expression: costly}, {Name: "per agent", Per: PerAgent, Expression: `any(values(agents_workers.agents.items), .waiting > 100)`},
		{Name: "cheap", Expression: `any(values(agents_workers.agents.items), .failed_1h > 18)`},
	})
	if len(errs) > 0 {
		t.Fatal(errs[0])
	}
	outcomes := set.Evaluate(fleet(t, 1000), now)
	if got := outcomes[0].Observations[0]; got.Why != tooCostly {
		t.Errorf("%+v", got)
	}
	last := outcomes[1].Observations[999]
	if last.Why != tooCostly || outcomes[1].Observations[0].Truth != HoldsNot {
		t.Errorf("the last of many is %+v", last)
	}
	if got := outcomes[2].Observations[0]; got.Truth != Holds {
		t.Errorf("%+v", got)
	}
}

// 1,000 agents and 50 rules, each for each agent; a tenth of them fires.
func BenchmarkEvaluate(b *testing.B) {
	doc := fleet(b, 1000)
	var rules []Rule
	for n := range 50 {
		rules = append(rules, Rule{
			Name: fmt.Sprintf("rule-%d", n), Per: PerAgent, For: time.Minute, Notify: []string{"ops"},
			Expression: `agent.runs_1h >= 10 and agent.failed_1h / agent.runs_1h >= 0.9`, Summary: `{agent.failed_1h} of {agent.name} failed`,
		})
	}
	set, errs := Compile(rules)
	if len(errs) > 0 {
		b.Fatal(errs[0])
	}
	b.Run("evaluate", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			set.Evaluate(doc, now)
		}
	})
	b.Run("next", func(b *testing.B) {
		outcomes := set.Evaluate(doc, now)
		state, _ := State{}.Next(outcomes, interval, now)
		b.ReportAllocs()
		at := now
		for b.Loop() {
			at = at.Add(interval)
			state, _ = state.Next(outcomes, interval, at)
		}
		stored, err := json.Marshal(state)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(stored)), "bytes/state")
	})
	b.Run("defaults", func(b *testing.B) {
		set, err := Parse("agentos.yaml", []byte("agents: {}"))
		if err != nil {
			b.Fatal(err)
		}
		doc := demo(b)
		b.ReportAllocs()
		for b.Loop() {
			set.Evaluate(doc, doc.Timestamp)
		}
	})
}
