package section

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/theory/jsonpath"
	"go.yaml.in/yaml/v3"

	"github.com/agentos/agentos/internal/strictyaml"
)

const (
	maxText    = 100 // bytes of a title, a label or a unit
	maxQuery   = 16 << 10
	maxColumns = 12
	kindsHint  = "write one of sql:, http:, command: and prometheus:"
)

var (
	kindKeys    = []string{"sql", "http", "command", "prometheus"}
	sectionKeys = append([]string{
		"title", "database", "dir", "pass_env", "pick", "show", "columns", "format", "unit", "warn", "bad", "link", "every", "timeout", "role", "place",
	}, kindKeys...)
	ofKind = map[string]string{"database": "sql", "dir": "command", "pass_env": "command"}

	headerForm = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")
	dotted     = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
)

// keyFor maps what other tools call a setting to what it is called here.
var keyFor = map[string]string{
	"query": "sql", "select": "sql", "db": "database", "url": "http", "cmd": "command", "exec": "command", "run": "command", "argv": "command", "promql": "prometheus",
	"path": "pick", "jsonpath": "pick", "type": "show", "display": "show", "name": "title", "label": "title", "warning": "warn", "critical": "bad", "crit": "bad", "error": "bad",
	"interval": "every", "refresh": "every", "refreshinterval": "every", "href": "link", "page": "place", "cwd": "dir",
	"field": "from", "column": "from", "env_file": "file", "over": "range", "since": "range", "expr": "query", "gt": "above", "lt": "below", "max": "above", "min": "below",
}

// Load reads the sections of a fleet's file. The error is a [strictyaml.Errors] when the file was read and is not valid.
func Load(path string) ([]Spec, error) {
	data, _, err := strictyaml.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("load sections: %w", err)
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("load sections: %w", err)
	}
	return Parse(path, dir, data)
}

// Parse reads the text of a fleet's file. Name is what errors call the file; dir, an absolute path, is what relative paths are
// relative to. The error is always a [strictyaml.Errors]: all that is wrong with the sections, at once. What is wrong with other
// parts of the file is for those who read them.
func Parse(name, dir string, data []byte) ([]Spec, error) {
	d := &decoder{Decoder: strictyaml.NewDecoder(name, data, keyFor), dir: dir}
	var specs []Spec
	if root := d.Document("write agents: and below it at least one agent"); root != nil {
		if root.Kind != yaml.MappingNode { // package agent says so
			return nil, nil
		}
		top, _ := d.Mapping(root, "the file", "agents: and below it the agents", nil)
		specs = d.sections(top.Get("sections"))
	}
	if err := d.Err(); err != nil {
		return nil, err
	}
	return specs, nil
}

type decoder struct {
	*strictyaml.Decoder
	dir string
}

func (d *decoder) sections(n *yaml.Node) []Spec {
	if n == nil {
		return nil
	}
	entries, _ := d.Mapping(n, "sections", "sections: {unpaid: {sql: select count(*) from invoice}}", nil)
	specs := make([]Spec, 0, len(entries))
	for i, e := range entries {
		if i == MaxSections {
			d.Errorf(e.Key, "section %s is one too many: there may be %d", strictyaml.Clip(e.Key.Value), MaxSections)
			break
		}
		if s := d.section(e); s != nil {
			specs = append(specs, *s)
		}
	}
	return specs
}

func (d *decoder) section(e strictyaml.Field) *Spec {
	name := e.Key.Value
	if !strictyaml.GoodName(name) {
		d.Errorf(e.Key, "%q cannot be a section's name: %s", strictyaml.Clip(name), strictyaml.NameRule)
		return nil
	}
	set, ok := d.Mapping(e.Value, "section "+name, name+": {sql: select count(*) from invoice, show: number}", sectionKeys)
	if !ok {
		return nil
	}
	s := &Spec{
		Name:    name,
		Title:   d.line(set.Get("title"), "title", "title: Unpaid invoices", titleOf(name)),
		Show:    choice(d, set.Get("show"), "show", ShowNumber, ShowTable, ShowSeries, ShowStatus, ShowText),
		Every:   d.Duration(set.Get("every"), "every", MinEvery, MaxEvery, DefaultEvery),
		Timeout: d.Duration(set.Get("timeout"), "timeout", 100*time.Millisecond, MaxTimeout, DefaultTimeout),
		Role:    choice(d, set.Get("role"), "role", RoleViewer, RoleOperator, RoleAdmin),
		Place:   d.place(set.Get("place")),
		Link:    d.link(set.Get("link")),
	}
	d.kind(e.Key, s, set)
	s.Pick = d.pick(set.Get("pick"), s)
	d.shown(s, set)
	return s
}

func titleOf(name string) string {
	title := strings.NewReplacer("-", " ", "_", " ").Replace(name)
	return strings.ToUpper(title[:1]) + title[1:]
}

// kind reads where the section comes from.
func (d *decoder) kind(at *yaml.Node, s *Spec, set strictyaml.Fields) {
	var kinds []string
	for _, key := range kindKeys {
		if set.Get(key) != nil {
			kinds = append(kinds, key)
		}
	}
	switch len(kinds) {
	case 0:
		d.Errorf(at, "section %s does not say where it comes from: %s", s.Name, kindsHint)
		return
	case 1:
	default:
		d.Errorf(set.Get(kinds[1]), "section %s has %s: keep one", s.Name, strings.Join(kinds, " and "))
		return
	}
	for key, kind := range ofKind {
		if n := set.Get(key); n != nil && kind != kinds[0] {
			d.Errorf(n, "%s is for sections with %s: leave it out", key, kind)
		}
	}
	n := set.Get(kinds[0])
	switch kinds[0] {
	case "sql":
		s.SQL = &SQL{Query: d.statement(n)}
		s.SQL.Env, s.SQL.File = d.database(set.Get("database"))
	case "http":
		s.HTTP = d.http(n)
	case "command":
		s.Command = d.command(n, set)
	case "prometheus":
		s.Prometheus = d.prometheus(n, s.Show)
	}
}

func (d *decoder) statement(n *yaml.Node) string {
	text, ok := d.Text(n, "sql", "sql: select count(*) from invoice")
	if !ok {
		return ""
	}
	text = strings.TrimSpace(text)
	switch err := checkStatement(text); {
	case len(text) > maxQuery:
		d.Errorf(n, "sql is longer than %d KiB: make it a view", maxQuery>>10)
	case err != nil:
		d.Errorf(n, "%s", err)
	}
	return text
}

// checkStatement refuses what is not one statement that reads. The connection refuses to write, too.
func checkStatement(text string) error {
	bare := bareSQL(text)
	word, _, _ := strings.Cut(strings.ToLower(strings.TrimLeft(bare, " \t\r\n(")), " ")
	if i := strings.IndexFunc(word, func(r rune) bool { return !unicode.IsLetter(r) }); i >= 0 {
		word = word[:i]
	}
	switch {
	case strings.TrimSpace(bare) == "":
		return errors.New("sql is empty: write a statement that reads, such as select count(*) from invoice")
	case !slices.Contains([]string{"select", "with", "values", "table", "show"}, word):
		return fmt.Errorf("sql begins with %q and must only read: begin it with select or with", strictyaml.Clip(word))
	case strings.Contains(strings.TrimRight(bare, "; \t\r\n"), ";"):
		return errors.New("sql has more than one statement: keep one")
	}
	return nil
}

var notSQL = regexp.MustCompile(`(?s)'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|\$\$.*?\$\$`)

// bareSQL is a statement with a blank in place of texts, quoted names and comments.
func bareSQL(text string) string { return notSQL.ReplaceAllString(text, " ") }

func (d *decoder) database(n *yaml.Node) (env, file string) {
	const example = "database: {env: SHOP_DATABASE_URL}"
	if n == nil {
		return "", ""
	}
	if node := strictyaml.Resolve(n); node.Kind == yaml.ScalarNode {
		d.Errorf(n, "database must name a variable or a file, because an address holds a password: write %s, or database: {file: shop.db}", example)
		return "", ""
	}
	before := d.Count()
	secret := d.source(n, "database", example, []string{"env", "file"})
	if d.Count() > before {
		return "", ""
	}
	return secret.Env, secret.File
}

// source reads {env: NAME} or {file: PATH}.
func (d *decoder) source(n *yaml.Node, what, example string, known []string) Secret {
	set, ok := d.Mapping(n, what, example, known)
	if !ok {
		return Secret{}
	}
	env, file := set.Get("env"), set.Get("file")
	switch {
	case (env == nil) == (file == nil):
		d.Errorf(n, "%s names either a variable or a file: write %s", what, example)
	case env != nil:
		name, ok := d.Text(env, "env", "env: NAME")
		if ok && !strictyaml.GoodEnvName(name) {
			d.Errorf(env, "%q cannot be the name of an environment variable: letters, digits and _", strictyaml.Clip(name))
		}
		return Secret{Env: name}
	default:
		if path, ok := d.Text(file, "file", "file: secret.txt"); ok && path != "" {
			return Secret{File: d.absolute(path)}
		}
	}
	return Secret{}
}

func (d *decoder) absolute(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(d.dir, path)
}

func (d *decoder) http(n *yaml.Node) *HTTP {
	const example = "http: https://shop.example/stats.json, or http: {url: ..., headers: {...}}"
	if strictyaml.Resolve(n).Kind != yaml.MappingNode {
		return &HTTP{URL: d.url(n, "http", example)}
	}
	set, _ := d.Mapping(n, "http", example, []string{"url", "headers"})
	if set.Get("url") == nil {
		d.Errorf(n, "http has no url: write url: https://shop.example/stats.json")
		return &HTTP{}
	}
	return &HTTP{URL: d.url(set.Get("url"), "url", "url: https://shop.example/stats.json"), Headers: d.headers(set.Get("headers"))}
}

func (d *decoder) url(n *yaml.Node, what, example string) string {
	text, ok := d.Text(n, what, example)
	if !ok {
		return ""
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		d.Errorf(n, "%s must be an address that begins with http:// or https://: write %s", what, example)
	case u.User != nil:
		d.Errorf(n, "%s holds a password, which does not belong in the file: write headers: {Authorization: {env: NAME}}", what)
	}
	return text
}

// secretHeaders are never written in the file.
var secretHeaders = []string{"authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token", "private-token"}

func (d *decoder) headers(n *yaml.Node) map[string]Secret {
	const example = "headers: {Authorization: {env: SHOP_AUTHORIZATION}}"
	if n == nil {
		return nil
	}
	entries, _ := d.Mapping(n, "headers", example, nil)
	headers := map[string]Secret{}
	for _, e := range entries {
		name := e.Key.Value
		switch {
		case !headerForm.MatchString(name):
			d.Errorf(e.Key, "%q cannot be the name of a header: write %s", strictyaml.Clip(name), example)
		case strictyaml.Resolve(e.Value).Kind == yaml.MappingNode:
			headers[name] = d.source(e.Value, "header "+name, name+": {env: NAME}", []string{"env", "file"})
		case slices.Contains(secretHeaders, strings.ToLower(name)):
			d.Errorf(e.Value, "the value of %s does not belong in the file: write %s: {env: NAME}, or %s: {file: PATH}", name, name, name)
		default:
			text, _ := d.Text(e.Value, "header "+name, name+": text/plain")
			if strings.ContainsAny(text, "\r\n") {
				d.Errorf(e.Value, "header %s has more than one line: keep one", name)
			}
			headers[name] = Secret{Text: text}
		}
	}
	return headers
}

func (d *decoder) command(n *yaml.Node, set strictyaml.Fields) *Command {
	const example = "command: [df, -P, /]"
	c := &Command{Dir: d.dir}
	if node := strictyaml.Resolve(n); node.Kind == yaml.ScalarNode && !strictyaml.IsNull(node) {
		d.Errorf(n, "command must be a list, one item a word, and is %s: write command: [%s]", strictyaml.Describe(node), strings.Join(strings.Fields(strictyaml.Clip(node.Value)), ", "))
		return c
	}
	argv, ok := d.Texts(n, "command", example)
	if ok && (len(argv) == 0 || argv[0] == "") {
		d.Errorf(n, "command is empty: write %s", example)
		return c
	}
	c.Argv = argv
	if ok && strings.Contains(argv[0], "/") {
		argv[0] = d.absolute(argv[0])
	}
	if dir := set.Get("dir"); dir != nil {
		if text, ok := d.Text(dir, "dir", "dir: ."); ok {
			c.Dir = d.absolute(text)
		}
	}
	if pass := set.Get("pass_env"); pass != nil {
		c.PassEnv, _ = d.Texts(pass, "pass_env", "pass_env: [API_KEY]")
		for _, name := range c.PassEnv {
			if !strictyaml.GoodEnvName(name) {
				d.Errorf(pass, "%q cannot be the name of an environment variable: letters, digits and _", strictyaml.Clip(name))
			}
		}
	}
	return c
}

func (d *decoder) prometheus(n *yaml.Node, show Show) *Prometheus {
	const example = "prometheus: {url: http://prometheus:9090, query: sum(up)}"
	set, ok := d.Mapping(n, "prometheus", example, []string{"url", "query", "range", "headers"})
	p := &Prometheus{}
	if !ok {
		return p
	}
	if set.Get("url") == nil || set.Get("query") == nil {
		d.Errorf(n, "prometheus needs url and query: write %s", example)
		return p
	}
	p.URL = strings.TrimRight(d.url(set.Get("url"), "url", "url: http://prometheus:9090"), "/")
	p.Query, _ = d.Text(set.Get("query"), "query", "query: sum(up)")
	if strings.TrimSpace(p.Query) == "" || len(p.Query) > maxQuery {
		d.Errorf(set.Get("query"), "query must have 1 to %d bytes: write query: sum(up)", maxQuery)
	}
	p.Headers = d.headers(set.Get("headers"))
	span := set.Get("range")
	switch {
	case show == ShowSeries:
		p.Range = d.Duration(span, "range", time.Minute, 31*24*time.Hour, time.Hour)
	case span != nil:
		d.Errorf(span, "range is for show: series: leave it out, or write show: series")
	}
	return p
}

func (d *decoder) pick(n *yaml.Node, s *Spec) string {
	if n == nil {
		return ""
	}
	text, ok := d.Text(n, "pick", "pick: $.data[0].value")
	switch {
	case !ok:
	case s.SQL != nil || s.Prometheus != nil:
		d.Errorf(n, "pick is for http and command, whose answers are JSON: leave it out")
	default:
		d.path(n, "pick", text)
	}
	return text
}

// path checks a path into JSON. A dotted one, as other dashboards have it, is answered with how it is written here.
func (d *decoder) path(n *yaml.Node, what, text string) {
	if !strings.HasPrefix(text, "$") && dotted.MatchString(text) {
		d.Errorf(n, "%s must begin with $, which is all of the answer: write %s: %s", what, what, fromDotted(text))
		return
	}
	if _, err := jsonpath.Parse(text); err != nil {
		d.Errorf(n, "%s %q is not a path (RFC 9535): %s: write for example %s: $.data[0].value", what, strictyaml.Clip(text),
			strings.TrimPrefix(err.Error(), "jsonpath: "), what)
	}
}

func fromDotted(text string) string {
	out := "$"
	for part := range strings.SplitSeq(text, ".") {
		_, err := strconv.Atoi(part)
		switch {
		case part == "":
		case err == nil:
			out += "[" + part + "]"
		case strings.Contains(part, "-"):
			out += "['" + part + "']"
		default:
			out += "." + part
		}
	}
	return out
}

// shown reads how the section is shown.
func (d *decoder) shown(s *Spec, set strictyaml.Fields) {
	numeric := s.Show == ShowNumber || s.Show == ShowSeries
	if n := set.Get("columns"); n != nil {
		if s.Show != ShowTable && s.Show != ShowSeries {
			d.Errorf(n, "columns are for show: table and show: series, and show is %s: leave them out", s.Show)
		} else {
			s.Columns = d.columns(n, s)
		}
	}
	for _, key := range []string{"format", "unit"} {
		if n := set.Get(key); n != nil && !numeric {
			d.Errorf(n, "%s is for show: number and show: series, and show is %s: leave it out%s", key, s.Show, map[bool]string{true: ", or give it to a column"}[s.Show == ShowTable && key == "format"])
			return
		}
	}
	s.Format = choice(d, set.Get("format"), "format", "", FormatNumber, FormatPercent, FormatDuration, FormatBytes)
	s.Unit = d.line(set.Get("unit"), "unit", "unit: EUR", "")
	s.Warn, s.Bad = d.threshold(set.Get("warn"), "warn", s.Show), d.threshold(set.Get("bad"), "bad", s.Show)
	if s.Warn == nil || s.Bad == nil {
		return
	}
	if w, b := s.Warn.Above, s.Bad.Above; w != nil && b != nil && *b < *w {
		d.Errorf(set.Get("bad"), "bad above %v is reached before warn above %v: swap them", *b, *w)
	}
	if w, b := s.Warn.Below, s.Bad.Below; w != nil && b != nil && *b > *w {
		d.Errorf(set.Get("bad"), "bad below %v is reached before warn below %v: swap them", *b, *w)
	}
}

func (d *decoder) columns(n *yaml.Node, s *Spec) []ColumnSpec {
	const example = "columns: [{label: Customer, from: name}, {label: Open, from: open, format: number}]"
	node := strictyaml.Resolve(n)
	if node.Kind != yaml.SequenceNode || len(node.Content) == 0 {
		d.Errorf(n, "columns must be a list and is %s: write %s", strictyaml.Describe(node), example)
		return nil
	}
	if len(node.Content) > maxColumns {
		d.Errorf(n, "there are %d columns and may be %d: keep the most important", len(node.Content), maxColumns)
		return nil
	}
	if s.Show == ShowSeries && len(node.Content) != 2 {
		d.Errorf(n, "a series has two columns, the time and the value, and there are %d: write columns: [at, value]", len(node.Content))
		return nil
	}
	columns := make([]ColumnSpec, 0, len(node.Content))
	for _, item := range node.Content {
		if strictyaml.Resolve(item).Kind != yaml.MappingNode {
			from := d.line(item, "a column", "columns: [name, open]", "")
			d.column(item, from, s)
			columns = append(columns, ColumnSpec{Label: from, From: from})
			continue
		}
		set, _ := d.Mapping(item, "a column", "{label: Customer, from: name}", []string{"label", "from", "format"})
		if set.Get("from") == nil {
			d.Errorf(item, "a column does not say what it shows: write {label: Customer, from: name}")
			continue
		}
		from, _ := d.Text(set.Get("from"), "from", "from: name")
		d.column(set.Get("from"), from, s)
		columns = append(columns, ColumnSpec{
			Label: d.line(set.Get("label"), "label", "label: Customer", from), From: from,
			Format: choice(d, set.Get("format"), "format", "", FormatText, FormatNumber, FormatPercent, FormatDuration, FormatBytes, FormatDate),
		})
	}
	return columns
}

func (d *decoder) column(n *yaml.Node, from string, s *Spec) {
	switch {
	case !strings.HasPrefix(from, "$"):
	case s.SQL != nil || s.Prometheus != nil:
		d.Errorf(n, "a path is for http and command: write the column's name")
	default:
		d.path(n, "from", from)
	}
}

func (d *decoder) threshold(n *yaml.Node, what string, show Show) *Threshold {
	numbers, words := what+": {above: 100}, or "+what+": {below: 1}", what+": [down, failed]"
	if n == nil {
		return nil
	}
	switch show {
	case ShowStatus:
		list, ok := d.Texts(n, what, words)
		if ok && len(list) == 0 {
			d.Errorf(n, "%s names no word: write %s", what, words)
		}
		return &Threshold{Words: list}
	case ShowNumber, ShowSeries:
	default:
		d.Errorf(n, "%s is for show: number, series and status, and show is %s: leave it out", what, show)
		return nil
	}
	set, ok := d.Mapping(n, what, numbers, []string{"above", "below"})
	if !ok {
		return nil
	}
	t := &Threshold{Above: d.bound(set.Get("above"), "above"), Below: d.bound(set.Get("below"), "below")}
	if set.Get("above") == nil && set.Get("below") == nil {
		d.Errorf(n, "%s names no bound: write %s", what, numbers)
	}
	return t
}

func (d *decoder) bound(n *yaml.Node, what string) *float64 {
	if n == nil {
		return nil
	}
	const most = 1e15
	value := d.Factor(n, what, -most, most, 1)
	return &value
}

func (d *decoder) link(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	return d.url(n, "link", "link: https://shop.example/invoices")
}

func (d *decoder) place(n *yaml.Node) string {
	if n == nil {
		return PlaceOverview
	}
	text, ok := d.Text(n, "place", "place: overview")
	if ok && !strictyaml.GoodName(text) {
		d.Errorf(n, "%q cannot be a place: write place: overview, or the name of a page: %s", strictyaml.Clip(text), strictyaml.NameRule)
	}
	return text
}

// line reads a short text of one line.
func (d *decoder) line(n *yaml.Node, what, example, otherwise string) string {
	if n == nil {
		return otherwise
	}
	text, ok := d.Text(n, what, example)
	if !ok {
		return otherwise
	}
	text = strings.TrimSpace(text)
	if text == "" || len(text) > maxText || strings.ContainsFunc(text, unicode.IsControl) {
		d.Errorf(n, "%s must be one line of 1 to %d bytes: write %s", what, maxText, example)
	}
	return text
}

// choice returns one of some words, the first when it is not given or wrong.
func choice[T ~string](d *decoder, n *yaml.Node, what string, usual T, others ...T) T {
	if n == nil {
		return usual
	}
	var words []string
	for _, word := range append([]T{usual}, others...) {
		if word != "" {
			words = append(words, string(word))
		}
	}
	text, ok := d.Text(n, what, what+": "+words[0])
	switch {
	case !ok:
	case slices.Contains(words, text):
		return T(text)
	default:
		near := strictyaml.Nearest(text, words, nil)
		if near == "" {
			near = words[0]
		}
		d.Errorf(n, "%s is %q and must be one of %s: write %s: %s", what, strictyaml.Clip(text), strings.Join(words, ", "), what, near)
	}
	return usual
}
