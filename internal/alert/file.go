package alert

import (
	_ "embed" // the rules that there are by default
	"fmt"
	"os"
	"regexp"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/agentos/agentos/internal/strictyaml"
)

// Bounds of the rules in a file.
const (
	maxRules     = 100
	maxChannels  = 20
	maxSpan      = 30 * 24 * time.Hour
	minReminder  = 5 * time.Minute
	defaultEvery = 4 * time.Hour
)

var (
	ruleKeys = []string{"expr", "for", "keep_firing", "every", "severity", "per", "summary", "notify", "off"}
	// synonyms are what other tools call these keys.
	synonyms = map[string]string{
		"expression": "expr", "when": "expr", "condition": "expr", "if": "expr", "keep_firing_for": "keep_firing", "repeat": "every", "repeat_interval": "every",
		"reminder": "every", "level": "severity", "priority": "severity", "by": "per", "group_by": "per", "message": "summary", "description": "summary",
		"channels": "notify", "receivers": "notify", "disabled": "off",
	}
	channelName = regexp.MustCompile(`^[a-z0-9]+([_-][a-z0-9]+)*$`)
)

//go:embed defaults.yaml
var defaults []byte

// Load reads the rules of a fleet's file, on top of those that there are by default. The error is a [strictyaml.Errors] when the file
// was read and is not valid.
func Load(path string) (*Set, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("load alerts: %w", err)
	}
	return Parse(path, data)
}

// Parse reads the rules in the text of a fleet's file. One of the name of a default rule replaces it; `off: true` leaves it out.
func Parse(name string, data []byte) (*Set, error) {
	usual, off, err := parse("the default rules", defaults)
	if err != nil {
		return nil, err
	}
	own, ownOff, err := parse(name, data)
	if err != nil {
		return nil, err
	}
	replaced := func(r Rule) bool {
		return slices.Contains(ownOff, r.Name) || slices.Contains(off, r.Name) || slices.ContainsFunc(own, func(o Rule) bool { return o.Name == r.Name })
	}
	set, errs := Compile(append(slices.DeleteFunc(usual, replaced), own...))
	if len(errs) > 0 {
		return nil, errs[0] // each was compiled before
	}
	return set, nil
}

// parse reads the rules of one file, and the names of those that are off.
func parse(name string, data []byte) (rules []Rule, off []string, err error) {
	d := &decoder{strictyaml.NewDecoder(name, data, synonyms)}
	root := d.Document("write agents: and below it at least one agent") // as package agent says
	if root != nil && root.Kind == yaml.MappingNode {
		if top, ok := d.Mapping(root, "the file", "alerts:", nil); ok {
			rules, off = d.rules(top.Get("alerts"))
		}
	}
	return rules, off, d.Err()
}

type decoder struct{ *strictyaml.Decoder }

const ruleExample = `full: {expr: "dashboard.system.disk > 90", severity: warning}`

func (d *decoder) rules(n *yaml.Node) (rules []Rule, off []string) {
	if n == nil {
		return nil, nil
	}
	entries, ok := d.Mapping(n, "alerts", "alerts: {"+ruleExample+"}", nil)
	if ok && len(entries) > maxRules {
		d.Errorf(n, "there are %d alerts, and %d are the most", len(entries), maxRules)
	}
	for _, e := range entries {
		if name := e.Key.Value; !strictyaml.GoodName(name) {
			d.Errorf(e.Key, "%q cannot be an alert's name: %s", strictyaml.Clip(name), strictyaml.NameRule)
			continue
		}
		r, isOff, good := d.rule(e)
		switch {
		case isOff:
			off = append(off, e.Key.Value)
		case good:
			rules = append(rules, r)
		}
	}
	return rules, off
}

func (d *decoder) rule(e strictyaml.Field) (r Rule, off, good bool) {
	name, before := e.Key.Value, d.Count()
	set, ok := d.Mapping(e.Value, "alert "+name, ruleExample, ruleKeys)
	if !ok {
		return r, false, false
	}
	if n := set.Get("off"); n != nil {
		return r, d.off(n, set), false
	}
	r = Rule{
		Name:       name,
		For:        d.Duration(set.Get("for"), "for", 0, maxSpan, 0),
		KeepFiring: d.Duration(set.Get("keep_firing"), "keep_firing", 0, maxSpan, 0),
		Every:      d.every(set.Get("every")),
		Severity:   choice(d, set.Get("severity"), "severity", SeverityWarning, SeverityInfo, SeverityWarning, SeverityCritical),
		Per:        choice(d, set.Get("per"), "per", PerNone, PerAgent, PerQueue, PerSection),
		Notify:     d.notify(set.Get("notify")),
	}
	if n := set.Get("summary"); n != nil {
		r.Summary, _ = d.Text(n, "summary", "summary: The disk is nearly full")
		if len(r.Summary) > maxSummary {
			d.Errorf(n, "summary is longer than %d bytes: keep to one line", maxSummary)
		}
	}
	n := set.Get("expr")
	switch {
	case d.Count() > before: // what follows from another mistake is not one
		return r, false, false
	case n == nil:
		d.Errorf(e.Key, "alert %s has no expr: write expr: dashboard.system.disk > 90", name)
		return r, false, false
	}
	if r.Expression, ok = d.Text(n, "expr", "expr: dashboard.system.disk > 90"); !ok {
		return r, false, false
	}
	_, errs := Compile([]Rule{r})
	for _, wrong := range errs {
		d.Errorf(inside(set.Get(wrong.Part), wrong.Line, wrong.Col), "%s of alert %s: %s", wrong.Part, name, wrong.Text)
	}
	return r, false, len(errs) == 0
}

// off reads `off: true`, which stands alone.
func (d *decoder) off(n *yaml.Node, set strictyaml.Fields) bool {
	switch value := strictyaml.Resolve(n); {
	case value.ShortTag() != "!!bool":
		d.Errorf(n, "off must be true or false and is %s: write off: true", strictyaml.Describe(value))
		return false
	case len(set) > 1:
		d.Errorf(n, "off stands alone, for a default rule: leave out the rest, or off")
		return false
	case value.Value == "true":
		return true
	}
	d.Errorf(n, "off: false says nothing: leave it out")
	return false
}

func (d *decoder) every(n *yaml.Node) time.Duration {
	if n != nil && strictyaml.Resolve(n).Value == "never" {
		return 0
	}
	return d.Duration(n, "every", minReminder, maxSpan, defaultEvery)
}

func (d *decoder) notify(n *yaml.Node) []string {
	if n == nil {
		return nil
	}
	names, _ := d.Texts(n, "notify", "notify: [ops]")
	for i, name := range names {
		if !channelName.MatchString(name) || slices.Contains(names[:i], name) {
			d.Errorf(n, "notify lists each channel once, by a name such as ops, and %q is none or there already", strictyaml.Clip(name))
		}
	}
	if len(names) > maxChannels {
		d.Errorf(n, "notify lists %d channels, and %d are the most", len(names), maxChannels)
	}
	return names
}

// choice returns one of some words, the usual one when it is not given or wrong.
func choice[T ~string](d *decoder, n *yaml.Node, what string, usual T, words ...T) T {
	if n == nil {
		return usual
	}
	text, ok := d.Text(n, what, what+": "+string(words[0]))
	if ok && !slices.Contains(words, T(text)) {
		names := make([]string, len(words))
		for i, w := range words {
			names[i] = string(w)
		}
		d.Errorf(n, "%s is %q: %s", what, strictyaml.Clip(text), instead(text, names))
		return usual
	}
	return T(text)
}

// inside is a node at a place of a text, as far as it can be known where the text's lines are in the file.
func inside(n *yaml.Node, line, col int) *yaml.Node {
	at := *strictyaml.Resolve(n)
	switch {
	case at.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0: // its lines begin below the | or >, by an unknown indentation
		at.Line += line
		at.Column = col
	case line > 1: // a text that goes on, which YAML joined
	case at.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		at.Column += col
	default:
		at.Column += col - 1
	}
	return &at
}
