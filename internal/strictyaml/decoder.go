package strictyaml

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

// Decoder walks the nodes of one file and notes every error; after one it goes on with a zero value.
type Decoder struct {
	file     string
	data     []byte
	synonyms map[string]string // see Nearest
	errs     Errors
	budget   int // of nodes still to be visited
	depth    int
}

// NewDecoder returns a decoder of a file's text. Name is what errors call the file.
func NewDecoder(name string, data []byte, synonyms map[string]string) *Decoder {
	return &Decoder{file: name, data: data, synonyms: synonyms, budget: maxNodes}
}

// Err is everything wrong so far, as [Errors], or nil.
func (d *Decoder) Err() error { return d.errs.InOrder() }

// Count is how many errors were noted so far.
func (d *Decoder) Count() int { return len(d.errs) }

// Errorf notes an error at a node.
func (d *Decoder) Errorf(n *yaml.Node, format string, args ...any) {
	d.errs = append(d.errs, Error{File: d.file, Line: max(n.Line, 1), Col: max(n.Column, 1), Text: fmt.Sprintf(format, args...)})
}

func (d *Decoder) errorAtLine(line int, format string, args ...any) {
	d.Errorf(&yaml.Node{Line: line}, format, args...)
}

// Enter counts a visit to a node and follows an alias to what it names. Not ok means: too much or too deep, stop here.
// The caller calls leave when ok.
func (d *Decoder) Enter(n *yaml.Node) (node *yaml.Node, ok bool) {
	if d.budget <= 0 {
		if d.budget == 0 {
			d.Errorf(n, "the file describes more than %d values once its anchors are expanded: use fewer anchors", maxNodes)
		}
		d.budget = -1
		return n, false
	}
	if d.depth >= maxDepth {
		d.Errorf(n, "nested deeper than %d levels, or an anchor that contains itself", maxDepth)
		return n, false
	}
	d.budget--
	d.depth++
	return Resolve(n), true
}

// Leave ends a visit that Enter counted.
func (d *Decoder) Leave() { d.depth-- }

// Resolve follows aliases to the node that they name.
func Resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	return n
}

// Field is one entry of a mapping.
type Field struct {
	Key, Value *yaml.Node
}

// Fields are the entries of a mapping in file order; those merged in by << come last.
type Fields []Field

// Get returns the value of an entry, or nil.
func (fs Fields) Get(name string) *yaml.Node {
	for _, f := range fs {
		if f.Key.Value == name {
			return f.Value
		}
	}
	return nil
}

// Mapping returns the entries of a mapping, each key once. Known lists the keys there may be; nil allows any.
func (d *Decoder) Mapping(n *yaml.Node, what, example string, known []string) (Fields, bool) {
	node, ok := d.Enter(n)
	if !ok {
		return nil, false
	}
	defer d.Leave()
	if node.Kind != yaml.MappingNode {
		d.Errorf(n, "%s must be a mapping and is %s: write %s", what, Describe(node), example)
		return nil, false
	}
	var own, merged Fields
	seen := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		switch {
		case key.Tag == "!!merge" || key.Kind == yaml.ScalarNode && key.Value == "<<" && key.Style == 0:
			merged = append(merged, d.merge(value, what)...)
			continue
		case key.Kind != yaml.ScalarNode || IsNull(key):
			d.Errorf(key, "a key of %s must be plain text and is %s", what, Describe(Resolve(key)))
			continue
		case seen[key.Value] > 0:
			d.Errorf(key, "%s is given twice in %s, first on line %d: keep one", key.Value, what, seen[key.Value])
			continue
		}
		seen[key.Value] = max(key.Line, 1)
		own = append(own, Field{key, value})
	}
	for _, f := range merged {
		if seen[f.Key.Value] == 0 {
			seen[f.Key.Value] = max(f.Key.Line, 1)
			own = append(own, f)
		}
	}
	return d.onlyKnown(own, what, known), true
}

// merge returns the entries that `<<: *anchor` or `<<: [*one, *two]` brings in.
func (d *Decoder) merge(n *yaml.Node, what string) Fields {
	node, ok := d.Enter(n)
	if !ok {
		return nil
	}
	defer d.Leave()
	if node.Kind != yaml.SequenceNode {
		fs, _ := d.Mapping(n, "what << merges into "+what, "<<: *anchor", nil)
		return fs
	}
	var all Fields
	for _, item := range node.Content {
		fs, _ := d.Mapping(item, "what << merges into "+what, "<<: [*one, *two]", nil)
		all = append(all, fs...)
	}
	return all
}

func (d *Decoder) onlyKnown(fs Fields, what string, known []string) Fields {
	if known == nil {
		return fs
	}
	return slices.DeleteFunc(fs, func(f Field) bool {
		if slices.Contains(known, f.Key.Value) {
			return false
		}
		if strings.HasPrefix(f.Key.Value, "x-") { // the file's own: anchors, notes
			return true
		}
		if near := Nearest(f.Key.Value, known, d.synonyms); near != "" {
			d.Errorf(f.Key, "unknown key %q in %s: did you mean %s?", Clip(f.Key.Value), what, near)
		} else {
			d.Errorf(f.Key, "unknown key %q in %s: there are %s", Clip(f.Key.Value), what, strings.Join(known, ", "))
		}
		return true
	})
}

// Text returns a scalar as it is written; numbers and booleans too, so that `PORT: 8080` needs no quotes.
func (d *Decoder) Text(n *yaml.Node, what, example string) (string, bool) {
	node, ok := d.Enter(n)
	if !ok {
		return "", false
	}
	defer d.Leave()
	if node.Kind != yaml.ScalarNode || IsNull(node) || !slices.Contains(textTags, node.ShortTag()) {
		d.Errorf(n, "%s must be text and is %s: write %s", what, Describe(node), example)
		return "", false
	}
	if strings.ContainsRune(node.Value, 0) {
		d.Errorf(n, "%s contains a NUL character, which no program can receive", what)
		return "", false
	}
	return node.Value, true
}

var textTags = []string{"!!str", "!!int", "!!float", "!!bool", "!!timestamp"}

// Texts returns a list of scalars.
func (d *Decoder) Texts(n *yaml.Node, what, example string) ([]string, bool) {
	node, ok := d.Enter(n)
	if !ok {
		return nil, false
	}
	defer d.Leave()
	if node.Kind != yaml.SequenceNode {
		d.Errorf(n, "%s must be a list and is %s: write %s", what, Describe(node), example)
		return nil, false
	}
	all := make([]string, 0, len(node.Content))
	for _, item := range node.Content {
		text, good := d.Text(item, "an item of "+what, example)
		ok = ok && good
		all = append(all, text)
	}
	return all, ok
}

// Number returns a whole number from 1 to high, or instead when it is not given or wrong.
func (d *Decoder) Number(n *yaml.Node, what string, high, instead int) int {
	if n == nil {
		return instead
	}
	node := Resolve(n)
	value, err := strconv.Atoi(node.Value)
	if node.Kind != yaml.ScalarNode || node.ShortTag() != "!!int" || err != nil || value < 1 || value > high {
		d.Errorf(n, "%s must be a whole number from 1 to %d and is %s: write %s: %d", what, high, Describe(node), what, instead)
		return instead
	}
	return value
}

// Factor returns a number within bounds, or instead when it is not given or wrong.
func (d *Decoder) Factor(n *yaml.Node, what string, low, high, instead float64) float64 {
	if n == nil {
		return instead
	}
	node := Resolve(n)
	value, err := strconv.ParseFloat(node.Value, 64)
	isNumber := node.ShortTag() == "!!int" || node.ShortTag() == "!!float"
	if node.Kind != yaml.ScalarNode || !isNumber || err != nil || math.IsNaN(value) || value < low || value > high {
		d.Errorf(n, "%s must be a number from %v to %v and is %s: write %s: %v", what, low, high, Describe(node), what, instead)
		return instead
	}
	return value
}

// Duration returns a length of time within bounds, or instead when it is not given or wrong.
func (d *Decoder) Duration(n *yaml.Node, what string, low, high, instead time.Duration) time.Duration {
	if n == nil {
		return instead
	}
	node := Resolve(n)
	value, err := time.ParseDuration(node.Value)
	switch {
	case node.Kind != yaml.ScalarNode || err != nil:
		hint := Short(instead)
		if _, err := strconv.ParseFloat(node.Value, 64); err == nil && len(node.Value) < 10 {
			hint = node.Value + "s"
		}
		d.Errorf(n, "%s must be a duration with a unit (ms, s, m, h) and is %s: write %s: %s", what, Describe(node), what, hint)
		return instead
	case value < low || value > high:
		d.Errorf(n, "%s must be from %s to %s and is %s: write %s: %s", what, Short(low), Short(high), Describe(node), what, Short(instead))
		return instead
	}
	return value
}

// Short writes a duration without its zero parts: 5m, not 5m0s.
func Short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// IsNull reports whether a node is written as nothing.
func IsNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// Describe says what a node is, for an error.
func Describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case IsNull(n):
		return "nothing"
	case !slices.Contains(textTags, n.ShortTag()):
		return "a value tagged " + Clip(n.ShortTag())
	case n.ShortTag() == "!!str":
		return strconv.Quote(Clip(n.Value))
	}
	return Clip(n.Value)
}

// Clip shortens what an error quotes from the file.
func Clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
