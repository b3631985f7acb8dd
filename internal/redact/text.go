package redact

import (
	"encoding/base64"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	keyBegin = "-----BEGIN "
	keyKind  = "PRIVATE KEY-----"
	keyEnd   = "-----END "

	maxAuthority = 1024 // bytes of a URL in which its password is looked for
)

var (
	privateKey = regexp.MustCompile(`-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[^-]*(-----END [A-Z0-9 ]*PRIVATE KEY-----)?`)
	credential = regexp.MustCompile(`(?i)\b(bearer|basic)[ \t]+([A-Za-z0-9\-._~+/]+=*)`)
)

// Text returns any text without what has the form of a secret: private keys, passwords in URLs, credentials of HTTP headers, and
// values that stand after the name of a secret.
func (r *Rules) Text(text string) string {
	if strings.Contains(text, keyKind) {
		text = privateKey.ReplaceAllLiteralString(text, Mark)
	}
	if strings.Contains(text, "://") {
		text = urls(text)
	}
	if strings.ContainsAny(text, "=:") || strings.Contains(text, "--") {
		text = r.named(text)
	}
	if strings.ContainsAny(text, "bB") && strings.ContainsAny(text, " \t") {
		text = credential.ReplaceAllStringFunc(text, func(found string) string {
			scheme, value := found[:6], strings.TrimLeft(found[5:], "rR \t") // both words end before the sixth byte or with it
			if strings.EqualFold(found[:5], "basic") {
				scheme, value = found[:5], strings.TrimLeft(found[5:], " \t")
				if decoded, err := base64.StdEncoding.DecodeString(value); err != nil || !strings.Contains(string(decoded), ":") {
					return found
				}
			} else if len(value) < 6 || strings.Trim(value, "abcdefghijklmnopqrstuvwxyz.") == "" { // prose
				return found
			}
			return scheme + " " + Mark
		})
	}
	return text
}

// urls takes the passwords out of URLs: what stands between the user's name and the host.
func urls(text string) string {
	var out strings.Builder
	for {
		at := strings.Index(text, "://")
		if at < 0 {
			break
		}
		at += len("://")
		out.WriteString(text[:at])
		text = text[at:]
		authority := text[:min(len(text), maxAuthority)]
		if end := strings.IndexAny(authority, " \t\r\n\"'<>`"); end >= 0 {
			authority = authority[:end]
		}
		if next := strings.Index(authority, "://"); next >= 0 { // another URL, in the query of this one
			authority = authority[:next]
		}
		colon := strings.IndexAny(authority, ":/?#@[")
		if colon < 0 || authority[colon] != ':' {
			continue
		}
		rest := authority[colon+1:]
		end := len(rest)
		if slash := strings.IndexAny(rest, "/?#"); slash >= 0 && (strings.Contains(rest[:slash], "@") || strings.Trim(rest[:slash], "0123456789") == "") {
			end = slash // else the password has that character in it
		}
		host := strings.LastIndexByte(rest[:end], '@')
		if host <= 0 {
			continue
		}
		out.WriteString(authority[:colon+1] + Mark)
		text = text[colon+1+host:]
	}
	out.WriteString(text)
	return out.String()
}

// named takes out what stands after the name of a secret: name=value, name: value, "name": "value", --name value.
func (r *Rules) named(text string) string {
	var out strings.Builder
	done := 0
	for i := 0; i < len(text); i++ {
		var from, to int
		switch c := text[i]; {
		case c == '=' || c == ':':
			from, to = r.assigned(text, max(done, i-maxName-2), i)
		case c == '-' && strings.HasPrefix(text[i:], "--") && (i == 0 || text[i-1] == ' '):
			from, to = r.flag(text, i)
		}
		if to <= from || from < done {
			continue
		}
		if value := text[from:to]; value != Mark {
			out.WriteString(text[done:from])
			out.WriteString(Mark)
			done = to
		}
		i = to - 1
	}
	if done == 0 {
		return text
	}
	out.WriteString(text[done:])
	return out.String()
}

// flag returns where the value of a flag stands that is written with a space.
func (r *Rules) flag(text string, at int) (from, to int) {
	name, value, found := strings.Cut(text[at+2:min(len(text), at+2+maxName)], " ")
	if !found || value == "" || value[0] == '-' || strings.ContainsFunc(name, func(c rune) bool { return !inName(c) }) {
		return 0, 0
	}
	from = at + 2 + len(name) + 1
	to = from + endOf(text[from:], " \t\r\n\"'")
	if s := r.of(name); s == open || s == counted && isNumber(text[from:to]) {
		return 0, 0
	}
	return from, to
}

// assigned returns where the value stands that follows a sign, if the name before it is that of a secret.
func (r *Rules) assigned(text string, from, sign int) (int, int) {
	name, quoted := nameBefore(text[from:sign])
	s := r.of(name)
	if s == open {
		return 0, 0
	}
	start := sign + 1
	if strings.HasPrefix(text[start:], ">") || strings.HasPrefix(text[start:], "=") { // => and :=
		start++
	}
	spaces := len(text[start:]) - len(strings.TrimLeft(text[start:], " \t"))
	start += spaces
	rest := text[start:]
	length, isQuoted := quotedAt(rest)
	switch colon := text[sign] == ':' && text[start-1-spaces] == ':'; {
	case isQuoted:
		start += (len(rest) - len(strings.TrimLeft(rest, `\`))) + 1
	case colon && isHeader(name):
		if length = endOf(rest, "\r\n\"'"); strings.HasPrefix(rest, "[") && !strings.HasPrefix(rest, Mark) {
			start, length = start+1, endOf(rest[1:], "]\r\n")
		}
	case colon && spaces > 0 && !quoted:
		// Much is written like this that is no secret: "invalid token: unexpected end".
		length = endOf(rest, " \t\r\n,;\"'")
		after := strings.TrimLeft(rest[length:], " \t")
		last := after == "" || strings.ContainsAny(after[:1], "\r\n,;\"'")
		if !last || !strings.ContainsAny(rest[:length], "0123456789") && length < 16 {
			return 0, 0
		}
	default:
		length = unquotedEnd(rest)
	}
	value := text[start : start+length]
	switch strings.ToLower(value) {
	case "", "true", "false", "null", "none", "nil", "undefined":
		return 0, 0
	}
	if s == counted && isNumber(value) || strings.HasPrefix(value, "//") || strings.HasPrefix(value, "{") || !isQuoted && strings.HasPrefix(text[start:], Mark) {
		return 0, 0
	}
	return start, start + length
}

// nameBefore returns the name at the end of a text, and whether it stands in quotes.
func nameBefore(text string) (name string, quoted bool) {
	text = strings.TrimRight(text, " \t")
	if bare := strings.TrimRight(text, `"'\`); len(bare) < len(text) {
		text, quoted = bare, true
	}
	from := len(text)
	for from > 0 {
		c, size := utf8.DecodeLastRuneInString(text[:from])
		if !inName(c) {
			break
		}
		from -= size
	}
	return text[from:], quoted
}

func inName(c rune) bool {
	return c == '_' || c == '-' || c == '.' || c != utf8.RuneError && (unicode.IsLetter(c) || unicode.IsDigit(c))
}

// quotedAt returns how long the text in quotes is that a text begins with; the quotes may be escaped, as in JSON in a string.
func quotedAt(text string) (length int, ok bool) {
	inside := strings.TrimLeft(text, `\`)
	escapes := len(text) - len(inside)
	if inside == "" || inside[0] != '"' && inside[0] != '\'' {
		return 0, false
	}
	quote := text[:escapes+1]
	inside = inside[1:]
	for i := 0; i < len(inside); i++ {
		if strings.HasPrefix(inside[i:], quote) {
			return i, true
		}
		if inside[i] == '\\' {
			i++
		}
	}
	return len(inside), true // it was cut
}

// unquotedEnd is where a value ends that stands in no quotes.
func unquotedEnd(text string) int {
	end := endOf(text, " \t\r\n\"'&;<>`")
	if strings.HasPrefix(text, Mark) {
		return len(Mark)
	}
	for i := range end {
		switch text[i] {
		case ')', ']', '}':
			return i
		case ',':
			if i+1 == len(text) || text[i+1] == ' ' {
				return i
			}
		}
	}
	return end
}

func endOf(text, stops string) int {
	if end := strings.IndexAny(text, stops); end >= 0 {
		return end
	}
	return len(text)
}
