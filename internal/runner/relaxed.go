package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxRelaxedDepth bounds how deep an object that an agent writes may be nested.
const maxRelaxedDepth = 200

// member is one entry of an object, in its order; a key may come twice.
type member struct {
	key   string
	value json.RawMessage // valid JSON
	bad   string          // what in it JSON cannot hold, such as NaN; value then has null in its place
}

var errUnreadable = errors.New("it is not a JSON object")

// relaxed reads JSON and what programs write in its place when their author took it for JSON: Python's and Ruby's own form
// of a value, a JavaScript literal, a trailing comma. What is JSON is taken as it is written, to the last digit.
type relaxed struct {
	text  string
	at    int
	depth int
	bad   string
}

// readObject reads the object that begins at a position, and returns where it ends.
func readObject(text string, at int) (members []member, end int, err error) {
	r := &relaxed{text: text, at: at}
	members, err = r.members()
	return members, r.at, err
}

func (r *relaxed) members() ([]member, error) {
	if !r.take("{") {
		return nil, errUnreadable
	}
	var all []member
	for {
		if r.take("}") {
			return all, nil
		}
		key, err := r.key()
		if err != nil {
			return nil, err
		}
		if !r.take(":") && !r.take("=>") {
			return nil, errUnreadable
		}
		r.space()
		begin := r.at
		r.bad = ""
		var out strings.Builder
		if err := r.value(&out); err != nil {
			return nil, err
		}
		m := member{key: key, value: json.RawMessage(r.text[begin:r.at]), bad: r.bad}
		if !json.Valid(m.value) {
			m.value = json.RawMessage(out.String())
		}
		all = append(all, m)
		if !r.take(",") && !r.ahead("}") {
			return nil, errUnreadable
		}
	}
}

// value writes the next value as JSON.
func (r *relaxed) value(out *strings.Builder) error {
	if r.depth++; r.depth > maxRelaxedDepth {
		return fmt.Errorf("it is nested deeper than %d levels", maxRelaxedDepth)
	}
	defer func() { r.depth-- }()
	switch {
	case r.take("{"):
		return r.items(out, '{', "}", true)
	case r.take("["):
		return r.items(out, '[', "]", false)
	case r.take("("): // a tuple
		return r.items(out, '[', ")", false)
	case r.ahead(`"`), r.ahead("'"):
		text, err := r.quoted()
		writeString(out, text)
		return err
	}
	return r.scalar(out)
}

func (r *relaxed) items(out *strings.Builder, open byte, closing string, keyed bool) error {
	out.WriteByte(open)
	for n := 0; !r.take(closing); n++ {
		if n > 0 {
			out.WriteByte(',')
		}
		if keyed {
			key, err := r.key()
			if err != nil || !r.take(":") && !r.take("=>") {
				return errUnreadable
			}
			writeString(out, key)
			out.WriteByte(':')
		}
		if err := r.value(out); err != nil {
			return err
		}
		if !r.take(",") && !r.ahead(closing) {
			return errUnreadable
		}
	}
	out.WriteByte(open + 2) // } follows { by two, and ] [
	return nil
}

var (
	wordForm   = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*`)
	numberForm = regexp.MustCompile(`^([+-]?)0*([0-9]*)(\.[0-9]*)?([eE][+-]?[0-9]+)?`)
)

// key is a text or a bare word.
func (r *relaxed) key() (string, error) {
	r.space()
	if r.ahead(`"`) || r.ahead("'") {
		return r.quoted()
	}
	word := wordForm.FindString(r.text[r.at:])
	if word == "" {
		return "", errUnreadable
	}
	r.at += len(word)
	return word, nil
}

func (r *relaxed) scalar(out *strings.Builder) error {
	rest := r.text[r.at:]
	sign := 0
	if strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "+") {
		sign = 1
	}
	if word := wordForm.FindString(rest[sign:]); word != "" {
		r.at += sign + len(word)
		return r.word(out, word, sign > 0)
	}
	n := numberForm.FindStringSubmatch(rest)
	if n == nil || !strings.ContainsAny(n[0], "0123456789") {
		return errUnreadable
	}
	r.at += len(n[0])
	if n[1] == "-" {
		out.WriteByte('-')
	}
	if n[2] == "" {
		n[2] = "0"
	}
	if n[3] == "." {
		n[3] = ""
	}
	out.WriteString(n[2] + n[3] + n[4])
	return nil
}

func (r *relaxed) word(out *strings.Builder, word string, signed bool) error {
	switch lower := strings.ToLower(word); {
	case lower == "nan" || lower == "infinity" || lower == "inf":
		r.bad = word
		out.WriteString("null")
	case signed:
		return errUnreadable
	case lower == "true" || lower == "false":
		out.WriteString(lower)
	case lower == "null" || lower == "none" || lower == "nil" || lower == "undefined":
		out.WriteString("null")
	default:
		return errUnreadable
	}
	return nil
}

// quoted reads a text in either kind of quotes.
func (r *relaxed) quoted() (string, error) {
	quote := r.text[r.at]
	begin := r.at
	for r.at++; r.at < len(r.text); r.at++ {
		switch r.text[r.at] {
		case '\\':
			r.at++
		case quote:
			r.at++
			var text string
			if quote == '"' && json.Unmarshal([]byte(r.text[begin:r.at]), &text) == nil {
				return text, nil
			}
			return unescape(r.text[begin+1 : r.at-1]), nil
		}
	}
	r.at = len(r.text)
	return "", errUnreadable
}

var escapes = map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', 'b': '\b', 'f': '\f', 'v': '\v', 'a': '\a', '0': 0}

// unescape undoes the escapes that the common languages share.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[i]]
		var code rune
		if digits > 0 && i+digits < len(s) {
			if _, err := fmt.Sscanf(s[i+1:i+1+digits], "%x", &code); err == nil {
				b.WriteRune(code)
				i += digits
				continue
			}
		}
		if c, known := escapes[s[i]]; known {
			b.WriteByte(c)
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func writeString(out *strings.Builder, text string) {
	encoded, err := json.Marshal(text)
	if err != nil {
		panic(err) // a text: cannot happen
	}
	out.Write(encoded)
}

// space goes on to what is no blank.
func (r *relaxed) space() {
	for r.at < len(r.text) {
		c, size := utf8.DecodeRuneInString(r.text[r.at:])
		if !unicode.IsSpace(c) && c != byteOrderMark && c != 0 {
			return
		}
		r.at += size
	}
}

func (r *relaxed) ahead(token string) bool {
	r.space()
	return strings.HasPrefix(r.text[r.at:], token)
}

func (r *relaxed) take(token string) bool {
	if !r.ahead(token) {
		return false
	}
	r.at += len(token)
	return true
}
