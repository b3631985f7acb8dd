package redact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// MaxDepth is how many levels of lists and objects are shown. Nobody reads more, and readers of JSON have limits of their own.
	MaxDepth = 200
	// insideStrings is how many levels of JSON in strings of JSON are looked through.
	insideStrings = 3
)

var tooDeep = fmt.Sprintf(`"[nested deeper than %d levels]"`, MaxDepth)

// The names of what names a secret beside its value, and of that value: {"name": "password", "value": "..."}.
var (
	nameFields  = []string{"name", "key", "k", "field", "header", "id", "label", "param", "parameter", "variable", "var", "option", "property", "attribute", "type"}
	valueFields = []string{"value", "values", "v", "val", "data", "content", "contents", "text", "default"}
)

// JSON returns JSON in its compact form without secrets. Of what is not JSON nothing is returned.
func (r *Rules) JSON(text string) (string, bool) {
	out, _, ok := r.json(text, 0)
	return out, ok
}

// Prefix is JSON of a text that was cut somewhere: as far as it goes, and nothing if it does not even begin like JSON.
func (r *Rules) Prefix(text string) string {
	w := writer{rules: r, in: text, cut: true}
	w.value(open)
	return string(w.out)
}

func (r *Rules) json(text string, level int) (out string, changed, ok bool) {
	if !json.Valid([]byte(text)) {
		return "", false, false
	}
	w := writer{rules: r, in: text, level: level, out: make([]byte, 0, len(text))}
	w.value(open)
	return string(w.out), w.changed, true
}

func looksLikeJSON(text string) bool {
	text = strings.TrimLeft(text, " \t\r\n")
	return text != "" && (text[0] == '{' || text[0] == '[')
}

// writer copies one JSON text without its white space and secrets. The text is valid as far as it goes.
type writer struct {
	rules   *Rules
	in      string // what is left
	out     []byte
	level   int  // of JSON in strings
	depth   int  // of lists and objects
	cut     bool // the text may end anywhere
	changed bool
}

// field is where a value stands in out.
type field struct{ from, to int }

// peek returns the next byte that is not white space, 0 at the end.
func (w *writer) peek() byte {
	w.in = strings.TrimLeft(w.in, " \t\r\n")
	if w.in == "" {
		return 0
	}
	return w.in[0]
}

// value copies a value; it returns false at the end of a text that was cut.
func (w *writer) value(s secrecy) bool {
	from := len(w.out)
	switch c := w.peek(); c {
	case '{', '[':
		if w.depth == MaxDepth {
			w.skip()
			w.out, w.changed = append(w.out, tooDeep...), true
			return w.in != "" || !w.cut
		}
		w.depth++
		inside := s
		if s == secret {
			inside = open // all of it goes
		}
		whole := w.inside(c, inside)
		w.depth--
		if s == secret {
			w.hide(field{from, len(w.out)})
		}
		return whole
	case '"':
		text, whole := w.text()
		w.string(text, s)
		return whole
	case 0:
		return false
	}
	n := strings.IndexAny(w.in, " \t\r\n,]}:")
	if n < 0 {
		n = len(w.in)
	}
	if n == 0 { // only of a text that is no JSON
		w.in = ""
		return false
	}
	w.out, w.in = append(w.out, w.in[:n]...), w.in[n:]
	if s == secret {
		w.hide(field{from, len(w.out)})
	}
	return w.in != "" || !w.cut
}

// hide puts the mark in place of what was written. Truth values, null and empty texts stay.
func (w *writer) hide(f field) {
	switch written := w.out[f.from:f.to]; {
	case len(written) == 0, bytes.ContainsRune([]byte("tfn"), rune(written[0])), string(written) == `""`, string(written) == `"`+Mark+`"`:
	default:
		w.changed = true
		w.out = slices.Replace(w.out, f.from, f.to, []byte(`"`+Mark+`"`)...)
	}
}

// string writes a text.
func (w *writer) string(text string, s secrecy) {
	switch {
	case text == "" || s == counted && isNumber(text):
	case s != open:
		w.changed = w.changed || text != Mark
		text = Mark
	default:
		clean := text
		if w.level < insideStrings && looksLikeJSON(text) {
			if out, changed, ok := w.rules.json(text, w.level+1); ok {
				if changed {
					clean = out
				}
				w.changed = w.changed || changed
				w.out = appendQuoted(w.out, clean)
				return
			}
		}
		clean = w.rules.Text(text)
		w.changed = w.changed || clean != text
		text = clean
	}
	w.out = appendQuoted(w.out, text)
}

// inside copies a list or an object.
func (w *writer) inside(opening byte, s secrecy) bool {
	w.in = w.in[1:]
	w.out = append(w.out, opening)
	var whole bool
	if opening == '{' {
		whole = w.object(s)
	} else {
		whole = w.list(s)
	}
	if whole {
		w.in = w.in[1:]
		w.out = append(w.out, opening+2) // ASCII has it so for both
	}
	return whole
}

func (w *writer) object(s secrecy) (whole bool) {
	var values []field
	named := open
	for n := 0; ; n++ {
		switch c := w.peek(); {
		case c == '}':
			whole = true
		case c == ',' && n > 0:
			w.in = w.in[1:]
			if w.peek() != '"' {
				break
			}
			w.out = append(w.out, ',')
			fallthrough
		case c == '"':
			key, ok := w.text()
			if !ok {
				break
			}
			w.out = append(appendQuoted(w.out, w.rules.Text(key)), ':')
			if w.peek() != ':' {
				break
			}
			w.in = w.in[1:]
			from, next := len(w.out), w.in
			whole := w.value(max(s, w.rules.of(key)))
			switch lower := strings.ToLower(key); {
			case slices.Contains(nameFields, lower):
				if name := (&writer{in: next}); name.peek() == '"' {
					text, _ := name.text()
					named = max(named, w.rules.of(text))
				}
			case slices.Contains(valueFields, lower):
				values = append(values, field{from, len(w.out)})
			}
			if whole {
				continue
			}
		}
		break
	}
	if named != open {
		for _, f := range slices.Backward(values) { // those after it move
			if named == secret || !isNumber(string(w.out[f.from:f.to])) {
				w.hide(f)
			}
		}
	}
	return whole
}

func (w *writer) list(s secrecy) (whole bool) {
	var first, next secrecy // what the first element, and the one before, say of the one that follows
	var second field
	n := 0
	for ; ; n++ {
		c := w.peek()
		if c == ']' {
			whole = true
			break
		}
		if n > 0 {
			if c != ',' {
				break
			}
			w.in, w.out = w.in[1:], append(w.out, ',')
			c = w.peek()
		}
		from, said := len(w.out), open
		isFlag := false
		if c == '"' {
			text, _ := (&writer{in: w.in}).text()
			said = w.rules.of(text)
			isFlag = strings.HasPrefix(text, "-") && !strings.ContainsAny(text, "= ") || isHeader(text)
		}
		ok := w.value(max(s, next))
		if next = open; isFlag {
			next = said
		}
		switch n {
		case 0:
			first = said
		case 1:
			second = field{from, len(w.out)}
		}
		if !ok {
			n++
			break
		}
	}
	if n == 2 && (first == secret || first == counted && !isNumber(string(w.out[second.from:second.to]))) {
		w.hide(second)
	}
	return whole
}

// text reads a string; false when it has no end.
func (w *writer) text() (string, bool) {
	for i := 1; i < len(w.in); i++ {
		switch w.in[i] {
		case '\\':
			i++
		case '"':
			raw := w.in[:i+1]
			w.in = w.in[i+1:]
			return unquote(raw), true
		}
	}
	raw := w.in
	w.in = ""
	for cut := range 12 { // an escape may have been cut too
		if len(raw)-cut < 1 {
			break
		}
		if text := raw[:len(raw)-cut] + `"`; json.Valid([]byte(text)) {
			return unquote(text), false
		}
	}
	return strings.Trim(raw, `"`), false
}

func unquote(raw string) string {
	inside := raw[1 : len(raw)-1]
	if !strings.Contains(inside, `\`) && utf8.ValidString(inside) {
		return inside
	}
	var text string
	if json.Unmarshal([]byte(raw), &text) != nil {
		return strings.ToValidUTF8(inside, "\uFFFD")
	}
	return text
}

// skip leaves out a list or an object.
func (w *writer) skip() {
	depth := 0
	for i := 0; i < len(w.in); i++ {
		switch w.in[i] {
		case '"':
			for i++; i < len(w.in) && w.in[i] != '"'; i++ {
				if w.in[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				w.in = w.in[i+1:]
				return
			}
		}
	}
	w.in = ""
}

func isNumber(text string) bool {
	return text != "" && strings.Trim(text, "0123456789.-+eE") == "" && strings.ContainsAny(text, "0123456789")
}

// appendQuoted writes a text as JSON, without escapes that are for HTML.
func appendQuoted(out []byte, text string) []byte {
	plain := utf8.ValidString(text)
	for i := 0; plain && i < len(text); i++ {
		plain = text[i] >= ' ' && text[i] != '"' && text[i] != '\\'
	}
	if plain {
		return append(append(append(out, '"'), text...), '"')
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(text) != nil {
		return append(out, `""`...)
	}
	return append(out, b.Bytes()[:b.Len()-1]...)
}

// quote is a text as it stands in JSON, without the quotes.
func quote(text string) string {
	quoted := appendQuoted(nil, text)
	return string(quoted[1 : len(quoted)-1])
}
