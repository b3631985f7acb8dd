package alert

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// form is what a part of an expression is.
type form int

const (
	formNil form = iota
	formBool
	formNumber
	formText
	formName   // of text
	formItem   // # or the . of .field
	formMember // left . right
	formUnary  // operator left
	formBinary // left operator right
	formChoice // left ? right : third
	formCall   // text(list)
	formList   // [list]
)

// part is a part of an expression, as it is written.
type part struct {
	form               form
	at                 int // in the source, in bytes
	operator, text     string
	num                float64
	bool               bool
	left, right, third *part
	list               []*part
}

// String writes a part as Expr would, with parentheses only where something else would be meant.
func (p *part) String() string {
	switch p.form {
	case formBool:
		return strconv.FormatBool(p.bool)
	case formNumber:
		return strconv.FormatFloat(p.num, 'f', -1, 64)
	case formText:
		return strconv.Quote(p.text)
	case formName:
		return p.text
	case formItem:
		return "#"
	case formMember:
		if p.right.form == formText && isName(p.right.text) {
			return p.left.String() + "." + p.right.text
		}
		return p.left.String() + "[" + p.right.String() + "]"
	case formUnary:
		return p.operator + " " + p.left.String()
	case formBinary:
		return "(" + p.left.String() + " " + p.operator + " " + p.right.String() + ")"
	case formChoice:
		return "(" + p.left.String() + " ? " + p.right.String() + " : " + p.third.String() + ")"
	case formCall, formList:
		items := make([]string, len(p.list))
		for i, item := range p.list {
			items[i] = item.String()
		}
		if p.form == formList {
			return "[" + strings.Join(items, ", ") + "]"
		}
		return p.text + "(" + strings.Join(items, ", ") + ")"
	}
	return "nil"
}

func isName(s string) bool {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			return false
		}
	}
	return s != "" && !slices.Contains(words, s)
}

// The operators with how closely they bind, as in Expr. Those that are refused are read, so that they can be named.
var (
	binaries = map[string]int{
		"or": 10, "||": 10, "and": 15, "&&": 15, "==": 20, "!=": 20, "<": 20, ">": 20, ">=": 20, "<=": 20, "in": 20, "matches": 20, "contains": 20,
		"startsWith": 20, "endsWith": 20, "+": 30, "-": 30, "*": 60, "/": 60, "%": 60, "**": 100, "^": 100, "??": 500,
	}
	unaries = map[string]int{"not": 50, "!": 50, "-": 90, "+": 90}
	// negatable are the operators that not may stand before.
	negatable = []string{"in", "matches", "contains", "startsWith", "endsWith"}
	orders    = []string{"<", ">", "<=", ">="}
	words     = []string{"or", "and", "in", "matches", "contains", "startsWith", "endsWith", "not", "true", "false", "nil", "let", "if", "else"}
	marks     = []string{"?.", "??", "||", "&&", "==", "!=", "<=", ">=", "**", "..", "::", "//", "/*", "<", ">", "+", "-", "*", "/", "%", "^", "!", "(", ")", "[", "]", "{", "}", ",", ".", "?", ":", "#", "|", ";", "="}
)

// lexeme is a word, a number, a text or a mark.
type lexeme struct {
	kind tokenKind
	at   int
	text string // of a text: what it says
}

type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenMark
	tokenWord
	tokenNumber
	tokenText
)

func (t lexeme) String() string {
	if t.kind == tokenEnd {
		return "the end of the expression"
	}
	return strconv.Quote(t.text)
}

// reader reads an expression. It stops at the first mistake, by panicking with an [ExpressionError].
type reader struct {
	source string
	next   int // in the source
	token  lexeme
	depth  int
}

// read reads an expression as a tree.
func read(source string) *part {
	r := &reader{source: source}
	r.advance()
	p := r.expression(0)
	if r.token.kind != tokenEnd {
		r.unexpected()
	}
	return p
}

// failAt stops at a place of the source.
func failAt(source string, at int, format string, args ...any) {
	before := source[:at]
	line := strings.LastIndexByte(before, '\n') + 1
	panic(&ExpressionError{1 + strings.Count(before, "\n"), 1 + utf8.RuneCountInString(before[line:]), fmt.Sprintf(format, args...)})
}

func (r *reader) fail(format string, args ...any) { failAt(r.source, r.token.at, format, args...) }

func (r *reader) unexpected() {
	switch r.token.text {
	case "=":
		r.fail("= compares nothing: write ==")
	case "|", "..", "::", "//", "/*", "{", ";", "let", "if":
		r.fail("a rule cannot contain %s: docs/alerts.md has what it can", r.token)
	}
	r.fail("%s is not expected here", r.token)
}

// advance reads the next token.
func (r *reader) advance() {
	r.next += len(r.source[r.next:]) - len(strings.TrimLeft(r.source[r.next:], " \t\r\n"))
	r.token = lexeme{at: r.next}
	rest := r.source[r.next:]
	if rest == "" {
		return
	}
	size := 0
	switch first, _ := utf8.DecodeRuneInString(rest); {
	case first == '"' || first == '\'' || first == '`':
		r.text(rest)
		return
	case first >= '0' && first <= '9':
		r.token.kind, size = tokenNumber, numberSize(rest)
	case first == '_' || unicode.IsLetter(first):
		r.token.kind = tokenWord
		size = len(rest)
		if end := strings.IndexFunc(rest, func(c rune) bool { return c != '_' && !unicode.IsLetter(c) && !unicode.IsDigit(c) }); end >= 0 {
			size = end
		}
	default:
		r.token.kind = tokenMark
		for _, mark := range marks {
			if strings.HasPrefix(rest, mark) {
				size = len(mark)
				break
			}
		}
		if size == 0 {
			r.fail("%q has no meaning here", first)
		}
	}
	r.token.text = rest[:size]
	r.next += size
}

// numberSize is how many bytes are a number: 1_000, 1.5, 2e3.
func numberSize(s string) int {
	digits := func(from int) int {
		for from < len(s) && (s[from] >= '0' && s[from] <= '9' || s[from] == '_') {
			from++
		}
		return from
	}
	end := digits(0)
	if end+1 < len(s) && s[end] == '.' && s[end+1] >= '0' && s[end+1] <= '9' {
		end = digits(end + 1)
	}
	if end+1 < len(s) && (s[end] == 'e' || s[end] == 'E') {
		sign := end + 1
		if s[sign] == '+' || s[sign] == '-' {
			sign++
		}
		if to := digits(sign); to > sign {
			end = to
		}
	}
	return end
}

// text reads a text in quotes.
func (r *reader) text(rest string) {
	quote, at := rest[0], 1
	var b strings.Builder
	for {
		end := rest[at:]
		switch {
		case end == "" || end[0] == '\n' && quote != '`':
			r.fail("the text has no end: close it with %c", quote)
		case end[0] == quote:
			r.token.kind, r.token.text = tokenText, b.String()
			r.next += at + 1
			return
		case quote == '`':
			b.WriteByte(end[0])
			at++
			continue
		}
		char, multibyte, tail, err := strconv.UnquoteChar(end, quote)
		if err != nil {
			r.fail("%s is no escape: write \\\\ for a backslash, or the text in `...`", strconv.Quote(end[:min(2, len(end))]))
		}
		if char < utf8.RuneSelf || !multibyte {
			b.WriteByte(byte(char)) //nolint:gosec // a byte, as UnquoteChar says
		} else {
			b.WriteRune(char)
		}
		at = len(rest) - len(tail)
	}
}

func (r *reader) is(text string) bool {
	return (r.token.kind == tokenMark || r.token.kind == tokenWord) && r.token.text == text
}

func (r *reader) take(text string) {
	if !r.is(text) {
		r.fail("%s is not expected here: %q is missing", r.token, text)
	}
	r.advance()
}

// expression reads what binds at least so closely.
func (r *reader) expression(binds int) *part {
	if r.depth++; r.depth > maxDepth {
		r.fail("the expression is nested deeper than %d levels: make several rules of it", maxDepth)
	}
	defer func() { r.depth-- }()
	left := r.primary()
	before := ""
	for r.token.kind == tokenMark || r.token.kind == tokenWord {
		start, operator, negated := r.token, r.token.text, false
		if operator == "not" {
			back := *r
			r.advance()
			if operator, negated = r.token.text, true; !slices.Contains(negatable, operator) {
				r.unexpected()
			}
			if binaries[operator] < binds {
				*r = back
				break
			}
			start = r.token
		}
		closeness, ok := binaries[operator]
		if !ok || closeness < binds {
			break
		}
		switch {
		case before == "??" && operator != "??":
			r.fail("?? beside %s is unclear: put one of them in parentheses", operator)
		case slices.Contains(orders, before) && slices.Contains(orders, operator):
			r.fail("write a < b and b < c")
		}
		r.advance()
		right := closeness + 1
		if operator == "**" || operator == "^" {
			right = closeness
		}
		left = &part{form: formBinary, at: start.at, operator: operator, left: left, right: r.expression(right)}
		if negated {
			left = &part{form: formUnary, at: start.at, operator: "not", left: left}
		}
		before = operator
	}
	if binds == 0 && r.is("?") {
		at := r.token.at
		r.advance()
		then := r.expression(0)
		r.take(":")
		left = &part{form: formChoice, at: at, left: left, right: then, third: r.expression(0)}
	}
	return left
}

// primary reads an operator before something, or a value with the members of it.
func (r *reader) primary() *part {
	t := r.token
	if closeness, ok := unaries[t.text]; ok && (t.kind == tokenMark || t.kind == tokenWord) {
		r.advance()
		return &part{form: formUnary, at: t.at, operator: t.text, left: r.expression(closeness)}
	}
	switch {
	case r.is("("):
		r.advance()
		p := r.expression(0)
		r.take(")")
		return r.members(p)
	case r.is("["):
		r.advance()
		return &part{form: formList, at: t.at, list: r.until("]")}
	case r.is("#"):
		r.advance()
		return r.members(&part{form: formItem, at: t.at})
	case r.is("."):
		return r.members(&part{form: formItem, at: t.at})
	case t.kind == tokenNumber:
		n, err := strconv.ParseFloat(strings.ReplaceAll(t.text, "_", ""), 64)
		if err != nil {
			r.fail("%s is no number", t)
		}
		r.advance()
		return &part{form: formNumber, at: t.at, num: n}
	case t.kind == tokenText:
		r.advance()
		return &part{form: formText, at: t.at, text: t.text}
	case t.kind != tokenWord || t.text == "let" || t.text == "if":
		r.unexpected()
	case t.text == "true" || t.text == "false":
		r.advance()
		return &part{form: formBool, at: t.at, bool: t.text == "true"}
	case t.text == "nil":
		r.advance()
		return &part{form: formNil, at: t.at}
	case slices.Contains(words, t.text):
		r.unexpected()
	}
	r.advance()
	if r.is("(") {
		r.advance()
		return r.members(&part{form: formCall, at: t.at, text: t.text, list: r.until(")")})
	}
	return r.members(&part{form: formName, at: t.at, text: t.text})
}

// until reads parts with commas between, up to a closing mark.
func (r *reader) until(closing string) []*part {
	var list []*part
	for !r.is(closing) {
		if len(list) > 0 {
			if !r.is(",") {
				r.fail("%s is not expected here: \",\" or %q is missing", r.token, closing)
			}
			r.advance()
			if r.is(closing) { // one comma at the end is fine
				break
			}
		}
		list = append(list, r.expression(0))
	}
	r.take(closing)
	return list
}

// members reads .name and ["name"] behind a value. What .name is of null is null anyway, so that ?. says no more.
func (r *reader) members(of *part) *part {
	for {
		at := r.token.at
		switch {
		case r.is(".") || r.is("?."):
			r.advance()
			if r.token.kind != tokenWord {
				r.fail("%s is not expected here: a name is missing", r.token)
			}
			of = &part{form: formMember, at: r.token.at, left: of, right: &part{form: formText, at: r.token.at, text: r.token.text}}
			r.advance()
		case r.is("["):
			r.advance()
			key := r.expression(0)
			r.take("]")
			of = &part{form: formMember, at: at, left: of, right: key}
		default:
			return of
		}
	}
}
