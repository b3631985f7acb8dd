package alert

import (
	"cmp"
	"reflect"
	"time"
)

// value is what a part of an expression comes to. Its zero is nil.
type value struct {
	kind kind
	// Why it is not known; with null set, because the document says null there.
	why  string
	null bool
	// A lower bound: at least num.
	least bool
	bool  bool
	num   float64 // of a number, or the seconds of a duration
	text  string
	at    time.Time
	ref   reflect.Value // of an object, a map or a list
	keys  bool          // of a map, as a list: its keys
	// Of a map or a list that does not have all: how many there are.
	partial string
}

func (v value) unknown() bool { return v.why != "" || v.null }

func unknown(why string) value    { return value{why: why} }
func truth(b bool) value          { return value{kind: kindBool, bool: b} }
func number(n float64) value      { return value{kind: kindNumber, num: n} }
func textValue(s string) value    { return value{kind: kindText, text: s} }
func seconds(n float64) value     { return value{kind: kindDuration, num: n} }
func timeValue(t time.Time) value { return value{kind: kindTime, at: t} }

func null(path string) value { return value{why: path + " is null", null: true} }

// valueOf reads a field of the document. Path says which, for the reason of what is unknown.
func valueOf(v reflect.Value, path string, emptyIfNil bool) value {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return null(path)
		}
		return valueOf(v.Elem(), path, emptyIfNil)
	case reflect.Bool:
		return truth(v.Bool())
	case reflect.String:
		if v.Type() != textTimeType {
			return textValue(v.String())
		}
		if v.String() == "" {
			return null(path)
		}
		at, err := time.Parse(time.RFC3339Nano, v.String())
		if err != nil {
			return unknown(path + " is no time that can be computed with")
		}
		return timeValue(at)
	case reflect.Struct:
		if v.Type() != timeType {
			return value{kind: kindObject, ref: v}
		}
		if at, _ := v.Interface().(time.Time); !at.IsZero() {
			return timeValue(at)
		}
		return null(path)
	case reflect.Map, reflect.Slice:
		if v.IsNil() && !emptyIfNil {
			return null(path)
		}
		if v.Kind() == reflect.Map {
			return value{kind: kindMap, ref: v}
		}
		return value{kind: kindList, ref: v}
	}
	switch {
	case v.CanInt():
		return number(float64(v.Int()))
	case v.CanUint():
		return number(float64(v.Uint()))
	}
	return number(v.Float())
}

// and is Kleene's: false decides, whatever is unknown.
func and(a, b value) value {
	switch {
	case !a.unknown() && !a.bool, !b.unknown() && !b.bool:
		return truth(false)
	case a.unknown():
		return unknown(a.why)
	case b.unknown():
		return unknown(b.why)
	}
	return truth(true)
}

// or is Kleene's: true decides, whatever is unknown.
func or(a, b value) value { return not(and(not(a), not(b))) }

func not(a value) value {
	if a.unknown() {
		return unknown(a.why)
	}
	return truth(!a.bool)
}

// equal compares two values of one type; with nil, whether the document has a null there.
func equal(a, b value) value {
	isNil := func(v value) bool { return v.kind == kindNil && !v.unknown() }
	switch {
	case isNil(b) && a.null, isNil(a) && b.null:
		return truth(true)
	case isNil(a) && isNil(b):
		return truth(true)
	case a.unknown():
		return unknown(a.why)
	case b.unknown():
		return unknown(b.why)
	case isNil(a), isNil(b):
		return truth(false)
	}
	switch a.kind {
	case kindBool:
		return truth(a.bool == b.bool)
	case kindText:
		return truth(a.text == b.text)
	}
	order := compare(a, b)
	if a.least && b.least || a.least && order <= 0 || b.least && order >= 0 {
		return unknown(leastWhy)
	}
	return truth(order == 0)
}

const leastWhy = "a figure is only known to be at least so large"

func compare(a, b value) int {
	if a.kind == kindTime {
		return a.at.Compare(b.at)
	}
	return cmp.Compare(a.num, b.num)
}

// less reports whether a < b, or with orEqual a <= b. A lower bound decides where it can.
func less(a, b value, orEqual bool) value {
	switch {
	case a.unknown():
		return unknown(a.why)
	case b.unknown():
		return unknown(b.why)
	}
	order := compare(a, b)
	holds := order < 0 || orEqual && order == 0
	if a.least && holds || b.least && !holds { // the true a may be larger, the true b too
		return unknown(leastWhy)
	}
	return truth(holds)
}

// arithmetic computes with numbers, times and durations. The checker has seen to the types.
func arithmetic(operator string, a, b value) value {
	switch {
	case a.unknown():
		return unknown(a.why)
	case b.unknown():
		return unknown(b.why)
	case (a.least || b.least) && operator != "+":
		return unknown(leastWhy)
	}
	least := a.least || b.least
	switch operator {
	case "+":
		switch {
		case a.kind == kindTime:
			return timeValue(a.at.Add(span(b.num)))
		case b.kind == kindTime:
			return timeValue(b.at.Add(span(a.num)))
		}
		return value{kind: a.kind, num: a.num + b.num, least: least}
	case "-":
		switch {
		case a.kind == kindTime && b.kind == kindTime:
			return seconds(a.at.Sub(b.at).Seconds())
		case a.kind == kindTime:
			return timeValue(a.at.Add(-span(b.num)))
		}
		return value{kind: a.kind, num: a.num - b.num}
	case "*":
		return value{kind: max(a.kind, b.kind), num: a.num * b.num} // kindDuration is after kindNumber
	}
	switch {
	case b.num == 0:
		return unknown("a division by zero")
	case a.kind == kindDuration && b.kind == kindNumber:
		return seconds(a.num / b.num)
	}
	return number(a.num / b.num)
}

// span is a duration of seconds; what does not fit is the longest.
func span(s float64) time.Duration {
	const most = 100 * 365 * 24 * 3600
	return time.Duration(min(max(s, -most), most) * float64(time.Second))
}
