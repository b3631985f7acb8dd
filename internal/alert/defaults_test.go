package alert

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/document"
)

// demo reads a document of the example fleet, as `agentos status --json` printed it, with its lists shortened.
func demo(t testing.TB) *document.Document {
	t.Helper()
	text, err := os.ReadFile("testdata/demo.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := document.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func of[T any](v T) *T { return &v }

func timeText(at time.Time) document.Time { return document.Time(at.Format(time.RFC3339Nano)) }

// changed changes one item of a map.
func changed[T any](items map[string]T, name string, change func(*T)) {
	item := items[name]
	change(&item)
	items[name] = item
}

// defaultTest is a document that a default rule is evaluated over.
type defaultTest struct {
	rule, subject string
	change        func(*document.Document)
	want          Truth
	summary       string // part of
}

func TestDefaultRules(t *testing.T) {
	queue := func(change func(*document.QueueItem)) func(*document.Document) {
		return func(d *document.Document) { changed(d.Dashboard.Queue.Items, "hash", change) }
	}
	hash := func(change func(*document.Agent)) func(*document.Document) {
		return func(d *document.Document) { changed(d.AgentsWorkers.Agents.Items, "hash", change) }
	}
	published := demo(t).Timestamp
	tests := []defaultTest{
		{"database-down", "", func(d *document.Document) {
			d.Dashboard.System.Components["database"] = document.Component{Status: document.ComponentDown, Detail: "connection refused"}
		}, Holds, "The database is down: connection refused"},
		{"database-down", "", func(d *document.Document) { delete(d.Dashboard.System.Components, "database") }, Unknown, ""},

		{"disk-nearly-full", "", func(d *document.Document) { d.Dashboard.System.Disk = of(93.4) }, Holds, "93.4 % full"},
		{"disk-nearly-full", "", func(d *document.Document) { d.Dashboard.System.Disk = nil }, Unknown, ""},

		{"no-worker", "hash", queue(func(q *document.QueueItem) { q.Pending, q.Slots = of(int64(212)), of(0) }), Holds, "212 jobs wait in hash"},
		{"no-worker", "hash", queue(func(q *document.QueueItem) {
			q.Pending, q.Slots, q.PausedAt = of(int64(212)), of(0), timeText(published)
		}), HoldsNot, ""},
		{"no-worker", "hash", queue(func(q *document.QueueItem) { q.Pending, q.Slots = of(int64(0)), of(0) }), HoldsNot, ""},
		{"no-worker", "hash", queue(func(q *document.QueueItem) { q.Pending, q.Slots = of(int64(212)), nil }), Unknown, ""},
		{"no-worker", "hash", queue(func(q *document.QueueItem) { q.Pending, q.Slots = nil, of(0) }), Unknown, ""},

		{"oldest-wait", "hash", queue(func(q *document.QueueItem) {
			q.Pending, q.OldestAt = of(int64(1)), timeText(published.Add(-20*time.Minute))
		}), Holds, "waited for 20m 0s"},
		{"oldest-wait", "hash", queue(func(q *document.QueueItem) {
			q.Pending, q.OldestAt = of(int64(1)), timeText(published.Add(-10*time.Minute))
		}), HoldsNot, ""},
		{"oldest-wait", "hash", queue(func(q *document.QueueItem) { q.Pending, q.OldestAt = of(int64(0)), "" }), HoldsNot, ""},
		{"oldest-wait", "hash", queue(func(q *document.QueueItem) { q.Pending, q.OldestAt = of(int64(1)), "" }), Unknown, ""},

		{"failure-rate", "hash", hash(func(a *document.Agent) { a.Runs1h, a.Failed1h = 20, 11 }), Holds, "11 of the last hour's 20 attempts of hash failed"},
		{"failure-rate", "hash", hash(func(a *document.Agent) { a.Runs1h, a.Failed1h = 5, 5 }), HoldsNot, ""},
		{"failure-rate", "hash", hash(func(a *document.Agent) { a.Runs1h, a.Failed1h = 0, 0 }), HoldsNot, ""},

		{"missed-schedule", "hash", hash(func(a *document.Agent) { a.Schedule, a.NextRunAt = of("@hourly"), of(published.Add(-3*time.Minute)) }), Holds, "hash was due at"},
		{"missed-schedule", "hash", hash(func(a *document.Agent) { a.Schedule, a.NextRunAt = of("@hourly"), of(published.Add(time.Minute)) }), HoldsNot, ""},
		{"missed-schedule", "hash", hash(func(a *document.Agent) { a.Schedule, a.NextRunAt = nil, nil }), HoldsNot, ""},
		{"missed-schedule", "hash", hash(func(a *document.Agent) { a.Schedule, a.NextRunAt = of("@hourly"), nil }), Unknown, ""},
	}
	set, err := Parse("agentos.yaml", []byte("agents: {}"))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, r := range set.Rules() {
		names = append(names, r.Name)
		if !slices.ContainsFunc(tests, func(test defaultTest) bool {
			return test.rule == r.Name && test.want == Holds
		}) {
			t.Errorf("no test fires %s", r.Name)
		}
	}
	for _, o := range set.Evaluate(demo(t), published) { // nothing is wrong with the example fleet
		for _, obs := range o.Observations {
			if obs.Truth != HoldsNot || o.Missing != "" {
				t.Errorf("%s %s: %v %s on the document as it is", o.Rule.Name, obs.Subject, obs.Truth, obs.Why)
			}
		}
		if len(o.Observations) == 0 {
			t.Errorf("%s has no instance", o.Rule.Name)
		}
	}
	for _, test := range tests {
		doc := demo(t)
		test.change(doc)
		outcomes := set.Evaluate(doc, published)
		o := outcomes[slices.Index(names, test.rule)]
		at := slices.IndexFunc(o.Observations, func(obs Observation) bool { return obs.Subject == test.subject })
		if at < 0 {
			t.Errorf("%s has no instance %q", test.rule, test.subject)
			continue
		}
		if got := o.Observations[at]; got.Truth != test.want || !strings.Contains(got.Summary, test.summary) {
			t.Errorf("%s: %+v, want %v, %q", test.rule, got, test.want, test.summary)
		}
	}
}
