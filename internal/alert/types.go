package alert

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/document"
)

// kind is the type of a value, as far as an operator cares.
type kind int

const (
	kindNil kind = iota
	kindBool
	kindNumber
	kindText
	kindTime
	kindDuration
	kindObject // a struct of the document
	kindMap    // of the document: by name
	kindList
)

var kindNames = map[kind]string{
	kindNil: "nil", kindBool: "true or false", kindNumber: "a number", kindText: "text", kindTime: "a time", kindDuration: "a duration",
	kindObject: "an object", kindMap: "a map", kindList: "a list",
}

// typ is a type of the language.
type typ struct {
	kind kind
	of   reflect.Type // of an object
	elem *typ         // of a map or a list
	null bool         // may be null
	enum []string     // the only texts that there are
}

var (
	timeType     = reflect.TypeFor[time.Time]()
	textTimeType = reflect.TypeFor[document.Time]()
)

// enums are the types of text that have only certain values; a test checks that they are as in package document.
var enums = map[reflect.Type][]string{
	reflect.TypeFor[document.AgentState]():      texts(document.AgentStates...),
	reflect.TypeFor[document.SystemStatus]():    texts(document.SystemHealthy, document.SystemDegraded, document.SystemCritical),
	reflect.TypeFor[document.ComponentStatus](): texts(document.ComponentOK, document.ComponentDegraded, document.ComponentDown),
	reflect.TypeFor[document.WorkerState]():     texts(document.WorkerActive, document.WorkerDraining, document.WorkerLost, document.WorkerQuiet),
	reflect.TypeFor[document.Severity]():        texts(document.SeverityDegraded, document.SeverityCritical),
	reflect.TypeFor[document.Outcome]():         texts(document.OutcomeFailed, document.OutcomeTimeout, document.OutcomeLost),
	reflect.TypeFor[document.ConditionCode]():   texts(document.ConditionCodes...),
	reflect.TypeFor[document.LogLevel]():        texts(document.LogDebug, document.LogInfo, document.LogWarn, document.LogError),
	reflect.TypeFor[document.OwnLevel]():        texts(document.OwnOK, document.OwnWarn, document.OwnBad),
}

func texts[T ~string](values ...T) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = string(v)
	}
	return all
}

// typeOf returns the type of a field of the document; not ok: a rule cannot read it.
func typeOf(t reflect.Type) (typ, bool) {
	if t == timeType || t == textTimeType { // the zero time is null
		return typ{kind: kindTime, null: true}, true
	}
	switch t.Kind() {
	case reflect.Pointer:
		is, ok := typeOf(t.Elem())
		is.null = true
		return is, ok
	case reflect.Bool:
		return typ{kind: kindBool}, true
	case reflect.String:
		return typ{kind: kindText, enum: enums[t]}, true
	case reflect.Struct:
		return typ{kind: kindObject, of: t}, true
	case reflect.Map, reflect.Slice:
		elem, ok := typeOf(t.Elem())
		is := typ{kind: kindList, elem: &elem, null: true}
		if t.Kind() == reflect.Map {
			is.kind = kindMap
		}
		return is, ok
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32,
		reflect.Uint64, reflect.Float32, reflect.Float64:
		return typ{kind: kindNumber}, true
	}
	return typ{}, false
}

// property is a field of a struct of the document.
type property struct {
	name      string // in JSON
	index     int
	is        typ
	omitempty bool // absent is empty, not null
}

// properties are the fields that a rule can read, in the order of the type.
func properties(t reflect.Type) []property {
	var all []property
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if is, ok := typeOf(f.Type); ok && name != "" && name != "-" {
			all = append(all, property{name, i, is, slices.Contains(strings.Split(options, ","), "omitempty")})
		}
	}
	return all
}

// sections are the types of the document's sections with the names that meta.sections has them by.
var sections = map[reflect.Type]string{
	reflect.TypeFor[document.System]():    "system",
	reflect.TypeFor[document.Workers]():   "workers",
	reflect.TypeFor[document.Queue]():     "queue",
	reflect.TypeFor[document.Jobs]():      "jobs",
	reflect.TypeFor[document.Agents]():    "agents",
	reflect.TypeFor[document.Analytics](): "analytics",
	reflect.TypeFor[document.Logs]():      "logs",
	reflect.TypeFor[document.Own]():       "own",
}

// Section is what meta says about one section, with its name: what `section` is in a rule that is evaluated per section.
type Section struct {
	Name    string     `json:"name"`
	AsOf    *time.Time `json:"as_of"`
	TookMS  float64    `json:"took_ms"`
	EveryMS int64      `json:"every_ms"`
	Error   *string    `json:"error"`
	Overdue bool       `json:"overdue"`
}

// mayBeInexact are the fields that may be only a lower bound, or of which the document says why they are null.
var mayBeInexact = map[reflect.Type][]string{
	reflect.TypeFor[document.QueueItem](): {"pending", "processing", "scheduled", "retryable", "parked", "slots", "oldest_at"},
	reflect.TypeFor[document.Queue]():     {"pending", "processing", "scheduled", "retryable", "parked", "oldest_at"},
	reflect.TypeFor[document.Analytics](): {"hour", "day"},
	reflect.TypeFor[document.Agent]():     {"running", "waiting", "scheduled", "retryable"},
	reflect.TypeFor[document.Jobs]():      {"cancelled_today"},
	reflect.TypeFor[document.Failure]():   {"similar_24h", "gave_up"},
}

// inexact says of such a field of a struct that it is only a lower bound, and why it is one or is null.
func inexact(of reflect.Value, field string) (least bool, why string) {
	from := func(i document.Inexact) (bool, string) { return i.Known == document.KnownAtLeast, i.Why }
	switch v := of.Interface().(type) {
	case document.QueueItem:
		if v.Inexact != nil {
			return from(*v.Inexact)
		}
	case document.Queue:
		return from(v.Inexact[field])
	case document.Analytics:
		return from(v.Inexact[field])
	case document.Agent:
		return v.Capped, "a shared queue is too long to look at each job"
	case document.Jobs:
		return v.CancelledCapped, "cancelled jobs are not counted to the end"
	case document.Failure:
		return v.SimilarCapped && field == "similar_24h" || v.GaveUpCapped && field == "gave_up", "not counted to the end"
	}
	return false, ""
}

// outdated says why the value of one of the file's own sections cannot be used.
func outdated(own document.OwnSection, path string, now time.Time) string {
	every := time.Duration(own.EveryS * float64(time.Second))
	switch {
	case own.Error != nil:
		return path + " could not be collected: " + *own.Error
	case own.AsOf != nil && now.Sub(*own.AsOf) > tooOld(every):
		return fmt.Sprintf("%s is %s old", path, now.Sub(*own.AsOf).Round(time.Second))
	}
	return ""
}

// notListed says that a map of a struct has only the most important of what there is; empty: it has all.
func notListed(of reflect.Value, field string) string {
	listed, total := 0, 0
	switch v := of.Interface().(type) {
	case document.Queue:
		listed, total = v.Listed, v.Total
	case document.Workers:
		listed, total = v.Listed, v.Total
	case document.Agents:
		if v.TotalAgents != nil {
			listed, total = v.Listed, *v.TotalAgents
		}
	case document.Jobs:
		if field == "running" && v.RunningCut {
			return "more jobs run than are listed"
		}
	}
	if field != "items" || listed >= total {
		return ""
	}
	return fmt.Sprintf("only %d of %d are listed", listed, total)
}
