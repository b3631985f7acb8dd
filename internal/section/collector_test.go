package section

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
)

// collector returns one that finds the variables of env, and is closed when the test ends.
func collector(t *testing.T, o Options, env map[string]string) *Collector {
	t.Helper()
	o.LookupEnv = func(name string) (string, bool) {
		if value, ok := env[name]; ok {
			return value, true
		}
		return os.LookupEnv(name)
	}
	c := NewCollector(o)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// one is a section of a file, as it is read from there.
func one(t *testing.T, yaml string) Spec {
	t.Helper()
	specs, err := Parse("agentos.yaml", t.TempDir(), []byte("sections:\n  it: "+yaml+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	return specs[0]
}

// shown is a value as JSON, or the error.
func shown(t *testing.T, c *Collector, s Spec) string {
	t.Helper()
	value, err := c.Collect(t.Context(), s)
	if err != nil {
		return "error: " + err.Error()
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > MaxValue || !utf8.Valid(text) {
		t.Errorf("the value has %d bytes, valid %v", len(text), utf8.Valid(text))
	}
	return string(text)
}

func TestHTTPSaysWhatCame(t *testing.T) {
	answers := map[string]func(w http.ResponseWriter){
		"/number":  text(`{"data": [{"value": 12.5}], "words": ["a", "b"], "none": null, "big": 9007199254740993}`),
		"/html":    text(`<html><script>alert(1)</script></html>`),
		"/inside":  text(`{"t": "<script>alert(1)</script>"}`),
		"/nan":     text(`{"value": NaN}`),
		"/texts":   text(`{"value": "NaN", "inf": "Infinity"}`),
		"/garbage": text("\x00\xff\x1b[31mred"),
		"/control": text(`{"t": "a\u0000b\u001b[31mred\u001b[0m\u202ec\ttab"}`),
		"/bytes":   text("{\"t\": \"caf\xe9\"}"),
		"/nothing": text(""),
		"/empty":   text(`[]`),
		"/500":     func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) },
		"/broken":  func(w http.ResponseWriter) { w.Header().Set("Content-Length", "100"); _, _ = io.WriteString(w, "[1,") },
		"/flood": func(w http.ResponseWriter) {
			chunk := []byte(strings.Repeat("1,", 32<<10))
			_, _ = io.WriteString(w, "[")
			for range 160 { // 10 MB
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		},
		"/rows": func(w http.ResponseWriter) {
			rows := make([]map[string]any, 70)
			for i := range rows {
				rows[i] = map[string]any{"name": fmt.Sprint("row ", i), "n": i, "in": map[string]any{"deep": i * 2}}
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"items": rows})
		},
		"/series": text(`[[1764558060, 2], [1764558000, 1], ["2025-12-01T03:02:00Z", null]]`),
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answers[r.URL.Path](w) }))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	c := collector(t, Options{}, nil)
	for _, tc := range []struct{ path, rest, want string }{
		{"/number", "pick: '$.data[0].value', unit: EUR, format: number, warn: {above: 10}, bad: {above: 20}", `{"number":12.5,"unit":"EUR","format":"number","level":"warn"}`},
		{"/number", "pick: '$.data[0].value', warn: {below: 10}", `{"number":12.5,"level":"ok"}`},
		{"/number", "pick: $.other", "error: pick $.other selects nothing of what came"},
		{"/number", "pick: '$.words[*]'", "error: pick $.words[*] selects 2 values: select one"},
		{"/number", "pick: '$.words[0]'", `error: "a" came instead of a number`},
		{"/number", "pick: $.none", "error: null came instead of a number: have it return 0 where that is meant"},
		{"/number", "", "error: an object came instead of a number"},
		{"/number", "pick: $.words, show: table", `{"columns":[{"label":"value"}],"rows":[["a"],["b"]]}`},
		{"/number", "pick: $.big, show: text", `{"text":"9007199254740993"}`},
		{"/number", "pick: '$.words[1]', show: status, bad: [B]", `{"level":"bad","status":"b"}`},
		{"/number", "pick: '$.words[1]', show: table", "error: a text came instead of a list: select one with pick, or write show: text"},
		{"/html", "show: text", "error: " + host + " answered HTML or XML: expected JSON; is it the address of the API, not of a page?"},
		{"/inside", "pick: $.t, show: text", `{"text":"\u003cscript\u003ealert(1)\u003c/script\u003e"}`},
		{"/nan", "pick: $.value", "error: " + host + ` answered no valid JSON; it begins with "{\"value\": NaN}"`},
		{"/texts", "pick: $.value", "error: NaN came instead of a number"},
		{"/texts", "pick: $.inf", "error: +Inf came instead of a number"},
		{"/garbage", "", "error: " + host + ` answered no valid JSON; it begins with "` + "\uFFFDred" + `"`},
		{"/control", "pick: $.t, show: text", `{"text":"abredc tab"}`},
		{"/bytes", "pick: $.t, show: text", `{"text":"caf` + "\uFFFD" + `"}`},
		{"/nothing", "", "error: " + host + " answered nothing: expected JSON"},
		{"/empty", "show: table, columns: [{label: Name, from: name}]", `{"columns":[{"label":"Name"}]}`},
		{"/empty", "show: series", "error: the result is empty: there are no points"},
		{"/empty", "", "error: a list came instead of a number"},
		{"/500", "", "error: " + host + " answered 500 Internal Server Error: expected 200"},
		{"/broken", "", "error: " + host + " the answer broke off: unexpected EOF"},
		{"/flood", "show: table", "error: " + host + " answered more than 1 MB: ask for less"},
		{"/rows", "pick: '$.items[:2]', show: table, columns: [name, {label: Deep, from: $.in.deep, format: bytes}]", `{"columns":[{"label":"name"},{"label":"Deep","format":"bytes"}],"rows":[["row 0",0],["row 1",2]]}`},
		{"/rows", "pick: $.items, show: table, columns: [nome]", "error: no row has a nome: look at what comes with show: text"},
		{"/series", "show: series, bad: {above: 1}", `{"points":[{"at":1764558000000,"value":1},{"at":1764558060000,"value":2},{"at":1764558120000,"value":null}]}`},
	} {
		rest := tc.rest
		if rest != "" {
			rest = ", " + rest
		}
		got := shown(t, c, one(t, "{http: '"+server.URL+tc.path+"'"+rest+"}"))
		if got = strings.Replace(got, host+": the", host+" the", 1); got != tc.want {
			t.Errorf("%s %s:\ngot  %s\nwant %s", tc.path, tc.rest, got, tc.want)
		}
	}
	var value Value
	if err := json.Unmarshal([]byte(shown(t, c, one(t, "{http: '"+server.URL+"/rows', pick: $.items, show: table, columns: [name]}"))), &value); err != nil || len(value.Rows) != MaxRows || value.More != 20 {
		t.Errorf("%d rows and %d more, %v", len(value.Rows), value.More, err)
	}
}

func text(s string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { _, _ = io.WriteString(w, s) }
}

func TestASectionThatHangsEndsAtItsTimeoutAndKeepsNoOtherWaiting(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
			return
		}
		_, _ = io.WriteString(w, "7")
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(hang) })
	c := collector(t, Options{}, nil)
	ended := make(chan string, 3)
	for range 3 {
		go func() { ended <- shown(t, c, one(t, "{http: '"+server.URL+"/hang', timeout: 1s}")) }()
	}
	if got := shown(t, c, one(t, "{http: '"+server.URL+"/fine', timeout: 1m}")); got != `{"number":7}` {
		t.Errorf("beside those that hang: %s", got)
	}
	for range 3 {
		if got := <-ended; got != "error: no answer within 1s: ask for less, or raise timeout (at most 1m0s)" {
			t.Error(got)
		}
	}
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	begun := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	c := NewCollector(Options{})
	spec := one(t, "{http: '"+server.URL+"', timeout: 1m}")
	ended := make(chan error, 1)
	go func() {
		_, err := c.Collect(context.Background(), spec)
		ended <- err
	}()
	<-begun
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil || err.Error() != "the server is stopping" {
		t.Error(err)
	}
	if _, err := c.Collect(context.Background(), spec); err == nil {
		t.Error("a closed collector collects")
	}
}

func TestNoHeaderOfOursGoesToAnotherHost(t *testing.T) {
	var seen atomic.Value
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.Header.Clone())
		_, _ = io.WriteString(w, "1")
	}))
	t.Cleanup(other.Close)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		case r.Header.Get("X-Shop-Key") != "s3cr3t-s3cr3t":
			w.WriteHeader(http.StatusForbidden)
		case r.URL.Path == "/own":
			http.Redirect(w, r, "/", http.StatusFound)
		case r.URL.Path == "/away":
			http.Redirect(w, r, other.URL, http.StatusFound)
		default:
			_, _ = io.WriteString(w, "2")
		}
	}))
	t.Cleanup(server.Close)
	c := collector(t, Options{}, map[string]string{"SHOP_KEY": "s3cr3t-s3cr3t"})
	at := func(path string) string {
		return shown(t, c, one(t, "{http: {url: '"+server.URL+path+"?key=1', headers: {X-Shop-Key: {env: SHOP_KEY}}}}"))
	}
	if got := at("/own"); got != `{"number":2}` {
		t.Error(got)
	}
	if got := at("/away"); got != `{"number":1}` {
		t.Error(got)
	}
	if headers, _ := seen.Load().(http.Header); headers.Get("X-Shop-Key") != "" || headers.Get("Referer") != "" {
		t.Errorf("another host got %v", headers)
	}
	if got := at("/file"); !strings.Contains(got, "a redirect leads to an address that is not http or https") {
		t.Error(got)
	}
	if got := shown(t, c, one(t, "{http: {url: '"+server.URL+"', headers: {X-Shop-Key: {env: SHOP_KEY_2}}}}")); got != "error: header X-Shop-Key: the variable SHOP_KEY_2 is not set: set it where agentos runs" {
		t.Error(got)
	}
}

func TestSQLReadsOnBothDatabases(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, address string) {
		d := dbtest.OpenURL(t, address)
		for _, statement := range []string{
			`create table invoice (id bigint primary key, customer text, amount double precision, paid text)`,
			`insert into invoice values (1, 'Ann', 10.5, '2026-01-02T15:04:05Z'), (2, '<b>Bob</b>', 20, null)`,
		} {
			if _, err := d.Write.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		c := collector(t, Options{Database: address}, map[string]string{"SHOP": address, "EMPTY": "", "WRONG": "mysql://x"})
		slow := `select count(*) from (with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000000000) select i from n) s`
		for _, tc := range []struct{ section, want string }{
			{"{sql: 'select count(*) from invoice'}", `{"number":2}`},
			{"{sql: 'select count(*) from invoice', database: {env: SHOP}}", `{"number":2}`},
			{"{sql: 'select id, customer, amount, paid from invoice order by id', show: table}", `{"columns":[{"label":"id"},{"label":"customer"},{"label":"amount"},{"label":"paid"}],"rows":[[1,"Ann",10.5,"2026-01-02T15:04:05Z"],[2,"\u003cb\u003eBob\u003c/b\u003e",20,null]]}`},
			{"{sql: 'select customer, amount from invoice where id = 1', show: table, columns: [{label: Sum, from: amount, format: number}]}", `{"columns":[{"label":"Sum","format":"number"}],"rows":[[10.5]]}`},
			{"{sql: 'select customer from invoice where id = 7', show: table}", `{"columns":[{"label":"customer"}]}`},
			{"{sql: 'select amount from invoice where id = 7'}", "error: the result is empty: have the query return one row"},
			{"{sql: 'select amount from invoice'}", "error: the result has 2 rows: have the query return one, or write show: table"},
			{"{sql: 'select id, amount from invoice where id = 1'}", "error: the result has 2 columns: have the query return one, or write show: table"},
			{"{sql: 'select sum(amount) from invoice where id = 7'}", "error: null came instead of a number: have it return 0 where that is meant"},
			{"{sql: 'select customer from invoice where id = 1', show: status, warn: [ann]}", `{"level":"warn","status":"Ann"}`},
			{"{sql: 'select 1764558000 + 60 * id, amount from invoice order by id desc', show: series}", `{"points":[{"at":1764558060000,"value":10.5},{"at":1764558120000,"value":20}]}`},
			{"{sql: 'select 1', database: {env: NOT_SET_HERE}}", "error: the variable NOT_SET_HERE is not set: set it where agentos runs"},
			{"{sql: 'select 1', database: {file: gone.db}}", "error: there is no database at this path: correct it, or start the server once if it is ours"},
			{"{sql: 'select 1', database: {env: WRONG}}", "error: the variable WRONG holds no address of a database: write postgres://user@host/name, or sqlite:///path/file.db"},
			{"{sql: '" + slow + "', timeout: 300ms}", "error: no answer within 300ms: ask for less, or raise timeout (at most 1m0s)"},
		} {
			if got := shown(t, c, one(t, tc.section)); got != tc.want {
				t.Errorf("%s:\ngot  %s\nwant %s", tc.section, got, tc.want)
			}
		}
		if got := shown(t, c, one(t, "{sql: 'select nothing from nowhere'}")); !strings.HasPrefix(got, "error: sql: ") {
			t.Error(got)
		}
		refused := "with gone as (delete from invoice returning 1) select count(*) from gone"
		if d.Kind == db.SQLite {
			refused = "with one as (select 1) delete from invoice"
		}
		if got := shown(t, c, one(t, "{sql: '"+refused+"'}")); !strings.HasPrefix(got, "error: ") {
			t.Errorf("a section writes: %s", got)
		}
		if got := shown(t, c, one(t, "{sql: 'select count(*) from invoice'}")); got != `{"number":2}` {
			t.Errorf("afterwards: %s", got)
		}
	})
}

func TestAPasswordOfADatabaseIsNotShown(t *testing.T) {
	c := collector(t, Options{}, map[string]string{"SHOP": "postgres://me:s3cr3t-s3cr3t@127.0.0.1:1/shop"})
	got := shown(t, c, one(t, "{sql: 'select 1', database: {env: SHOP}}"))
	if !strings.HasPrefix(got, "error: ") || strings.Contains(got, "s3cr3t") {
		t.Error(got)
	}
}

func TestCommandsSayWhatCame(t *testing.T) {
	c := collector(t, Options{}, map[string]string{"SHOP_KEY": "s3cr3t-s3cr3t"})
	for _, tc := range []struct{ section, want string }{
		{"{command: [echo, '42 ']}", `{"number":42}`},
		{"{command: [echo, $HOME], show: text}", `{"text":"$HOME"}`},
		{`{command: [echo, '{"a": [3]}'], pick: '$.a[0]'}`, `{"number":3}`},
		{`{command: [echo, '[{"a": 1}]'], show: table}`, `{"columns":[{"label":"a"}],"rows":[[1]]}`},
		{"{command: [echo, hello]}", `error: "hello" came instead of a number`},
		{"{command: [echo, hello], show: table}", `error: the command wrote no valid JSON; it begins with "hello"`},
		{"{command: ['true']}", "error: the command wrote nothing: have it write the value to standard output"},
		{"{command: [sh, -c, 'echo first >&2; echo the disk is gone >&2; exit 3']}", "error: the command failed: exit status 3: the disk is gone"},
		{"{command: [no-such-program]}", `error: command: exec: "no-such-program": executable file not found in $PATH`},
		{"{command: [sh, -c, 'echo $SHOP_KEY; echo $SHOP_KEY >&2; exit 1'], pass_env: [SHOP_KEY]}", "error: the command failed: exit status 1: [redacted]"},
		{"{command: [sh, -c, 'echo $SHOP_KEY'], pass_env: [SHOP_KEY], show: text}", `{"text":"[redacted]"}`},
		{"{command: [sh, -c, 'echo ${SHOP_KEY:-unset}'], show: text}", `{"text":"unset"}`},
		{"{command: [yes], timeout: 1m}", "error: the command wrote more than 64 KB and was ended: have it write less"},
	} {
		if got := shown(t, c, one(t, tc.section)); got != tc.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tc.section, got, tc.want)
		}
	}
	off := collector(t, Options{NoCommands: true}, nil)
	if got := shown(t, off, one(t, "{command: [echo, 1]}")); got != "error: sections may not run commands on this server (no_section_commands)" {
		t.Error(got)
	}
}

func TestACommandIsEndedWithItsChildren(t *testing.T) {
	for name, then := range map[string]string{"that hangs": "sleep 1000", "that leaves children behind": "echo 5"} {
		t.Run(name, func(t *testing.T) {
			// The children hold the write end of a pipe that they inherit by its name: its end says that all are gone.
			fifo := filepath.Join(t.TempDir(), "held")
			if err := syscall.Mkfifo(fifo, 0o600); err != nil {
				t.Fatal(err)
			}
			c := collector(t, Options{}, nil)
			spec := one(t, fmt.Sprintf("{command: [sh, -c, 'exec 9>%s; sleep 1000 & sleep 1000 & %s'], timeout: 2s}", fifo, then))
			ended := make(chan string, 1)
			go func() { ended <- shown(t, c, spec) }()
			held, err := os.Open(fifo) // waits for the command
			if err != nil {
				t.Fatal(err)
			}
			defer held.Close()
			if _, err := io.ReadAll(held); err != nil { // waits for the end of all who hold it
				t.Fatal(err)
			}
			want := "error: no answer within 2s: ask for less, or raise timeout (at most 1m0s)"
			if then == "echo 5" {
				want = `{"number":5}`
			}
			if got := <-ended; got != want {
				t.Error(got)
			}
		})
	}
}

func TestTextsAreShortenedToTheCapAndSayIt(t *testing.T) {
	v := &visit{c: NewCollector(Options{}), spec: &Spec{Show: ShowText}}
	for _, text := range []string{strings.Repeat("a", 60<<10), strings.Repeat("\u00e9", 30<<10), strings.Repeat("<", 60<<10), strings.Repeat("\"", 60<<10)} {
		value, err := v.shape(text)
		if err != nil {
			t.Fatal(err)
		}
		encoded, err := json.Marshal(value)
		if err != nil || len(encoded) > MaxValue || len(encoded) < MaxValue/2 || !value.Cut || !strings.HasSuffix(value.Text, "…") {
			t.Errorf("%d bytes, cut %v, %v", len(encoded), value.Cut, err)
		}
	}
	v.spec = &Spec{Show: ShowTable}
	wide := make([]any, MaxRows)
	for i := range wide {
		wide[i] = strings.Repeat("x", 1000)
	}
	value, err := v.shape(wide)
	if err != nil || len(value.Rows)+value.More != MaxRows || value.More == 0 {
		t.Errorf("%d rows and %d more, %v", len(value.Rows), value.More, err)
	}
}

// The answers have the form that https://prometheus.io/docs/prometheus/latest/querying/api/ documents under "Instant queries", "Range queries",
// "Expression query result formats" and "Format overview"; the values are the examples' own.
func TestPrometheusIsAskedThroughItsAPI(t *testing.T) {
	answers := map[string]string{
		"up": `{"status":"success","data":{"resultType":"vector","result":[
			{"metric":{"__name__":"up","job":"prometheus","instance":"localhost:9090"},"value":[1435781451.781,"1"]},
			{"metric":{"__name__":"up","job":"node","instance":"localhost:9100"},"value":[1435781451.781,"0"]}]}}`,
		"sum(up)":  `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1435781451.781,"1"]}]}}`,
		"nothing":  `{"status":"success","data":{"resultType":"vector","result":[]}}`,
		"nan":      `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1435781451.781,"NaN"]}]}}`,
		"scalar":   `{"status":"success","data":{"resultType":"scalar","result":[1435781451.781,"3"]}}`,
		"string":   `{"status":"success","data":{"resultType":"string","result":[1435781451.781,"fine"]}}`,
		"range":    `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"job":"node"},"values":[[1435781430.781,"0"],[1435781445.781,"NaN"],[1435781460.781,"1"]]}]}}`,
		"ranges":   `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"job":"a"},"values":[[1435781430.781,"0"]]},{"metric":{"job":"b"},"values":[[1435781430.781,"0"]]}]}}`,
		"sum(":     `{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:5: parse error: unclosed left parenthesis"}`,
		"no proms": `{"other": 1}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want := "/api/v1/query"
		if strings.HasPrefix(r.FormValue("query"), "range") {
			want = "/api/v1/query_range"
			if r.FormValue("start") == "" || r.FormValue("end") == "" || r.FormValue("step") != "61" {
				t.Errorf("asked for %s", r.URL.RawQuery)
			}
		}
		if r.URL.Path != want || r.Header.Get("Authorization") != "Bearer abc" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		answer := answers[r.FormValue("query")]
		if strings.Contains(answer, `"error"`) {
			w.WriteHeader(http.StatusBadRequest)
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	c := collector(t, Options{}, map[string]string{"PROM": "Bearer abc"})
	for _, tc := range []struct{ query, rest, want string }{
		{"sum(up)", "warn: {below: 2}", `{"number":1,"level":"warn"}`},
		{"up", "", "error: the result has 2 rows: have the query return one, or write show: table"},
		{"up", "show: table", `{"columns":[{"label":"instance"},{"label":"job"},{"label":"value"}],"rows":[["localhost:9090","prometheus","1"],["localhost:9100","node","0"]]}`},
		{"up", "show: table, columns: [job, {label: Up, from: value, format: number}]", `{"columns":[{"label":"job"},{"label":"Up","format":"number"}],"rows":[["prometheus",1],["node",0]]}`},
		{"nothing", "", "error: the result is empty: have the query return one row"},
		{"nothing", "show: table, columns: [job, value]", `{"columns":[{"label":"job"},{"label":"value"}]}`},
		{"nan", "", "error: NaN came instead of a number"},
		{"scalar", "", `{"number":3}`},
		{"string", "show: status", `{"status":"fine"}`},
		{"range", "show: series", `{"points":[{"at":1435781430781,"value":0},{"at":1435781445781,"value":null},{"at":1435781460781,"value":1}]}`},
		{"ranges", "show: series", "error: the query has 2 series: select one, for example by sum(...)"},
		{"sum(", "", `error: Prometheus refused the query: invalid parameter "query": 1:5: parse error: unclosed left parenthesis`},
		{"no proms", "", "error: " + host + " does not answer as Prometheus does: is the url that of the server, without /api/v1?"},
	} {
		rest := tc.rest
		if rest != "" {
			rest = ", " + rest
		}
		got := shown(t, c, one(t, "{prometheus: {url: '"+server.URL+"', query: '"+tc.query+"', headers: {Authorization: {env: PROM}}}"+rest+"}"))
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s %s: %s", tc.query, tc.rest, diff)
		}
	}
}
