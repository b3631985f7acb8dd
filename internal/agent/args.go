package agent

import (
	"encoding/json"
	"math"
	"math/big"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/agentos/agentos/internal/strictyaml"
)

// maxArgsSize bounds the arguments of a scheduled run, as JSON.
const maxArgsSize = 64 << 10

// args returns a mapping as a JSON object; {} when it is not given or wrong.
func (d *decoder) args(n *yaml.Node) json.RawMessage {
	none := json.RawMessage("{}")
	if n == nil {
		return none
	}
	if node := strictyaml.Resolve(n); node.Kind != yaml.MappingNode {
		d.Errorf(n, "args must be a mapping and is %s: write args: {path: .}", strictyaml.Describe(node))
		return none
	}
	value, ok := d.jsonValue(n)
	if !ok {
		return none
	}
	data, err := json.Marshal(value)
	if err != nil || len(data) > maxArgsSize {
		d.Errorf(n, "args must fit in %d KiB of JSON", maxArgsSize>>10)
		return none
	}
	return data
}

func (d *decoder) jsonValue(n *yaml.Node) (any, bool) {
	node, ok := d.Enter(n)
	if !ok {
		return nil, false
	}
	defer d.Leave()
	switch node.Kind {
	case yaml.MappingNode:
		fs, ok := d.Mapping(n, "args", "{key: value}", nil)
		object := make(map[string]any, len(fs))
		for _, f := range fs {
			value, good := d.jsonValue(f.Value)
			ok = ok && good
			object[f.Key.Value] = value
		}
		return object, ok
	case yaml.SequenceNode:
		list := make([]any, 0, len(node.Content))
		for _, item := range node.Content {
			value, good := d.jsonValue(item)
			ok = ok && good
			list = append(list, value)
		}
		return list, ok
	}
	return d.jsonScalar(n, node)
}

func (d *decoder) jsonScalar(n, node *yaml.Node) (any, bool) {
	if node.Style == 0 && isNumber(node.Value) { // as it is written: 1.10 is not 1.1, and a float has only some 16 digits
		return json.Number(node.Value), true
	}
	switch node.ShortTag() {
	case "!!null":
		return nil, true
	case "!!str", "!!timestamp":
		return node.Value, true
	case "!!bool":
		var b bool
		if node.Decode(&b) == nil {
			return b, true
		}
	case "!!int", "!!float": // the parser takes an integer of more than 64 bits for a float: keep every digit
		if i, ok := new(big.Int).SetString(node.Value, 0); ok && len(node.Value) < 100 {
			return i, true
		}
		if f, err := strconv.ParseFloat(node.Value, 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			return f, true
		}
	}
	d.Errorf(n, "args cannot hold %s, which JSON does not know: write it in quotes", strictyaml.Describe(node))
	return nil, false
}

// isNumber reports whether a text is a number in JSON.
func isNumber(text string) bool {
	return text != "" && (text[0] == '-' || text[0] >= '0' && text[0] <= '9') && json.Valid([]byte(text))
}
