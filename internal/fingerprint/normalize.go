package fingerprint

import (
	"slices"
	"strings"
)

// maxSaid is how much of a normalized line makes the key: what stands behind it seldom says more.
const maxSaid = 240

// normalize hides what varies between two failures of one cause: numbers and ids (<n>), dates and times (<time>), hosts and addresses
// (<host>), e-mail addresses (<email>), URLs (<url>), paths (<path>, with the extension), quoted values and those behind key= (<value>).
// Words stay, with the digits that belong to them, and so do names of what a program or a database has few of: constraints,
// columns, modules. With quotes, quoted values stay too. It reads the line once.
func normalize(line string, quotes bool) string {
	n := normalizer{in: line, quotes: quotes}
	n.run()
	return strings.TrimSpace(string(n.out))
}

type normalizer struct {
	in     string
	at     int
	out    []byte
	quotes bool
	word   string // the last one, as it stands
	before string // the one before it
	unshut [256]bool
}

func (n *normalizer) run() {
	n.out = make([]byte, 0, min(len(n.in), maxSaid)+16)
	for n.at < len(n.in) && len(n.out) < maxSaid {
		c := n.in[n.at]
		switch {
		case c == ' ' || c == '\t':
			if len(n.out) > 0 && n.out[len(n.out)-1] != ' ' {
				n.out = append(n.out, ' ')
			}
			n.at++
		case n.begins() && n.hide():
		case c == '"' || c == '`' || c == '\'':
			n.quoted(string(rune(c)))
		case strings.HasPrefix(n.in[n.at:], "“"), strings.HasPrefix(n.in[n.at:], "‘"):
			n.quoted(n.in[n.at : n.at+len("“")])
		case c == '=':
			n.value()
		case isWord(c):
			n.wordAt()
		default:
			n.out = append(n.out, c)
			n.at++
		}
	}
}

// begins reports whether no word goes on here.
func (n *normalizer) begins() bool {
	return n.at == 0 || !isWord(n.in[n.at-1])
}

func (n *normalizer) put(placeholder string, length int) bool {
	n.at += length
	if !strings.HasSuffix(string(n.out[max(0, len(n.out)-len(placeholder)):]), placeholder) || placeholder == "<n>" {
		n.out = append(n.out, placeholder...)
	}
	return true
}

// hide hides what begins here, if it is of a form that varies.
func (n *normalizer) hide() bool {
	rest := n.in[n.at:]
	switch c := rest[0]; {
	case c == '/' || c == '~' || c == '.':
		return n.path(rest)
	case c == '[' || c == ':':
		if length := ipv6(rest); length > 0 {
			return n.put("<host>", length)
		}
		return false
	case (c == '-' || c == '+') && len(rest) > 1 && isDigit(rest[1]) && (n.at == 0 || strings.IndexByte(" (=[,:", n.in[n.at-1]) >= 0):
		length, placeholder := number(rest[1:])
		return length > 0 && n.put(placeholder, 1+length)
	case !isLetter(c) && !isDigit(c) && c != '_':
		return false
	}
	if length := uuid(rest); length > 0 {
		return n.put("<n>", length)
	}
	if length := clock(rest); length > 0 {
		return n.put("<time>", length)
	}
	token := rest[:tokenLength(rest)]
	if at := strings.IndexAny(token, ":@."); at > 0 { // what all of the following have
		if at = strings.Index(rest[:min(len(rest), len(token)+3)], "://"); at > 0 {
			return n.put("<url>", urlLength(rest))
		}
		if isEmail(token) {
			return n.put("<email>", len(strings.TrimRight(token, ".:-")))
		}
		if length := ipv6(rest); length > 0 {
			return n.put("<host>", length)
		}
		if length := host(token); length > 0 {
			return n.put("<host>", length)
		}
		if len(token) >= 2 && isLetter(token[0]) && strings.HasPrefix(rest[1:], `:\`) {
			return n.path(rest)
		}
	}
	if length, placeholder := number(rest); length > 0 {
		return n.put(placeholder, length)
	}
	return n.relative(rest)
}

// maxName bounds how far it is looked whether what begins somewhere is a host or a path.
const maxName = 255

// tokenLength is how far what may be a host, an address or a scheme goes.
func tokenLength(s string) int {
	i := 0
	for i < len(s) && i < maxName && (isWord(s[i]) || strings.IndexByte(".-+@:%", s[i]) >= 0) {
		i++
	}
	return i
}

// wordAt takes a word, the parts of it that are ids hidden.
func (n *normalizer) wordAt() {
	begin := n.at
	for n.at < len(n.in) && isWord(n.in[n.at]) {
		n.at++
	}
	word := n.in[begin:n.at]
	n.before, n.word = n.word, word
	if begin > 0 && n.in[begin-1] == '@' && len(word) >= 4 && len(word) <= 8 && isHex(word) { // where an object lies
		n.out = append(n.out, "<n>"...)
		return
	}
	n.out = appendName(n.out, word)
}

// appendName writes a name, the parts of it that are ids hidden: job_8842, cus_NffrFeUfNV2Hib, events_2026_05.
func appendName(out []byte, name string) []byte {
	if strings.HasPrefix(name, "0x") && isHex(name[2:]) {
		return append(out, "<n>"...)
	}
	for i, part := 0, 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '_' {
			continue
		}
		if piece := name[part:i]; isID(piece, part > 0) {
			out = append(out, "<n>"...)
		} else {
			out = append(out, piece...)
		}
		if i < len(name) {
			out = append(out, '_')
		}
		part = i + 1
	}
	return out
}

// isID reports whether a part of a name looks like one that a program made up.
func isID(part string, prefixed bool) bool {
	digits, hex, upper, lower := 0, true, false, false
	for i := range len(part) {
		c := part[i]
		switch {
		case isDigit(c):
			digits++
		case c >= 'a' && c <= 'z':
			lower = true
		case c >= 'A' && c <= 'Z':
			upper = true
		default:
			return false
		}
		hex = hex && isHexDigit(c)
	}
	switch {
	case digits == 0:
		return false
	case digits == len(part):
		return true
	case hex && len(part) >= 7:
		return true
	case prefixed && len(part) >= 10:
		return true
	}
	return len(part) >= 16 && (digits >= 3 || upper && lower && digits >= 2)
}

// kept are the words before a quoted name that says what failed: a program or a database has few of them.
var kept = []string{
	"attribute", "class", "column", "columns", "constraint", "database", "extension", "function", "index", "method", "module", "named", "package", "policy",
	"relation", "role", "schema", "sequence", "table", "trigger", "type", "view",
}

// reasons are the keys in JSON and in key=value whose values say what went wrong.
var reasons = []string{"cause", "code", "err", "error", "exception", "level", "message", "msg", "reason", "status", "type"}

// quoted takes a quoted text.
func (n *normalizer) quoted(quote string) {
	shut, width := quote, len(quote)
	switch quote {
	case "“":
		shut = "”"
	case "‘":
		shut = "’"
	case "'":
		if !n.begins() { // an apostrophe
			n.out, n.at = append(n.out, '\''), n.at+1
			return
		}
	}
	length := -1
	if !n.unshut[shut[len(shut)-1]] {
		length = n.closing(n.in[n.at+width:], quote, shut)
	}
	switch {
	case length < 0 && len(n.in) >= maxLine-1: // it is closed in what was cut off
		n.put("<value>", len(n.in)-n.at)
		return
	case length < 0:
		n.unshut[shut[len(shut)-1]] = true
		n.out, n.at = append(n.out, quote...), n.at+width
		return
	}
	text := n.in[n.at+width : n.at+width+length]
	end := n.at + width + length + len(shut)
	switch {
	case n.isKey(text, end):
		n.before, n.word = "", text
		n.out = append(append(appendName(append(n.out, '"'), text), '"'), ':')
		n.at = end + 1
		for n.at < len(n.in) && n.in[n.at] == ' ' {
			n.at++
		}
		if n.at < len(n.in) && n.in[n.at] == '"' && slices.Contains(reasons, text) {
			n.inner()
		}
	case n.quotes, n.isKept(text), quote == "`" && n.in[end-1] == '`' && isRust(text):
		n.out = append(append(append(n.out, '"'), normalize(text, false)...), '"')
		n.at = end
	default:
		n.put("<value>", end-n.at)
	}
}

// isKey reports whether a quoted text that ends somewhere is a key of JSON.
func (n *normalizer) isKey(text string, end int) bool {
	return end < len(n.in) && n.in[end] == ':' && isName(text) && len(n.out) > 0 && strings.IndexByte("{, ", n.out[len(n.out)-1]) >= 0 && strings.IndexByte(n.in, '{') >= 0
}

// isKept reports whether a quoted text is one of few, by the word before it. MySQL says "for key 'orders.PRIMARY'".
func (n *normalizer) isKept(text string) bool {
	return isName(text) && (slices.Contains(kept, strings.ToLower(n.word)) || n.word == "key" && n.before == "for")
}

// isRust reports whether a text is code as the panics of Rust quote it: called `Option::unwrap()` on a `None` value.
func isRust(text string) bool { return strings.Contains(text, "::") || text == "Err" || text == "None" }

// inner takes a quoted text that says something: what varies in it is hidden, too.
func (n *normalizer) inner() {
	rest := n.in[n.at+1:]
	length := n.closing(rest, `"`, `"`)
	if length < 0 {
		length = len(rest)
	}
	text := rest[:length]
	if strings.IndexByte(text, '\\') >= 0 {
		text = strings.ReplaceAll(text, `\"`, `'`)
	}
	n.out = append(append(append(n.out, '"'), normalize(text, false)...), '"')
	n.at = min(len(n.in), n.at+1+length+1)
}

// closing finds where a quoted text ends.
func (n *normalizer) closing(s, quote, shut string) int {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case strings.HasPrefix(s[i:], shut):
			if quote == "'" && i+1 < len(s) && isWord(s[i+1]) { // an apostrophe in it
				continue
			}
			return i
		case quote == "`" && s[i] == '\'': // as Ruby and GNU's programs quote
			return i
		}
	}
	return -1
}

// value takes "=" and hides what is assigned: of key=value the key says enough.
func (n *normalizer) value() {
	n.out, n.at = append(n.out, '='), n.at+1
	if n.at < 2 || !isWord(n.in[n.at-2]) || n.at == len(n.in) {
		return
	}
	reason := slices.Contains(reasons, strings.ToLower(n.word))
	switch c := n.in[n.at]; {
	case reason && c == '"':
		n.inner()
	case !reason && (isWord(c) || strings.IndexByte("-/.[{", c) >= 0):
		end := n.at
		for end < len(n.in) && strings.IndexByte(" \t,;)&|\"", n.in[end]) < 0 {
			end++
		}
		n.put("<value>", end-n.at)
	}
}

func isDigit(c byte) bool    { return c >= '0' && c <= '9' }
func isLetter(c byte) bool   { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80 }
func isWord(c byte) bool     { return isLetter(c) || isDigit(c) || c == '_' }
func isHexDigit(c byte) bool { return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }

func isHex(s string) bool {
	for i := range len(s) {
		if !isHexDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

// isName reports whether a quoted text can be the name of something.
func isName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isWord(c) && strings.IndexByte(".-$:#", c) < 0 {
			return false
		}
	}
	return s != "" && len(s) <= 100
}
