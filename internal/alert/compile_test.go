package alert

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/agentos/agentos/internal/document"
)

// sample is a document with figures, unknown ones, lower bounds, and a section that could not be collected.
const sample = `{
	"dashboard": {
		"system": {"status": "degraded", "disk": 91.5, "cpu": null, "reasons": ["disk is full"], "conditions": {"disk": {"code": "disk", "severity": "degraded"}},
			"components": {"database": {"status": "down", "detail": "refused", "took_ms": null}}},
		"queue": {"pending": 30, "processing": null, "oldest_at": "2026-01-02T02:00:00Z", "total": 2, "listed": 2,
			"inexact": {"pending": {"known": "at_least", "why": "counted to 30"}, "processing": {"known": "not_allowed", "why": "grant it"}},
			"items": {"mail": {"name": "mail", "pending": 10, "slots": 0, "paused_at": null, "oldest_at": "2026-01-02T02:30:00Z", "agents": ["send", "read"]},
				"bulk": {"name": "bulk", "pending": 20, "slots": null, "paused_at": "2026-01-02T01:00:00Z", "oldest_at": "infinity"}}},
		"workers": {"total": 100, "active": 100, "listed": 1, "items": {"a": {"id": "a", "state": "active", "slots": 4}}},
		"jobs": {"failed_today": 4}
	},
	"agents_workers": {"agents": {"total_agents": 2, "listed": 2, "items": {
		"send": {"name": "send", "state": "failing", "runs_1h": 10, "failed_1h": 4, "success_rate": null, "waiting": 5, "capped": true},
		"read": {"name": "read", "state": "idle", "runs_1h": 0, "failed_1h": 0, "success_rate": 99.5, "last_run_at": "2026-01-02T02:59:00Z"}}}},
	"analytics": {"success_rate": 98, "hour": {"runs": 100, "failed": 10}, "inexact": {"hour": {"known": "at_least", "why": "behind"}}},
	"own": {"items": {"orders": {"every_s": 60, "value": {"number": 12, "level": "bad"}, "as_of": "2026-01-02T02:59:30Z"},
		"old": {"every_s": 60, "value": {"number": 12}, "as_of": "2026-01-02T02:50:00Z"}, "hidden": {"every_s": 60, "value": null},
		"failing": {"every_s": 60, "value": {"number": 12}, "as_of": "2026-01-02T02:59:30Z", "error": "HTTP 500"}}},
	"timestamp": "2026-01-02T03:00:00Z",
	"meta": {"version": 4, "sections": {
		"system": {"as_of": "2026-01-02T03:00:00Z", "every_ms": 5000, "error": null}, "queue": {"as_of": "2026-01-02T03:00:00Z", "every_ms": 5000},
		"workers": {"as_of": "2026-01-02T03:00:00Z", "every_ms": 5000}, "agents": {"as_of": "2026-01-02T03:00:00Z", "every_ms": 5000},
		"own": {"as_of": "2026-01-02T03:00:00Z", "every_ms": 5000},
		"analytics": {"as_of": "2026-01-02T03:00:00Z", "every_ms": 5000}, "jobs": {"as_of": "2026-01-02T02:59:50Z", "every_ms": 5000, "error": "timeout"}}}}`

func sampleDocument(t testing.TB) *document.Document {
	t.Helper()
	doc, err := document.Parse([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// now is when the sample was published.
var now = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)

// observe evaluates one rule, and returns what it comes to by subject.
func observe(t testing.TB, doc *document.Document, r Rule) map[string]Observation {
	t.Helper()
	r.Name = "rule"
	set, errs := Compile([]Rule{r})
	if len(errs) > 0 {
		t.Fatalf("%s: %v", r.Expression, errs[0])
	}
	got := map[string]Observation{}
	for _, o := range set.Evaluate(doc, now)[0].Observations {
		got[o.Subject] = o
	}
	return got
}

func TestExpressions(t *testing.T) {
	doc := sampleDocument(t)
	for _, test := range []struct {
		expression string
		want       Truth
		why        string // part of
	}{
		{`dashboard.system.disk > 90`, Holds, ""},
		{`dashboard.system.disk >= 91.5 and dashboard.system.disk < 92`, Holds, ""},
		{`not (dashboard.system.disk > 90)`, HoldsNot, ""},
		{`dashboard.system.status == "degraded"`, Holds, ""},
		{`dashboard.system.status in ["healthy", "critical"]`, HoldsNot, ""},
		{`dashboard.system.components.database.status != "ok"`, Holds, ""},
		{`dashboard.system.components["database"].detail matches "^ref"`, Holds, ""},
		{`"disk" in dashboard.system.conditions`, Holds, ""},
		{`any(dashboard.system.reasons, # contains "disk")`, Holds, ""},
		{`"disk is full" in dashboard.system.reasons`, Holds, ""},
		{`len(dashboard.system.reasons) == 1`, Holds, ""},
		{`analytics.success_rate < 99 ? true : false`, Holds, ""},
		{`dashboard.system?.disk > 90`, Holds, ""},

		// What is null is unknown, and so is what follows from it; unless the rest decides.
		{`dashboard.system.cpu > 90`, Unknown, "dashboard.system.cpu is null"},
		{`dashboard.system.cpu <= 90`, Unknown, "dashboard.system.cpu is null"},
		{`not (dashboard.system.cpu > 90)`, Unknown, "is null"},
		{`dashboard.system.cpu + 1 == dashboard.system.cpu + 1`, Unknown, "is null"},
		{`dashboard.system.cpu > 90 or dashboard.system.disk > 90`, Holds, ""},
		{`dashboard.system.cpu > 90 and dashboard.system.disk > 99`, HoldsNot, ""},
		{`dashboard.system.cpu > 90 and dashboard.system.disk > 90`, Unknown, "is null"},
		{`dashboard.system.cpu == nil`, Holds, ""},
		{`dashboard.system.disk != nil`, Holds, ""},
		{`(dashboard.system.cpu ?? 100) > 90`, Holds, ""},
		{`dashboard.system.components.cache.status == "down"`, Unknown, "is not there"},
		{`dashboard.queue.processing > 1`, Unknown, "grant it"},
		{`dashboard.queue.items.bulk.oldest_at < now()`, Unknown, "no time that can be computed with"},
		{`1 / (dashboard.system.disk - 91.5) > 0`, Unknown, "division by zero"},

		// A lower bound decides only what it can.
		{`dashboard.queue.pending > 20`, Holds, ""},
		{`dashboard.queue.pending > 30`, Unknown, "at least"},
		{`dashboard.queue.pending < 30`, HoldsNot, ""},
		{`dashboard.queue.pending <= 30`, Unknown, "at least"},
		{`20 < dashboard.queue.pending`, Holds, ""},
		{`dashboard.queue.pending == 10`, HoldsNot, ""},
		{`dashboard.queue.pending == 40`, Unknown, "at least"},
		{`dashboard.queue.pending + 10 >= 40`, Holds, ""},
		{`dashboard.queue.pending - 10 > 0`, Unknown, "at least"},
		{`agents_workers.agents.items.send.waiting >= 5`, Holds, ""},
		{`analytics.hour.runs > 100`, Unknown, "at least"},
		{`analytics.hour.failed / analytics.hour.runs > 0.05`, Unknown, "at least"},

		// A section that failed, or was never collected.
		{`dashboard.jobs.failed_today > 1`, Unknown, "the section jobs could not be collected: timeout"},
		{`dashboard.jobs.failed_today == nil`, Unknown, "the section jobs"},
		{`(dashboard.jobs.failed_today ?? 0) > 1`, Unknown, "the section jobs"},
		{`len(logs.items) > 0`, Unknown, "the section logs was not collected yet"},
		{`meta.sections.jobs.error != nil`, Holds, ""},

		// What the file itself declares.
		{`own.items.orders.value.number > 10 and own.items.orders.value.level == "bad"`, Holds, ""},
		{`own.items.old.value.number > 10`, Unknown, "is 10m0s old"},
		{`own.items.failing.value.number > 10`, Unknown, "HTTP 500"},
		{`own.items.failing.error != nil`, Holds, ""},
		{`own.items.hidden.value.number > 10`, Unknown, "is null"},
		{`own.items.orders.value.text == ""`, Holds, ""},

		// Lists.
		{`any(values(dashboard.queue.items), .pending > 15)`, Holds, ""},
		{`all(values(dashboard.queue.items), .pending > 15)`, HoldsNot, ""},
		{`none(values(dashboard.queue.items), .pending > 25)`, Holds, ""},
		{`any(values(dashboard.queue.items), .slots == 4)`, Unknown, "slots is null"},
		{`any(values(dashboard.queue.items), .slots == 0)`, Holds, ""},
		{`count(values(dashboard.queue.items), .pending > 5) == 2`, Holds, ""},
		{`count(values(dashboard.queue.items), .slots == 0) >= 1`, Holds, ""},
		{`count(values(dashboard.queue.items), .slots == 0) < 2`, Unknown, "at least"},
		{`sum(values(dashboard.queue.items), .pending) == 30`, Holds, ""},
		{`sum(values(dashboard.queue.items), .slots) > 0`, Unknown, "slots is null"},
		{`any(values(dashboard.workers.items), .slots == 5)`, Unknown, "only 1 of 100 are listed"},
		{`any(values(dashboard.workers.items), .state == "active")`, Holds, ""},
		{`len(dashboard.workers.items) > 1`, Unknown, "at least"},
		{`"b" in dashboard.workers.items`, Unknown, "only 1 of 100"},
		{`any(keys(dashboard.queue.items), # startsWith "ma")`, Holds, ""},
		{`any(values(dashboard.queue.items), any(.agents, # == "send"))`, Holds, ""},
		{`"nobody" in dashboard.queue.items`, HoldsNot, ""},

		// Times and durations.
		{`now() - dashboard.queue.oldest_at >= duration("1h")`, Holds, ""},
		{`dashboard.queue.oldest_at + duration("30m") < now()`, Holds, ""},
		{`(now() - dashboard.queue.oldest_at) / duration("1m") == 60`, Holds, ""},
		{`2 * duration("45m") > now() - dashboard.queue.oldest_at`, Holds, ""},
		{`timestamp <= now()`, Holds, ""},
	} {
		got := observe(t, doc, Rule{Expression: test.expression})[""]
		if got.Truth != test.want || !strings.Contains(got.Why, test.why) || (got.Why == "") != (test.want != Unknown) {
			t.Errorf("%s: %v, %q; want %v, %q", test.expression, got.Truth, got.Why, test.want, test.why)
		}
	}
}

func TestMistakesInExpressions(t *testing.T) {
	for _, test := range []struct {
		per        Per
		expression string
		at, text   string // part of
	}{
		{PerNone, ``, "1:1", "is empty: write for example"},
		{PerNone, `dashboard.system.disk >`, "1:24", "the end of the expression is not expected here"},
		{PerNone, `dashbord.system.disk > 90`, "1:1", "did you mean dashboard?"},
		{PerNone, `dashboard.sistem.disk > 90`, "1:11", "did you mean system?"},
		{PerNone, "dashboard.system.disk > 90\n  and dashboard.queue.pendin > 1", "2:23", "did you mean pending?"},
		{PerNone, `agent.waiting > 1`, "1:1", "only in a rule with per: agent"},
		{PerAgent, `agent.wating > 1`, "1:7", "did you mean waiting?"},
		{PerAgent, `agent.state == "offlin"`, "1:16", "did you mean offline?"},
		{PerAgent, `agent.state in ["idle", "bad"]`, "1:25", `it is never "bad"`},
		{PerAgent, `agent.state > "idle"`, "1:7", "must be a number or a time or a duration"},
		{PerAgent, `agent.waiting > "5"`, "1:15", "is a number and"},
		{PerQueue, `now() - queue.oldest_at > 300`, "1:25", `write a duration as duration("5m")`},
		{PerQueue, `now() - queue.oldest_at > duration("5 minutes")`, "1:36", "is no duration"},
		{PerQueue, `queue.pending`, "1:1", "compare it, as in queue.pending > 0"},
		{PerQueue, `queue`, "1:1", "comes to an object"},
		{PerQueue, `queue.pending and true`, "1:7", "must be true or false"},
		{PerQueue, `queue.name + "x" == "y"`, "1:7", "is text and must be"},
		{PerQueue, `now() + now() > now()`, "1:7", "is nothing"},
		{PerNone, `any(dashboard.queue.items, .pending > 1)`, "1:21", "write any(values("},
		{PerNone, `any(values(dashboard.queue.items), .pendin > 1)`, "1:37", "did you mean pending?"},
		{PerNone, `any(values(dashboard.queue.items), true`, "1:40", `"," or ")" is missing`},
		{PerNone, `map(values(dashboard.queue.items), .pending)`, "1:1", "there is no function map here"},
		{PerNone, `fetch("http://x")`, "1:1", "there is no function fetch here"},
		{PerNone, `let x = 1; x > 0`, "1:1", `cannot contain "let"`},
		{PerNone, `[1, 2] == nil`, "1:1", "cannot contain [1, 2]"},
		{PerNone, `dashboard.system.disk = 90`, "1:23", "write =="},
		{PerNone, `dashboard.system.disk > 90 && (true`, "1:36", `")" is missing`},
		{PerNone, `1 < dashboard.system.disk < 90`, "1:27", "write a < b and b < c"},
		{PerNone, `dashboard.system.cpu ?? 1 > 0`, "1:27", "put one of them in parentheses"},
		{PerNone, `dashboard.system.status == "ok`, "1:28", "the text has no end"},
		{PerNone, `dashboard.system.host == "\d"`, "1:26", "is no escape"},
		{PerNone, `dashboard.system.disk | len`, "1:23", `cannot contain "|"`},
		{PerNone, `dashboard. > 1`, "1:12", "a name is missing"},
		{PerNone, `dashboard.system.disk > 90 @`, "1:28", "has no meaning here"},
		{PerNone, `"é" == dashboard.sistem.host`, "1:18", "did you mean system?"},
		{PerNone, `[1, 2][0] > 0`, "1:7", `"[" is not expected here`},
		{PerNone, `#.x > 0`, "1:1", ""},
		{PerNone, `dashboard.system.reasons[0] == "x"`, "1:25", "no order to count on"},
		{PerNone, `dashboard.system.disk.x > 1`, "1:23", "is a number and has no field x"},
		{PerNone, `dashboard.system.status matches "("`, "1:33", "error parsing regexp"},
		{PerNone, `dashboard.system.disk ** 2 > 1`, "1:23", "there is no operator ** here"},
		{PerNone, `any(values(dashboard.queue.items), any(values(dashboard.queue.items), any(values(dashboard.queue.items), .pending > 1)))`, "1:71", "more than 2 deep"},
		{PerNone, strings.Repeat("(", 400) + "true" + strings.Repeat(")", 400), "", ""},
		{PerNone, strings.Repeat("not ", 200) + "true", "1:201", "nested deeper"},
		{PerNone, strings.Repeat(" ", maxExpression) + "true", "1:1", "longer than 1000 bytes"},
		{PerNone, "true\x00", "1:5", ""},
	} {
		_, errs := Compile([]Rule{{Name: "r", Per: test.per, Expression: test.expression}})
		if test.at == "" {
			continue // either way, but no crash
		}
		if len(errs) != 1 {
			t.Errorf("%.60s: %d errors", test.expression, len(errs))
			continue
		}
		if e := errs[0]; strconv.Itoa(e.Line)+":"+strconv.Itoa(e.Col) != test.at || !strings.Contains(e.Text, test.text) {
			t.Errorf("%.60s: %v; want %s: %s", test.expression, e, test.at, test.text)
		}
	}
}

func TestSummaryPlaceholders(t *testing.T) {
	r := Rule{Per: PerQueue, Expression: `queue.pending > 0`, Summary: `{queue.name}: {queue.pending} wait, the oldest {now() - queue.oldest_at}, slots {queue.slots}, of {dashboard.queue.pending}{}`}
	if _, errs := Compile([]Rule{r}); len(errs) != 1 || errs[0].Part != "summary" {
		t.Fatalf("the empty placeholder: %v", errs)
	}
	r.Summary = strings.TrimSuffix(r.Summary, "{}")
	got := observe(t, sampleDocument(t), r)
	want := map[string]string{
		"mail": "mail: 10 wait, the oldest 30m 0s, slots 0, of at least 30",
		"bulk": "bulk: 20 wait, the oldest unknown, slots unknown, of at least 30",
	}
	for subject, text := range want {
		if got[subject].Summary != text {
			t.Errorf("%s: %q, want %q", subject, got[subject].Summary, text)
		}
	}
	for _, test := range []struct{ summary, at string }{
		{"x {queue.pendin}", "1:10"}, {"a\nb {queue.pendin}", "2:10"}, {"{queue}", "1:2"},
	} {
		r.Summary = test.summary
		_, errs := Compile([]Rule{r})
		if len(errs) != 1 || strconv.Itoa(errs[0].Line)+":"+strconv.Itoa(errs[0].Col) != test.at {
			t.Errorf("%q: %v, want at %s", test.summary, errs, test.at)
		}
	}
}

// What the sections of a rule are is known before it runs.
func TestSectionsThatARuleReads(t *testing.T) {
	for expression, want := range map[string][]string{
		`dashboard.system.disk > 90 and dashboard.queue.pending > 1`: {"queue", "system"},
		`agent.waiting > 1`:                  {"agents"},
		`meta.stale`:                         nil,
		`any(values(logs.items), .id > 100)`: {"logs"},
	} {
		e, err := compile(expression, PerAgent)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(e.sections, want) {
			t.Errorf("%s reads %v, want %v", expression, e.sections, want)
		}
	}
}

// The texts that a field can have are those of package document.
func TestEnumsAreThoseOfTheDocument(t *testing.T) {
	paths, err := filepath.Glob("../document/*.go")
	if err != nil || len(paths) == 0 {
		t.Fatal(err)
	}
	want := map[string][]string{}
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok || group.Tok != token.CONST {
				continue
			}
			for _, spec := range group.Specs {
				value, _ := spec.(*ast.ValueSpec)
				name, named := value.Type.(*ast.Ident)
				literal, ok := value.Values[0].(*ast.BasicLit)
				if !named || !ok {
					continue
				}
				text, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				want[name.Name] = append(want[name.Name], text)
			}
		}
	}
	for of, got := range enums {
		if diff := cmp.Diff(want[of.Name()], got); diff != "" {
			t.Errorf("%s:\n%s", of, diff)
		}
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(`dashboard.system.disk > 90`)
	f.Add(`any(values(dashboard.queue.items), .pending > 1 and #.slots == 0)`)
	f.Add(`now() - queue.oldest_at > duration("5m")`)
	f.Fuzz(func(t *testing.T, expression string) {
		doc := sampleDocument(t)
		for _, per := range []Per{PerNone, PerAgent, PerQueue, PerSection} {
			set, errs := Compile([]Rule{{Name: "r", Expression: expression, Summary: "{" + expression + "}", Per: per}})
			for _, err := range errs {
				if err.Line < 1 || err.Col < 1 || err.Text == "" || strings.Contains(err.Text, "cannot be read: runtime") {
					t.Errorf("%q: %v", expression, err)
				}
			}
			if set == nil {
				continue
			}
			for _, o := range set.Evaluate(doc, now)[0].Observations {
				if strings.Contains(o.Why, "cannot be evaluated") {
					t.Errorf("%q: %s", expression, o.Why)
				}
			}
		}
	})
}

var _ error = (*ExpressionError)(nil)

func TestExpressionErrorsAreOfOneType(t *testing.T) {
	_, err := compile("nothing", PerNone)
	var at *ExpressionError
	if !errors.As(err, &at) {
		t.Errorf("%T", err)
	}
}
