// Package jsonpatch makes and applies JSON merge patches (RFC 7396) without decoding: numbers and strings keep every digit
// and escape they were written with.
package jsonpatch

import (
	"encoding/json"
	"strings"
)

// The functions of this file walk JSON that is known to be valid without decoding it, so that numbers and strings keep
// every digit and escape they were written with.

// MaxNesting bounds how deep documents are nested, and with it how deep the code that walks them recurses.
const MaxNesting = 64

// A member is one key and value of an object.
type member struct {
	key   string // decoded
	value json.RawMessage
}

// An object is the members of a JSON object in their order, and their places by key.
type object struct {
	members []member
	places  map[string]int
}

func (o *object) get(key string) (json.RawMessage, bool) {
	i, ok := o.places[key]
	if !ok {
		return nil, false
	}
	return o.members[i].value, true
}

// set adds a member or replaces the one of that key.
func (o *object) set(key string, value json.RawMessage) {
	if i, ok := o.places[key]; ok {
		o.members[i].value = value
		return
	}
	o.places[key] = len(o.members)
	o.members = append(o.members, member{key, value})
}

// parseObject cuts a valid JSON object into its members. Of members with the same key the last one counts.
func parseObject(raw []byte) *object {
	o := &object{places: make(map[string]int)}
	i := skipSpace(raw, 1) // past the brace
	for raw[i] != '}' {
		end := skipValue(raw, i)
		key := decodeString(raw[i:end])
		start := skipSpace(raw, skipSpace(raw, end)+1) // past the colon
		end = skipValue(raw, start)
		o.set(key, json.RawMessage(raw[start:end:end]))
		if i = skipSpace(raw, end); raw[i] == ',' {
			i = skipSpace(raw, i+1)
		}
	}
	return o
}

// Lookup finds the value at a path of keys; false when there is none or the way there is no object.
func Lookup(raw json.RawMessage, path []string) (json.RawMessage, bool) {
	for _, key := range path {
		if !IsObject(raw) {
			return nil, false
		}
		value, ok := parseObject(raw).get(key)
		if !ok {
			return nil, false
		}
		raw = value
	}
	return raw, true
}

// IsObject reports whether a value that begins with no space is an object.
func IsObject(raw []byte) bool { return raw[0] == '{' }

// IsNull reports whether a value that begins with no space is null.
func IsNull(raw []byte) bool { return raw[0] == 'n' }

func skipSpace(raw []byte, i int) int {
	for raw[i] == ' ' || raw[i] == '\n' || raw[i] == '\t' || raw[i] == '\r' {
		i++
	}
	return i
}

// skipValue returns the place after the value that begins at i.
func skipValue(raw []byte, i int) int {
	switch raw[i] {
	case '"':
		return skipString(raw, i)
	case '{', '[':
		return skipNested(raw, i)
	}
	for i < len(raw) && !strings.ContainsRune(",]} \n\t\r", rune(raw[i])) {
		i++
	}
	return i
}

func skipString(raw []byte, i int) int {
	for i++; raw[i] != '"'; i++ {
		if raw[i] == '\\' {
			i++
		}
	}
	return i + 1
}

func skipNested(raw []byte, i int) int {
	for depth := 0; ; i++ {
		switch raw[i] {
		case '"':
			i = skipString(raw, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
}

// Nesting returns how deep a value is nested: 0 for a scalar, 1 for a flat object.
func Nesting(raw []byte) int {
	depth, deepest := 0, 0
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			i = skipString(raw, i) - 1
		case '{', '[':
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			depth--
		}
	}
	return deepest
}

// decodeString decodes a JSON string, quotes included.
func decodeString(raw []byte) string {
	inner := raw[1 : len(raw)-1]
	for _, b := range inner {
		if b == '\\' || b >= 0x80 {
			var text string
			_ = json.Unmarshal(raw, &text) // known to be valid
			return text
		}
	}
	return string(inner)
}

// Quote encodes a text as a JSON string.
func Quote(text string) []byte {
	raw, _ := json.Marshal(text) // a string always encodes
	return raw
}
