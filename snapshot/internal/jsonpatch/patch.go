package jsonpatch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Diff makes the JSON merge patch (RFC 7396) that turns the object from into the object to.
//
// A merge patch cannot set a null: there, null means "remove". A member that is null in to is therefore absent after
// the patch, and whoever reads a patched document must take an absent member for null. Everything else arrives exactly,
// numbers digit by digit; arrays are replaced as a whole.
func Diff(from, to []byte) ([]byte, error) {
	from, to = bytes.TrimSpace(from), bytes.TrimSpace(to)
	for _, doc := range [][]byte{from, to} {
		if err := CheckObject(doc); err != nil {
			return nil, fmt.Errorf("diff: %w", err)
		}
	}
	return DiffValid(from, to), nil
}

// Apply applies a JSON merge patch (RFC 7396) to an object. It is what a consumer of the stream does with each patch.
func Apply(doc, patch []byte) ([]byte, error) {
	doc, patch = bytes.TrimSpace(doc), bytes.TrimSpace(patch)
	for _, o := range [][]byte{doc, patch} {
		if err := CheckObject(o); err != nil {
			return nil, fmt.Errorf("apply: %w", err)
		}
	}
	return apply(doc, patch), nil
}

// CheckObject says why doc is not a JSON object that this package can walk.
func CheckObject(doc []byte) error {
	switch {
	case !json.Valid(doc):
		return errors.New("not valid JSON")
	case !IsObject(doc):
		return errors.New("not a JSON object")
	case Nesting(doc) > MaxNesting:
		return fmt.Errorf("nested deeper than %d levels", MaxNesting)
	}
	return nil
}

// DiffValid is Diff for objects that are known to be good.
func DiffValid(from, to json.RawMessage) json.RawMessage {
	older, newer := parseObject(from), parseObject(to)
	var w objectWriter
	for _, m := range newer.members {
		old, existed := older.get(m.key)
		if existed && bytes.Equal(old, m.value) {
			continue
		}
		switch {
		case IsNull(m.value):
			if existed {
				w.add(m.key, m.value)
			}
		case !IsObject(m.value):
			w.add(m.key, m.value)
		case existed && IsObject(old):
			if inner := DiffValid(old, m.value); len(inner) > len("{}") {
				w.add(m.key, inner)
			}
		default:
			w.add(m.key, withoutNulls(m.value))
		}
	}
	for _, m := range older.members {
		if _, kept := newer.get(m.key); !kept && !IsNull(m.value) {
			w.add(m.key, json.RawMessage("null"))
		}
	}
	return w.done()
}

// apply is Apply for objects that are known to be good.
func apply(doc, patch json.RawMessage) json.RawMessage {
	target := parseObject(doc)
	removed := make(map[string]bool)
	for _, m := range parseObject(patch).members {
		old, exists := target.get(m.key)
		switch {
		case IsNull(m.value):
			removed[m.key] = true
		case !IsObject(m.value):
			target.set(m.key, m.value)
		case exists && IsObject(old):
			target.set(m.key, apply(old, m.value))
		default:
			target.set(m.key, withoutNulls(m.value))
		}
	}
	var w objectWriter
	for _, m := range target.members {
		if !removed[m.key] {
			w.add(m.key, m.value)
		}
	}
	return w.done()
}

// withoutNulls is what an object becomes when it arrives in a merge patch: its null members, and those of the objects
// within it, are gone. Arrays arrive as they are.
func withoutNulls(raw json.RawMessage) json.RawMessage {
	if !bytes.Contains(raw, []byte("null")) {
		return raw
	}
	var w objectWriter
	for _, m := range parseObject(raw).members {
		switch {
		case IsNull(m.value):
		case IsObject(m.value):
			w.add(m.key, withoutNulls(m.value))
		default:
			w.add(m.key, m.value)
		}
	}
	return w.done()
}

// An objectWriter writes an object member by member.
type objectWriter struct{ buf []byte }

func (w *objectWriter) add(key string, value json.RawMessage) {
	if w.buf == nil {
		w.buf = append(w.buf, '{')
	} else {
		w.buf = append(w.buf, ',')
	}
	w.buf = append(w.buf, Quote(key)...)
	w.buf = append(w.buf, ':')
	w.buf = append(w.buf, value...)
}

func (w *objectWriter) done() json.RawMessage {
	if w.buf == nil {
		return json.RawMessage("{}")
	}
	return append(w.buf, '}')
}
