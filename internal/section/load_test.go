package section

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/agentos/agentos/internal/strictyaml"
)

func parse(t *testing.T, text string) []Spec {
	t.Helper()
	specs, err := Parse("agentos.yaml", "/fleet", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return specs
}

func TestSectionsAreReadWithTheirDefaults(t *testing.T) {
	got := parse(t, `
agents: {one: {command: ["true"]}}
sections:
  unpaid_invoices:
    sql: select count(*) from invoice
  stock:
    title: Stock
    http: {url: "https://shop.example/stock.json", headers: {Authorization: {env: SHOP_KEY}, Accept: text/json, X-Two: {file: two.txt}}}
    pick: $.items[*]
    show: table
    columns: [name, {label: Left, from: $.left, format: number}]
    every: 30s
    timeout: 5s
    role: operator
    place: shop
    link: https://shop.example/
  disk:
    command: [bin/disk, -x]
    pass_env: [KEY]
    format: percent
    warn: {above: 80}
    bad: {above: 95}
  latency:
    prometheus: {url: "http://prometheus:9090/", query: "sum(rate(x[5m]))"}
    show: series
    unit: s
  mood: {sql: select word from mood, database: {file: mood.db}, show: status, warn: [slow], bad: [down, gone]}
`)
	number := func(f float64) *float64 { return &f }
	usual := func(s Spec) Spec {
		s.Every, s.Timeout, s.Role, s.Place = DefaultEvery, DefaultTimeout, RoleViewer, PlaceOverview
		return s
	}
	want := []Spec{
		usual(Spec{Name: "unpaid_invoices", Title: "Unpaid invoices", Show: ShowNumber, SQL: &SQL{Query: "select count(*) from invoice"}}),
		{
			Name: "stock", Title: "Stock", Show: ShowTable, Pick: "$.items[*]", Every: 30 * time.Second, Timeout: 5 * time.Second, Role: RoleOperator, Place: "shop", Link: "https://shop.example/",
			HTTP:    &HTTP{URL: "https://shop.example/stock.json", Headers: map[string]Secret{"Authorization": {Env: "SHOP_KEY"}, "Accept": {Text: "text/json"}, "X-Two": {File: "/fleet/two.txt"}}},
			Columns: []ColumnSpec{{Label: "name", From: "name"}, {Label: "Left", From: "$.left", Format: FormatNumber}},
		},
		usual(Spec{
			Name: "disk", Title: "Disk", Show: ShowNumber, Format: FormatPercent, Warn: &Threshold{Above: number(80)}, Bad: &Threshold{Above: number(95)},
			Command: &Command{Argv: []string{"/fleet/bin/disk", "-x"}, Dir: "/fleet", PassEnv: []string{"KEY"}},
		}),
		usual(Spec{
			Name: "latency", Title: "Latency", Show: ShowSeries, Unit: "s",
			Prometheus: &Prometheus{URL: "http://prometheus:9090", Query: "sum(rate(x[5m]))", Range: time.Hour},
		}),
		usual(Spec{
			Name: "mood", Title: "Mood", Show: ShowStatus, SQL: &SQL{Query: "select word from mood", File: "/fleet/mood.db"},
			Warn: &Threshold{Words: []string{"slow"}}, Bad: &Threshold{Words: []string{"down", "gone"}},
		}),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// mistakes is a file, and what is to be said of its lines.
var mistakes = []struct{ line, want string }{
	{"sections:", ""},
	{"  X: {sql: select 1}", `"X" cannot be a section's name`},
	{"  aa: {sql: select 1, shw: table}", `unknown key "shw" in section aa: did you mean show?`},
	{"  ab: {title: nothing}", "section ab does not say where it comes from: write one of sql:, http:, command: and prometheus:"},
	{"  ac: {sql: select 1, http: https://x.example}", "section ac has sql and http: keep one"},
	{"  ad: {sql: delete from invoice}", `sql begins with "delete" and must only read: begin it with select or with`},
	{"  ae: {sql: select 1; drop table invoice}", "sql has more than one statement: keep one"},
	{"  af: {sql: select 1, database: postgres://me:secret@db/x}", "database must name a variable or a file, because an address holds a password: write database: {env: SHOP_DATABASE_URL}"},
	{"  ag: {http: ftp://x.example}", "http must be an address that begins with http:// or https://: write http: https://"},
	{"  ah: {http: https://me:secret@x.example}", "http holds a password, which does not belong in the file: write headers: {Authorization: {env: NAME}}"},
	{"  ai: {http: {url: https://x.example, headers: {Authorization: Bearer abc}}}", "the value of Authorization does not belong in the file: write Authorization: {env: NAME}"},
	{"  aj: {http: https://x.example, pick: data.0.value}", "pick must begin with $, which is all of the answer: write pick: $.data[0].value"},
	{"  ak: {http: https://x.example, pick: '$.data['}", `pick "$.data[" is not a path (RFC 9535)`},
	{"  al: {command: df -P /}", "command must be a list, one item a word, and is \"df -P /\": write command: [df, -P, /]"},
	{"  am: {sql: select 1, show: tabel}", `show is "tabel" and must be one of number, table, series, status, text: write show: table`},
	{"  an: {sql: select 1, every: 1s}", "every must be from 5s to 24h and is \"1s\": write every: 1m"},
	{"  ao: {sql: select 1, timeout: 2m}", "timeout must be from 100ms to 1m and is \"2m\": write timeout: 10s"},
	{"  ap: {sql: select 1, warn: {above: 9}, bad: {above: 5}}", "bad above 5 is reached before warn above 9: swap them"},
	{"  aq: {sql: select 1, show: status, warn: {above: 5}}", "warn must be a list and is a mapping: write warn: [down, failed]"},
	{"  ar: {sql: select 1, link: 'javascript:alert(1)'}", "link must be an address that begins with http:// or https://: write link: https://"},
	{"  as: {sql: select 1, role: admni}", `role is "admni" and must be one of viewer, operator, admin: write role: admin`},
	{"  at: {sql: select 1, columns: [a]}", "columns are for show: table and show: series, and show is number: leave them out"},
	{"  av: {prometheus: {query: up}}", "prometheus needs url and query: write prometheus: {url: http://prometheus:9090, query: sum(up)}"},
	{"  aw: {sql: select 1, dir: .}", "dir is for sections with command: leave it out"},
	{"  ax: {sql: select 1, place: My Page}", `"My Page" cannot be a place: write place: overview`},
	{"  ay: {sql: select 1, warn: {}}", "warn names no bound: write warn: {above: 100}, or warn: {below: 1}"},
}

func TestEveryMistakeIsNamedWithItsLineAndWhatToWrite(t *testing.T) {
	var text strings.Builder
	for _, m := range mistakes[:21] { // as many as there may be, and one too many in the next test
		text.WriteString(m.line + "\n")
	}
	checkMistakes(t, text.String(), mistakes[:21], 0)
	text.Reset()
	text.WriteString(mistakes[0].line + "\n")
	for _, m := range mistakes[21:] {
		text.WriteString(m.line + "\n")
	}
	checkMistakes(t, text.String(), mistakes[21:], 1)
}

func checkMistakes(t *testing.T, text string, of []struct{ line, want string }, before int) {
	t.Helper()
	_, err := Parse("agentos.yaml", "/fleet", []byte(text))
	var errs strictyaml.Errors
	if !errors.As(err, &errs) {
		t.Fatalf("the file passes: %v", err)
	}
	byLine := map[int]string{}
	for _, e := range errs {
		byLine[e.Line] += e.Text + "\n"
		if strings.Contains(e.Text, "secret") {
			t.Errorf("an error shows a password: %s", e.Text)
		}
	}
	for i, m := range of {
		got := byLine[i+1+before]
		if m.want == "" != (got == "") || !strings.HasPrefix(got, m.want) || strings.Count(got, "\n") > 1 {
			t.Errorf("line %d, %s:\ngot  %swant %s", i+1+before, m.line, got, m.want)
		}
	}
}

func TestAFileHasAtMostTwentySections(t *testing.T) {
	text := "sections:\n"
	for i := range MaxSections + 1 {
		text += fmt.Sprintf("  s%02d: {sql: select 1}\n", i)
	}
	_, err := Parse("agentos.yaml", "/fleet", []byte(text))
	if err == nil || err.Error() != "agentos.yaml:22: section s20 is one too many: there may be 20" {
		t.Error(err)
	}
}

func TestAFileWithoutSectionsHasNone(t *testing.T) {
	if specs := parse(t, "agents: {one: {command: [x]}}"); len(specs) != 0 {
		t.Error(specs)
	}
}
