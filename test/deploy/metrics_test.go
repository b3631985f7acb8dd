package deploy

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.yaml.in/yaml/v3"
)

// exported are the metrics of a server, with the labels of each. Ours are read from the source that describes them.
func exported(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{"up": nil}
	described := regexp.MustCompile(`describe\("([a-z_]+)", "[^"]*"((?:, "[a-z_]+")*)\)`)
	for _, d := range described.FindAllStringSubmatch(read(t, "internal/app/metrics.go"), -1) {
		var labels []string
		for _, label := range strings.Split(d[2], ",")[1:] {
			labels = append(labels, strings.Trim(label, ` "`))
		}
		all["agentos_"+d[1]] = labels
	}
	if len(all) < 20 {
		t.Fatalf("only %d metrics were found in internal/app/metrics.go", len(all))
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		all[family.GetName()] = nil
	}
	return all
}

// target are the labels that Prometheus gives each series.
var target = []string{"job", "instance"}

var (
	quoted   = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	selector = regexp.MustCompile(`\b((?:agentos|process|go)_\w+|up)\b(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)`)
	grouping = regexp.MustCompile(`\b(?:by|on|group_right|group_left)\s*\(([^)]*)\)`)
)

// check reports the metrics and labels of a Prometheus expression that no server exports. It is no parser: promtool is
// one, and scripts/check-deploy asks it.
func check(t *testing.T, where, expression string, known map[string][]string) (metrics []string) {
	t.Helper()
	bare := quoted.ReplaceAllString(expression, `""`)
	var labels []string
	for _, found := range selector.FindAllStringSubmatch(bare, -1) {
		name := found[1]
		metrics = append(metrics, name)
		of, exists := known[name]
		if !exists {
			t.Errorf("%s: no server exports %s", where, name)
		}
		labels = append(labels, of...)
		for _, label := range matcher.FindAllStringSubmatch(found[2], -1) {
			if !slices.Contains(of, label[1]) && !slices.Contains(target, label[1]) {
				t.Errorf("%s: %s has no label %s", where, name, label[1])
			}
		}
	}
	if len(metrics) == 0 {
		t.Errorf("%s: %q asks for no metric", where, expression)
	}
	if made := regexp.MustCompile(`label_replace\(.*?, "(\w+)"`).FindStringSubmatch(expression); made != nil {
		labels = append(labels, made[1])
	}
	for _, group := range grouping.FindAllStringSubmatch(bare, -1) {
		for label := range strings.SplitSeq(group[1], ",") {
			label = strings.TrimSpace(label)
			if label != "" && !slices.Contains(labels, label) && !slices.Contains(target, label) {
				t.Errorf("%s: nothing in %q has the label %s", where, expression, label)
			}
		}
	}
	return metrics
}

// rule is an alert.
type rule struct {
	Alert       string
	Expr        string
	For         string
	Labels      map[string]string
	Annotations map[string]string
}

func rules(t *testing.T) []rule {
	t.Helper()
	var file struct{ Groups []struct{ Rules []rule } }
	if err := yaml.Unmarshal([]byte(read(t, "deploy/prometheus/agentos.rules.yml")), &file); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	if len(all) < 10 {
		t.Fatalf("only %d alerts were found", len(all))
	}
	return all
}

func TestAlertsAskForWhatIsExported(t *testing.T) {
	known := exported(t)
	for _, r := range rules(t) {
		check(t, r.Alert, r.Expr, known)
	}
}

func TestAlertsSayWhatToDo(t *testing.T) {
	manual := read(t, "docs/operations.md")
	for _, r := range rules(t) {
		if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
			t.Errorf("%s: its severity is %q", r.Alert, r.Labels["severity"])
		}
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s says not what is wrong", r.Alert)
		}
		_, anchor, _ := strings.Cut(r.Annotations["runbook_url"], "docs/operations.md#")
		if anchor == "" || !strings.Contains(manual, `<a id="`+anchor+`">`) || !strings.Contains(manual, "`"+r.Alert+"`") {
			t.Errorf("%s: docs/operations.md does not name it, or has no anchor %q", r.Alert, anchor)
		}
	}
}

func TestEveryAlertIsSeenFiringAndSilent(t *testing.T) {
	type expectation struct {
		Name   string `yaml:"alertname"`
		Alerts []any  `yaml:"exp_alerts"`
	}
	var file struct {
		Tests []struct {
			Rules []expectation `yaml:"alert_rule_test"`
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "deploy/prometheus/agentos.rules.test.yml")), &file); err != nil {
		t.Fatal(err)
	}
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, expected := range test.Rules {
			if len(expected.Alerts) > 0 {
				fires[expected.Name] = true
			} else {
				silent[expected.Name] = true
			}
		}
	}
	for _, r := range rules(t) {
		if !fires[r.Alert] || !silent[r.Alert] {
			t.Errorf("%s: agentos.rules.test.yml has it firing: %v, silent: %v", r.Alert, fires[r.Alert], silent[r.Alert])
		}
	}
}

// panel is what the tests look at of a panel of Grafana.
type panel struct {
	ID         int
	Type       string
	Title      string
	Datasource *struct{ Type, UID string }
	GridPos    struct{ X, Y, W, H int }
	Targets    []struct {
		Expr       string
		RefID      string
		Datasource struct{ Type, UID string }
	}
	Panels []panel // of a row that is folded
}

type dashboard struct {
	UID           string
	Title         string
	SchemaVersion int
	Panels        []panel
	Templating    struct {
		List []struct {
			Name, Type string
			Query      any
		}
	}
}

func board(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal([]byte(read(t, "deploy/grafana/agentos.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDashboardAsksForWhatIsExported(t *testing.T) {
	known := exported(t)
	shown := map[string]bool{}
	for _, p := range board(t).Panels {
		for _, target := range p.Targets {
			for _, name := range check(t, p.Title, target.Expr, known) {
				shown[name] = true
			}
			if !strings.Contains(target.Expr, `job=~"$job"`) {
				t.Errorf("%s: %q ignores the variable job", p.Title, target.Expr)
			}
		}
	}
	for name := range known {
		if strings.HasPrefix(name, "agentos_") && !shown[name] {
			t.Errorf("no panel shows %s", name)
		}
	}
}

func TestDashboardIsWhole(t *testing.T) {
	d := board(t)
	if d.UID == "" || d.Title == "" || d.SchemaVersion < 38 {
		t.Errorf("uid %q, title %q, schema version %d: Grafana 10 wants all of them", d.UID, d.Title, d.SchemaVersion)
	}
	variables := map[string]string{}
	for _, v := range d.Templating.List {
		variables[v.Name] = v.Type
	}
	if variables["datasource"] != "datasource" || variables["job"] != "query" || variables["instance"] != "query" {
		t.Errorf("the variables are %v", variables)
	}
	ids := map[int]string{}
	taken := map[[2]int]string{}
	for _, p := range d.Panels {
		if other, twice := ids[p.ID]; twice || p.ID <= 0 {
			t.Errorf("%q and %q have the id %d", p.Title, other, p.ID)
		}
		ids[p.ID] = p.Title
		if len(p.Panels) > 0 {
			t.Errorf("the row %q is folded: what is in it is not looked at here", p.Title)
		}
		if p.Type != "row" && (len(p.Targets) == 0 || p.Datasource == nil) {
			t.Errorf("%q has no targets or no data source", p.Title)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, full := taken[[2]int{x, y}]; full || x >= 24 {
					t.Fatalf("%q lies over %q, or beyond the edge", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		for _, target := range p.Targets {
			if target.Datasource.UID != "${datasource}" || target.RefID == "" {
				t.Errorf("%q: a target without the variable datasource, or without a name", p.Title)
			}
		}
	}
}
