package agent

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Bounds on what anchors may expand to: a few lines of YAML can describe billions of values.
const (
	maxNodes = 200_000
	maxDepth = 64
)

// decoder walks the nodes of one file and notes every error; after one it goes on with a zero value.
type decoder struct {
	file, dir string
	errs      ValidationErrors
	budget    int // of nodes still to be visited
	depth     int
	places    map[string]places // by agent
}

func (d *decoder) errorf(n *yaml.Node, format string, args ...any) {
	d.errs = append(d.errs, ValidationError{File: d.file, Line: max(n.Line, 1), Col: max(n.Column, 1), Text: fmt.Sprintf(format, args...)})
}

func (d *decoder) errorAtLine(line int, format string, args ...any) {
	d.errorf(&yaml.Node{Line: line}, format, args...)
}

// enter counts a visit to a node and follows an alias to what it names. Not ok means: too much or too deep, stop here.
// The caller calls leave when ok.
func (d *decoder) enter(n *yaml.Node) (node *yaml.Node, ok bool) {
	if d.budget <= 0 {
		if d.budget == 0 {
			d.errorf(n, "the file describes more than %d values once its anchors are expanded: use fewer anchors", maxNodes)
		}
		d.budget = -1
		return n, false
	}
	if d.depth >= maxDepth {
		d.errorf(n, "nested deeper than %d levels, or an anchor that contains itself", maxDepth)
		return n, false
	}
	d.budget--
	d.depth++
	return resolve(n), true
}

func (d *decoder) leave() { d.depth-- }

func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	return n
}

// field is one entry of a mapping.
type field struct {
	key, value *yaml.Node
}

// fields are the entries of a mapping in file order; those merged in by << come last.
type fields []field

func (fs fields) get(name string) *yaml.Node {
	for _, f := range fs {
		if f.key.Value == name {
			return f.value
		}
	}
	return nil
}

// mapping returns the entries of a mapping, each key once. Known lists the keys there may be; nil allows any.
func (d *decoder) mapping(n *yaml.Node, what, example string, known []string) (fields, bool) {
	node, ok := d.enter(n)
	if !ok {
		return nil, false
	}
	defer d.leave()
	if node.Kind != yaml.MappingNode {
		d.errorf(n, "%s must be a mapping and is %s: write %s", what, describe(node), example)
		return nil, false
	}
	var own, merged fields
	seen := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		switch {
		case key.Tag == "!!merge" || key.Kind == yaml.ScalarNode && key.Value == "<<" && key.Style == 0:
			merged = append(merged, d.merge(value, what)...)
			continue
		case key.Kind != yaml.ScalarNode || isNull(key):
			d.errorf(key, "a key of %s must be plain text and is %s", what, describe(resolve(key)))
			continue
		case seen[key.Value] > 0:
			d.errorf(key, "%s is given twice in %s, first on line %d: keep one", key.Value, what, seen[key.Value])
			continue
		}
		seen[key.Value] = max(key.Line, 1)
		own = append(own, field{key, value})
	}
	for _, f := range merged {
		if seen[f.key.Value] == 0 {
			seen[f.key.Value] = max(f.key.Line, 1)
			own = append(own, f)
		}
	}
	return d.onlyKnown(own, what, known), true
}

// merge returns the entries that `<<: *anchor` or `<<: [*one, *two]` brings in.
func (d *decoder) merge(n *yaml.Node, what string) fields {
	node, ok := d.enter(n)
	if !ok {
		return nil
	}
	defer d.leave()
	if node.Kind != yaml.SequenceNode {
		fs, _ := d.mapping(n, "what << merges into "+what, "<<: *anchor", nil)
		return fs
	}
	var all fields
	for _, item := range node.Content {
		fs, _ := d.mapping(item, "what << merges into "+what, "<<: [*one, *two]", nil)
		all = append(all, fs...)
	}
	return all
}

func (d *decoder) onlyKnown(fs fields, what string, known []string) fields {
	if known == nil {
		return fs
	}
	return slices.DeleteFunc(fs, func(f field) bool {
		if slices.Contains(known, f.key.Value) {
			return false
		}
		if strings.HasPrefix(f.key.Value, "x-") { // the file's own: anchors, notes
			return true
		}
		if near := nearest(f.key.Value, known); near != "" {
			d.errorf(f.key, "unknown key %q in %s: did you mean %s?", clip(f.key.Value), what, near)
		} else {
			d.errorf(f.key, "unknown key %q in %s: there are %s", clip(f.key.Value), what, strings.Join(known, ", "))
		}
		return true
	})
}

// text returns a scalar as it is written; numbers and booleans too, so that `PORT: 8080` needs no quotes.
func (d *decoder) text(n *yaml.Node, what, example string) (string, bool) {
	node, ok := d.enter(n)
	if !ok {
		return "", false
	}
	defer d.leave()
	if node.Kind != yaml.ScalarNode || isNull(node) || !slices.Contains(textTags, node.ShortTag()) {
		d.errorf(n, "%s must be text and is %s: write %s", what, describe(node), example)
		return "", false
	}
	if strings.ContainsRune(node.Value, 0) {
		d.errorf(n, "%s contains a NUL character, which no program can receive", what)
		return "", false
	}
	return node.Value, true
}

var textTags = []string{"!!str", "!!int", "!!float", "!!bool", "!!timestamp"}

// texts returns a list of scalars.
func (d *decoder) texts(n *yaml.Node, what, example string) ([]string, bool) {
	node, ok := d.enter(n)
	if !ok {
		return nil, false
	}
	defer d.leave()
	if node.Kind != yaml.SequenceNode {
		d.errorf(n, "%s must be a list and is %s: write %s", what, describe(node), example)
		return nil, false
	}
	all := make([]string, 0, len(node.Content))
	for _, item := range node.Content {
		text, good := d.text(item, "an item of "+what, example)
		ok = ok && good
		all = append(all, text)
	}
	return all, ok
}

// number returns a whole number from 1 to high, or instead when it is not given or wrong.
func (d *decoder) number(n *yaml.Node, what string, high, instead int) int {
	if n == nil {
		return instead
	}
	node := resolve(n)
	value, err := strconv.Atoi(node.Value)
	if node.Kind != yaml.ScalarNode || node.ShortTag() != "!!int" || err != nil || value < 1 || value > high {
		d.errorf(n, "%s must be a whole number from 1 to %d and is %s: write %s: %d", what, high, describe(node), what, instead)
		return instead
	}
	return value
}

// factor returns a number within bounds, or instead when it is not given or wrong.
func (d *decoder) factor(n *yaml.Node, what string, low, high, instead float64) float64 {
	if n == nil {
		return instead
	}
	node := resolve(n)
	value, err := strconv.ParseFloat(node.Value, 64)
	isNumber := node.ShortTag() == "!!int" || node.ShortTag() == "!!float"
	if node.Kind != yaml.ScalarNode || !isNumber || err != nil || math.IsNaN(value) || value < low || value > high {
		d.errorf(n, "%s must be a number from %v to %v and is %s: write %s: %v", what, low, high, describe(node), what, instead)
		return instead
	}
	return value
}

// duration returns a length of time within bounds, or instead when it is not given or wrong.
func (d *decoder) duration(n *yaml.Node, what string, low, high, instead time.Duration) time.Duration {
	if n == nil {
		return instead
	}
	node := resolve(n)
	value, err := time.ParseDuration(node.Value)
	switch {
	case node.Kind != yaml.ScalarNode || err != nil:
		hint := short(instead)
		if _, err := strconv.ParseFloat(node.Value, 64); err == nil && len(node.Value) < 10 {
			hint = node.Value + "s"
		}
		d.errorf(n, "%s must be a duration with a unit (ms, s, m, h) and is %s: write %s: %s", what, describe(node), what, hint)
		return instead
	case value < low || value > high:
		d.errorf(n, "%s must be from %s to %s and is %s: write %s: %s", what, short(low), short(high), describe(node), what, short(instead))
		return instead
	}
	return value
}

// short writes a duration without its zero parts: 5m, not 5m0s.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// describe says what a node is, for an error.
func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "nothing"
	case !slices.Contains(textTags, n.ShortTag()):
		return "a value tagged " + clip(n.ShortTag())
	case n.ShortTag() == "!!str":
		return strconv.Quote(clip(n.Value))
	}
	return clip(n.Value)
}

// clip shortens what an error quotes from the file.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
