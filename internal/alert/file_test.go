package alert

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/agentos/agentos/internal/strictyaml"
)

func TestRulesOfAFile(t *testing.T) {
	set, err := Parse("agentos.yaml", []byte(`
agents: {greet: {command: [echo]}}
x-ops: &ops {notify: [ops, pager], severity: critical}
alerts:
  mail-waits:
    <<: *ops
    per: queue
    expr: queue.name == "mail" and queue.pending > 100
    for: 5m
    keep_firing: 10m
    every: 1h
    summary: "{queue.pending} mails wait"
  disk-nearly-full: {expr: dashboard.system.disk > 80, every: never}
  failure-rate: {off: true}
`))
	if err != nil {
		t.Fatal(err)
	}
	rules := map[string]Rule{}
	for _, r := range set.Rules() {
		rules[r.Name] = r
	}
	want := Rule{
		Name: "mail-waits", Expression: `queue.name == "mail" and queue.pending > 100`, For: 5 * time.Minute, KeepFiring: 10 * time.Minute, Every: time.Hour,
		Severity: SeverityCritical, Per: PerQueue, Summary: "{queue.pending} mails wait", Notify: []string{"ops", "pager"},
	}
	if diff := cmp.Diff(want, rules["mail-waits"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Rule{Name: "disk-nearly-full", Expression: "dashboard.system.disk > 80", Severity: SeverityWarning}, rules["disk-nearly-full"]); diff != "" {
		t.Error(diff)
	}
	if _, there := rules["failure-rate"]; there {
		t.Error("failure-rate is not off")
	}
	if got := rules["no-worker"]; got.Every != defaultEvery || got.Severity != SeverityCritical {
		t.Errorf("the default rule is %+v", got)
	}
}

func TestMistakesInAFile(t *testing.T) {
	for _, test := range []struct{ rule, at, text string }{
		{`full: {expr: dashboard.sistem.disk > 90}`, "2:26", "expr of alert full: dashboard has no field sistem: did you mean system?"},
		{`full: {expr: "dashboard.sistem.disk > 90"}`, "2:27", "did you mean system?"},
		{"full:\n    expr: >\n      dashboard.system.disk > 90 and\n      dashboard.sistem.disk > 90", "", "did you mean system?"},
		{"full:\n    expr: |\n      dashboard.system.disk > 90 and\n      dashboard.sistem.disk > 90", "5:", "did you mean system?"},
		{`full: {expr: dashboard.system.disk}`, "2:16", "compare it"},
		{`full: {severity: info}`, "2:3", "has no expr: write expr:"},
		{`full: {exp: "true"}`, "2:10", "did you mean expr?"},
		{`full: {when: "true"}`, "2:10", "did you mean expr?"},
		{`full: {expr: "true", severity: critcal}`, "2:34", "did you mean critical?"},
		{`full: {expr: "true", per: job}`, "2:29", "there are agent, queue, section"},
		{`full: {expr: "true", for: 5}`, "2:29", "must be a duration with a unit"},
		{`full: {expr: "true", every: 10s}`, "2:31", "every must be from 5m to"},
		{`full: {expr: "true", keep_firing: -1m}`, "2:37", "must be from"},
		{`full: {expr: "true", notify: ops}`, "2:32", "must be a list"},
		{`full: {expr: "true", notify: [ops, ops]}`, "2:32", "each channel once"},
		{`full: {expr: "true", notify: ["https://hooks.example/x"]}`, "2:32", "by a name such as ops"},
		{`full: {expr: "true", summary: "{dashboard.system.dsk}"}`, "2:52", "did you mean disk?"},
		{`full: {expr: "true", summary: "` + strings.Repeat("x", 301) + `"}`, "2:33", "longer than 300 bytes"},
		{`Full: {expr: "true"}`, "2:3", "cannot be an alert's name"},
		{`full: true`, "2:9", "must be a mapping"},
		{`full: {off: maybe}`, "2:15", "write off: true"},
		{`full: {off: true, expr: "true"}`, "2:15", "off stands alone"},
		{`full: {off: false}`, "2:15", "says nothing"},
		{"full: {expr: \"true\"}\n  full: {expr: \"true\"}", "3:3", "given twice"},
	} {
		_, err := Parse("f.yaml", []byte("alerts:\n  "+test.rule+"\n"))
		var errs strictyaml.Errors
		if !errors.As(err, &errs) || len(errs) != 1 {
			t.Errorf("%s: %v", test.rule, err)
			continue
		}
		at := strings.TrimPrefix(errs[0].String(), "f.yaml:")
		place := strings.SplitN(at, ":", 2)[0] + ":" + strconv.Itoa(errs[0].Col)
		if !strings.HasPrefix(place, test.at) || !strings.Contains(errs[0].Text, test.text) {
			t.Errorf("%s: %s %s; want %s %s", test.rule, place, errs[0].Text, test.at, test.text)
		}
	}
	if _, err := Parse("f.yaml", []byte("alerts: [a]")); err == nil {
		t.Error("a list is accepted")
	}
}

func TestLoadReadsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agentos.yaml")
	if err := os.WriteFile(path, []byte("agents: {}\nalerts: {one: {expr: 'true'}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(set.Rules(), func(r Rule) bool { return r.Name == "one" }) {
		t.Error("the rule is not there")
	}
	if _, err := Load(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}
