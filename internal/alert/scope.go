package alert

import (
	"reflect"
	"time"
)

// maxSteps bounds what the instances of one rule may cost in one evaluation: items that any, all, none, count, sum and in look at.
const maxSteps = 200_000

const tooCostly = "the rule looks at more than 200000 items: narrow it down"

// scope is what one evaluation of an expression reads.
type scope struct {
	doc     reflect.Value     // the document
	item    reflect.Value     // the agent, queue or section of this instance
	missing map[string]string // why a section cannot be used, by section
	now     time.Time
	items   []value // # of each any, all, ... around
	steps   int     // left
}

// fold calls step with what eval comes to for each item, until step says that its result is final. What is not listed is one more item
// that nothing is known of. At the end the result is rest's.
func (s *scope) fold(list value, eval node, step func(value) (value, bool), rest func() value) value {
	if list.unknown() {
		return unknown(list.why)
	}
	s.items = append(s.items, value{})
	last := len(s.items) - 1
	defer func() { s.items = s.items[:last] }()
	one := func(item reflect.Value, path string) (value, bool) {
		if s.steps--; s.steps < 0 {
			return unknown(tooCostly), true
		}
		s.items[last] = valueOf(item, path, false)
		return step(eval(s))
	}
	switch {
	case list.kind == kindList && list.ref.Kind() == reflect.Map:
		for it := list.ref.MapRange(); it.Next(); {
			item := it.Value()
			if list.keys {
				item = it.Key()
			}
			if v, final := one(item, "an item"); final {
				return v
			}
		}
	default:
		for i := range list.ref.Len() {
			if v, final := one(list.ref.Index(i), "an item"); final {
				return v
			}
		}
	}
	if list.partial != "" {
		if v, final := step(unknown(list.partial)); final {
			return v
		}
	}
	return rest()
}
