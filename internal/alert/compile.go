package alert

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/internal/strictyaml"
)

// Bounds of an expression.
const (
	maxExpression = 1000 // bytes
	maxDepth      = 50   // of nested parts
	maxNested     = 2    // of any, all, ... in each other
)

// ExpressionError is a mistake in an expression: where, and what to write instead.
type ExpressionError struct {
	Line, Col int // from 1
	Text      string
}

func (e *ExpressionError) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Col, e.Text) }

// node evaluates a part of an expression.
type node func(*scope) value

// expression is a compiled expression.
type expression struct {
	is   typ
	eval node
	// The sections that it reads, in order.
	sections []string
}

// compiler checks an expression and makes its nodes. It stops at the first mistake, by panicking with an [ExpressionError].
type compiler struct {
	source   string
	per      Per
	depth    int
	items    []typ // what # is, for each any, all, ... around
	sections map[string]bool
}

// compile compiles an expression of a rule that has an instance for each item of per.
func compile(source string, per Per) (e *expression, err error) {
	c := &compiler{source: source, per: per, sections: map[string]bool{}}
	defer func() {
		switch p := recover().(type) {
		case nil:
		case *ExpressionError:
			e, err = nil, p
		default:
			e, err = nil, &ExpressionError{1, 1, fmt.Sprintf("the expression cannot be read: %v", p)}
		}
	}()
	if strings.TrimSpace(source) == "" {
		return nil, &ExpressionError{1, 1, "the expression is empty: write for example dashboard.system.disk > 90"}
	}
	if len(source) > maxExpression {
		return nil, &ExpressionError{1, 1, fmt.Sprintf("the expression is longer than %d bytes: make several rules of it", maxExpression)}
	}
	is, eval := c.compile(read(source))
	if per == PerSection {
		c.sections = map[string]bool{} // it is about how sections are collected
	}
	return &expression{is, eval, slices.Sorted(maps.Keys(c.sections))}, nil
}

func (c *compiler) fail(n *part, format string, args ...any) { failAt(c.source, n.at, format, args...) }

func constant(is typ, v value) (typ, node) { return is, func(*scope) value { return v } }

func (c *compiler) compile(n *part) (typ, node) {
	if c.depth++; c.depth > maxDepth {
		c.fail(n, "the expression is nested deeper than %d levels: make several rules of it", maxDepth)
	}
	defer func() { c.depth-- }()
	switch n.form {
	case formNil:
		return constant(typ{kind: kindNil}, value{})
	case formBool:
		return constant(typ{kind: kindBool}, truth(n.bool))
	case formNumber:
		return constant(typ{kind: kindNumber}, number(n.num))
	case formText:
		return constant(typ{kind: kindText}, textValue(n.text))
	case formName:
		return c.name(n)
	case formItem:
		return c.pointer(n)
	case formMember:
		return c.member(n)
	case formUnary:
		return c.unary(n)
	case formBinary:
		return c.binary(n)
	case formChoice:
		return c.conditional(n)
	case formCall:
		return c.call(n)
	}
	c.fail(n, "a rule cannot contain %s: docs/alerts.md has what it can", strictyaml.Clip(n.String()))
	return typ{}, nil
}

// roots are the names that an expression begins with, besides that of the item of `per`.
var roots = properties(documentType)

var documentType = reflect.TypeFor[document.Document]()

// items are what a rule that is evaluated per item calls the item.
var items = map[Per]reflect.Type{
	PerAgent:   reflect.TypeFor[document.Agent](),
	PerQueue:   reflect.TypeFor[document.QueueItem](),
	PerSection: reflect.TypeFor[Section](),
}

// sectionOf is the section that the items of per are in; those of PerSection are in none.
var sectionOf = map[Per]string{PerAgent: "agents", PerQueue: "queue"}

func (c *compiler) name(n *part) (typ, node) {
	if of, ok := items[c.per]; ok && n.text == string(c.per) {
		if name := sectionOf[c.per]; name != "" {
			c.sections[name] = true
		}
		return typ{kind: kindObject, of: of}, func(s *scope) value { return value{kind: kindObject, ref: s.item} }
	}
	names := []string{}
	for _, p := range roots {
		if p.name == n.text {
			whole := func(s *scope) value { return value{kind: kindObject, ref: s.doc} }
			return c.field(documentType, p, p.name, whole)
		}
		names = append(names, p.name)
	}
	if _, ok := items[Per(n.text)]; ok {
		c.fail(n, "%s is there only in a rule with per: %s", n.text, n.text)
	}
	if c.per != PerNone {
		names = append(names, string(c.per))
	}
	c.fail(n, "there is no %s: %s", strictyaml.Clip(n.text), instead(n.text, names))
	return typ{}, nil
}

// instead says which of names to write.
func instead(wrong string, names []string) string {
	if near := strictyaml.Nearest(wrong, names, nil); near != "" {
		return "did you mean " + near + "?"
	}
	return "there are " + strings.Join(names, ", ")
}

// pointer is the item of the innermost any, all, ...: # or the . of .field.
func (c *compiler) pointer(n *part) (typ, node) {
	if len(c.items) == 0 {
		c.fail(n, "there is no item here: # and .field are inside of any, all, none, count and sum")
	}
	depth := len(c.items) - 1
	return c.items[depth], func(s *scope) value { return s.items[depth] }
}

func (c *compiler) member(n *part) (typ, node) {
	is, of := c.compile(n.left)
	path := strings.TrimPrefix(n.String(), "#")
	key, literal := n.right.text, n.right.form == formText
	switch {
	case is.kind == kindObject && literal:
		for _, p := range properties(is.of) {
			if p.name == key {
				return c.field(is.of, p, path, of)
			}
		}
		names := []string{}
		for _, p := range properties(is.of) {
			names = append(names, p.name)
		}
		c.fail(n.right, "%s has no field %s: %s", strictyaml.Clip(n.left.String()), strictyaml.Clip(key), instead(key, names))
	case is.kind == kindMap:
		keyIs, keyOf := c.compile(n.right)
		if keyIs.kind != kindText {
			c.fail(n.right, "%s is by name: write %s[\"name\"]", strictyaml.Clip(n.left.String()), strictyaml.Clip(n.left.String()))
		}
		elem := *is.elem
		elem.null = true
		return elem, func(s *scope) value {
			m, k := of(s), keyOf(s)
			switch {
			case m.unknown():
				return m
			case k.unknown():
				return unknown(k.why)
			}
			item := m.ref.MapIndex(reflect.ValueOf(k.text).Convert(m.ref.Type().Key()))
			if !item.IsValid() {
				return value{why: path + " is not there", null: true}
			}
			return valueOf(item, path, false)
		}
	case is.kind == kindList:
		c.fail(n, "a list has no order to count on: use any, all, none, count or sum")
	}
	c.fail(n, "%s is %s and has no field %s", strictyaml.Clip(n.left.String()), kindNames[is.kind], strings.Trim(strictyaml.Clip(n.right.String()), `"`))
	return typ{}, nil
}

// field reads a field of a struct.
func (c *compiler) field(of reflect.Type, p property, path string, from node) (typ, node) {
	section := ""
	if p.is.kind == kindObject {
		if section = sections[p.is.of]; section != "" {
			c.sections[section] = true
		}
	}
	lists := p.is.kind == kindMap
	ownValue := of == reflect.TypeFor[document.OwnSection]() && p.name == "value"
	bounded := slices.Contains(mayBeInexact[of], p.name)
	return p.is, func(s *scope) value {
		if why := s.missing[section]; section != "" && why != "" {
			return unknown(why)
		}
		parent := from(s)
		if parent.unknown() {
			return parent
		}
		if ownValue {
			if why := outdated(parent.ref.Interface().(document.OwnSection), path, s.now); why != "" {
				return unknown(why)
			}
		}
		v := valueOf(parent.ref.Field(p.index), path, p.omitempty)
		v.least = parent.least && (v.kind == kindNumber || v.kind == kindObject)
		if lists {
			v.partial = notListed(parent.ref, p.name)
		}
		if bounded {
			least, why := inexact(parent.ref, p.name)
			v.least = v.least || least && !v.unknown()
			if v.null && why != "" {
				v.why += ": " + why
			}
		}
		return v
	}
}

func (c *compiler) unary(n *part) (typ, node) {
	is, of := c.compile(n.left)
	switch n.operator {
	case "not", "!":
		c.want(n.left, is, kindBool)
		return is, func(s *scope) value { return not(of(s)) }
	case "-":
		c.want(n.left, is, kindNumber, kindDuration)
		return is, func(s *scope) value { return arithmetic("*", number(-1), of(s)) }
	case "+":
		c.want(n.left, is, kindNumber, kindDuration)
		return is, of
	}
	c.fail(n, "there is no operator %s here", n.operator)
	return typ{}, nil
}

// want refuses a part of another type.
func (c *compiler) want(n *part, is typ, kinds ...kind) {
	if slices.Contains(kinds, is.kind) {
		return
	}
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = kindNames[k]
	}
	c.fail(n, "%s is %s and must be %s", strictyaml.Clip(n.String()), kindNames[is.kind], strings.Join(names, " or "))
}

func (c *compiler) binary(n *part) (typ, node) {
	if !slices.Contains([]string{"and", "&&", "or", "||", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "in", "??", "contains", "startsWith", "endsWith", "matches"}, n.operator) {
		c.fail(n, "there is no operator %s here", n.operator)
	}
	left, a := c.compile(n.left)
	if n.operator == "in" {
		return c.in(n, left, a)
	}
	right, b := c.compile(n.right)
	yes := typ{kind: kindBool}
	switch n.operator {
	case "and", "&&":
		c.want(n.left, left, kindBool)
		c.want(n.right, right, kindBool)
		return yes, func(s *scope) value {
			v := a(s)
			if !v.unknown() && !v.bool {
				return v
			}
			return and(v, b(s))
		}
	case "or", "||":
		c.want(n.left, left, kindBool)
		c.want(n.right, right, kindBool)
		return yes, func(s *scope) value {
			v := a(s)
			if !v.unknown() && v.bool {
				return v
			}
			return or(v, b(s))
		}
	case "==", "!=":
		return yes, c.equality(n, left, right, a, b)
	case "<", "<=", ">", ">=":
		c.want(n.left, left, kindNumber, kindTime, kindDuration)
		c.same(n, left, right)
		switch n.operator {
		case ">":
			return yes, func(s *scope) value { return less(b(s), a(s), false) }
		case ">=":
			return yes, func(s *scope) value { return less(b(s), a(s), true) }
		}
		orEqual := n.operator == "<="
		return yes, func(s *scope) value { return less(a(s), b(s), orEqual) }
	case "??":
		c.same(n, left, right)
		left.null = right.null
		return left, func(s *scope) value {
			if v := a(s); !v.null {
				return v
			}
			return b(s)
		}
	case "contains", "startsWith", "endsWith":
		c.want(n.left, left, kindText)
		c.want(n.right, right, kindText)
		test := map[string]func(s, part string) bool{"contains": strings.Contains, "startsWith": strings.HasPrefix, "endsWith": strings.HasSuffix}[n.operator]
		return yes, onTexts(a, b, test)
	case "matches":
		c.want(n.left, left, kindText)
		if n.right.form != formText {
			c.fail(n.right, "the pattern of matches must be written out: matches \"^tmp_\"")
		}
		form, err := regexp.Compile(n.right.text)
		if err != nil {
			c.fail(n.right, "%s", err)
		}
		return yes, onTexts(a, b, func(s, _ string) bool { return form.MatchString(s) })
	}
	return c.computed(n, left, right), func(s *scope) value { return arithmetic(n.operator, a(s), b(s)) }
}

func onTexts(a, b node, test func(a, b string) bool) node {
	return func(s *scope) value {
		v, w := a(s), b(s)
		switch {
		case v.unknown():
			return unknown(v.why)
		case w.unknown():
			return unknown(w.why)
		}
		return truth(test(v.text, w.text))
	}
}

// same refuses two sides of different types.
func (c *compiler) same(n *part, left, right typ) {
	if left.kind == right.kind {
		return
	}
	hint := ""
	if left.kind == kindDuration && right.kind == kindNumber || left.kind == kindNumber && right.kind == kindDuration {
		hint = `: write a duration as duration("5m")`
	}
	c.fail(n, "%s is %s and %s is %s%s", strictyaml.Clip(n.left.String()), kindNames[left.kind], strictyaml.Clip(n.right.String()), kindNames[right.kind], hint)
}

func (c *compiler) equality(n *part, left, right typ, a, b node) node {
	if left.kind != kindNil && right.kind != kindNil {
		c.want(n.left, left, kindBool, kindNumber, kindText, kindTime, kindDuration)
		c.same(n, left, right)
	}
	c.oneOf(n.right, left)
	c.oneOf(n.left, right)
	if n.operator == "!=" {
		return func(s *scope) value { return not(equal(a(s), b(s))) }
	}
	return func(s *scope) value { return equal(a(s), b(s)) }
}

// oneOf refuses a text that the other side can never be.
func (c *compiler) oneOf(n *part, other typ) {
	if n.form == formText && other.enum != nil && !slices.Contains(other.enum, n.text) {
		c.fail(n, "it is never %q: %s", strictyaml.Clip(n.text), instead(n.text, other.enum))
	}
}

// computed is the type that + - * / come to.
func (c *compiler) computed(n *part, left, right typ) typ {
	c.want(n.left, left, kindNumber, kindTime, kindDuration)
	c.want(n.right, right, kindNumber, kindTime, kindDuration)
	type sides struct {
		operator    string
		left, right kind
	}
	num, at, dur := kindNumber, kindTime, kindDuration
	results := map[sides]kind{
		{"+", num, num}: num, {"-", num, num}: num, {"*", num, num}: num, {"/", num, num}: num,
		{"+", dur, dur}: dur, {"-", dur, dur}: dur, {"/", dur, dur}: num, {"/", dur, num}: dur, {"*", dur, num}: dur, {"*", num, dur}: dur,
		{"+", at, dur}: at, {"+", dur, at}: at, {"-", at, dur}: at, {"-", at, at}: dur,
	}
	is, ok := results[sides{n.operator, left.kind, right.kind}]
	if !ok {
		c.fail(n, "%s %s %s is nothing: durations are written as duration(\"5m\")", kindNames[left.kind], n.operator, kindNames[right.kind])
	}
	return typ{kind: is, null: left.null || right.null}
}

// in is: a text among texts that are written out, in a list of texts, or the name of something in a map.
func (c *compiler) in(n *part, left typ, a node) (typ, node) {
	c.want(n.left, left, kindText)
	yes := typ{kind: kindBool}
	if n.right.form == formList {
		options := map[string]bool{}
		for _, item := range n.right.list {
			if item.form != formText {
				c.fail(item, "%s must be text in quotes", strictyaml.Clip(item.String()))
			}
			c.oneOf(item, left)
			options[item.text] = true
		}
		return yes, onTexts(a, a, func(s, _ string) bool { return options[s] })
	}
	right, b := c.compile(n.right)
	c.want(n.right, right, kindMap, kindList)
	if right.kind == kindList {
		c.want(n.right, *right.elem, kindText)
	}
	return yes, func(s *scope) value {
		v, in := a(s), b(s)
		switch {
		case v.unknown():
			return unknown(v.why)
		case in.unknown():
			return unknown(in.why)
		case in.kind == kindList && !in.keys:
			return contains(s, in, v.text)
		}
		there := in.ref.MapIndex(reflect.ValueOf(v.text).Convert(in.ref.Type().Key())).IsValid()
		if !there && in.partial != "" {
			return unknown(in.partial)
		}
		return truth(there)
	}
}

func contains(s *scope, list value, text string) value {
	result := truth(false)
	same := func(s *scope) value { return truth(s.items[len(s.items)-1].text == text) }
	return s.fold(list, same, func(v value) (value, bool) {
		result = or(result, v)
		return result, !result.unknown() && result.bool
	}, func() value { return result })
}

func (c *compiler) conditional(n *part) (typ, node) {
	cond, when := c.compile(n.left)
	c.want(n.left, cond, kindBool)
	left, a := c.compile(n.right)
	right, b := c.compile(n.third)
	if left.kind != right.kind {
		c.fail(n, "%s is %s and %s is %s", strictyaml.Clip(n.right.String()), kindNames[left.kind], strictyaml.Clip(n.third.String()), kindNames[right.kind])
	}
	return typ{kind: left.kind, null: left.null || right.null}, func(s *scope) value {
		switch v := when(s); {
		case v.unknown():
			return unknown(v.why)
		case v.bool:
			return a(s)
		}
		return b(s)
	}
}

// functions are those of expr-lang that there are here.
var functions = []string{"all", "any", "none", "count", "sum", "len", "keys", "values", "abs", "now", "duration"}

func (c *compiler) call(n *part) (typ, node) {
	takes := map[string]int{"now": 0, "any": 2, "all": 2, "none": 2, "sum": 2, "count": 2}
	want, ok := takes[n.text]
	switch {
	case !slices.Contains(functions, n.text):
		c.fail(n, "there is no function %s here: there are %s", n.text, strings.Join(functions, ", "))
	case !ok:
		want = 1
	}
	if len(n.list) != want {
		c.fail(n, "%s takes %d arguments, not %d", n.text, want, len(n.list))
	}
	switch n.text {
	case "now":
		return typ{kind: kindTime}, func(s *scope) value { return timeValue(s.now) }
	case "duration":
		text := n.list[0].text
		if n.list[0].form != formText {
			c.fail(n, "a duration must be written out: duration(\"5m\")")
		}
		d, err := time.ParseDuration(text)
		if err != nil {
			c.fail(n.list[0], "%q is no duration: write a number and a unit (ms, s, m, h), such as duration(\"5m\")", strictyaml.Clip(text))
		}
		return constant(typ{kind: kindDuration}, seconds(d.Seconds()))
	}
	is, of := c.compile(n.list[0])
	switch n.text {
	case "abs":
		c.want(n.list[0], is, kindNumber, kindDuration)
		return is, func(s *scope) value {
			v := of(s)
			if v.least && v.num < 0 {
				return unknown(leastWhy)
			}
			v.num = math.Abs(v.num)
			return v
		}
	case "len":
		c.want(n.list[0], is, kindMap, kindList, kindText)
		return typ{kind: kindNumber, null: is.null}, func(s *scope) value { return length(of(s)) }
	case "keys", "values":
		c.want(n.list[0], is, kindMap)
		elem, keys := is.elem, n.text == "keys"
		if keys {
			elem = &typ{kind: kindText}
		}
		return typ{kind: kindList, elem: elem, null: is.null}, func(s *scope) value {
			v := of(s)
			v.kind, v.keys = kindList, keys
			return v
		}
	}
	return c.loop(n, is, of)
}

func length(v value) value {
	switch {
	case v.unknown():
		return v
	case v.kind == kindText:
		return number(float64(len([]rune(v.text))))
	}
	return value{kind: kindNumber, num: float64(v.ref.Len()), least: v.partial != ""}
}

// loop is any, all, none, count or sum over a list.
func (c *compiler) loop(n *part, is typ, of node) (typ, node) {
	if is.kind == kindMap {
		c.fail(n.list[0], "%s is a map: write %s(values(%s), ...)", strictyaml.Clip(n.list[0].String()), n.text, strictyaml.Clip(n.list[0].String()))
	}
	c.want(n.list[0], is, kindList)
	predicate := n.list[1]
	if len(c.items) == maxNested {
		c.fail(n, "any, all, none, count and sum are nested more than %d deep: make several rules of it", maxNested)
	}
	c.items = append(c.items, *is.elem)
	each, eval := c.compile(predicate)
	c.items = c.items[:len(c.items)-1]
	if n.text == "sum" {
		c.want(predicate, each, kindNumber, kindDuration)
		return typ{kind: each.kind}, func(s *scope) value {
			total := value{kind: each.kind}
			return s.fold(of(s), eval, func(v value) (value, bool) {
				total = arithmetic("+", total, v)
				return total, total.unknown()
			}, func() value { return total })
		}
	}
	c.want(predicate, each, kindBool)
	if n.text == "count" {
		return typ{kind: kindNumber}, func(s *scope) value { return counted(s, of(s), eval) }
	}
	all := n.text == "all"
	return typ{kind: kindBool}, func(s *scope) value {
		result := truth(all)
		v := s.fold(of(s), eval, func(v value) (value, bool) {
			if all {
				result = and(result, v)
			} else {
				result = or(result, v)
			}
			return result, !result.unknown() && result.bool != all
		}, func() value { return result })
		if n.text == "none" {
			return not(v)
		}
		return v
	}
}

// counted counts the items that a condition holds for: at least so many, if it is unknown for others.
func counted(s *scope, list value, eval node) value {
	total := number(0)
	return s.fold(list, eval, func(v value) (value, bool) {
		if v.unknown() {
			total.least = true
		} else if v.bool {
			total.num++
		}
		return value{}, false
	}, func() value { return total })
}
