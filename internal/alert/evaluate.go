package alert

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/internal/strictyaml"
)

// maxSummary bounds what a notification says, in bytes.
const maxSummary = 300

// Truth is what a condition comes to.
type Truth int

// What a condition comes to.
const (
	Unknown Truth = iota
	Holds
	HoldsNot
)

// Observation is what a rule came to for one instance.
type Observation struct {
	// The agent, queue or section; empty when the rule has one instance.
	Subject string
	Truth   Truth
	// Why it is unknown.
	Why string
	// What is to be said of it, when it holds.
	Summary string
}

// Outcome is what one rule came to.
type Outcome struct {
	Rule Rule
	// Changes with the condition.
	ID string
	// In the order of the subjects.
	Observations []Observation
	// Why the rule could not be evaluated at all; empty: it was.
	Missing string
	// Why nothing is known of the subjects that are not observed; empty: they are not there any more.
	Unlisted string
}

// Evaluate evaluates each rule over a document.
func (s *Set) Evaluate(doc *document.Document, now time.Time) []Outcome {
	e := &evaluation{
		scope:   scope{doc: reflect.ValueOf(doc).Elem(), missing: unusable(doc, now), now: now},
		doc:     doc,
		objects: map[Per][]object{},
	}
	outcomes := make([]Outcome, len(s.rules))
	for i, r := range s.rules {
		outcomes[i] = e.rule(r)
	}
	return outcomes
}

// unusable says why sections cannot be used: they failed, are late or were never collected.
func unusable(doc *document.Document, now time.Time) map[string]string {
	missing := map[string]string{}
	for _, name := range sections {
		switch meta, there := doc.Meta.Sections[name]; {
		case !there || meta.AsOf == nil || !collected(doc, name):
			missing[name] = fmt.Sprintf("the section %s was not collected yet", name)
		case meta.Error != nil:
			missing[name] = fmt.Sprintf("the section %s could not be collected: %s", name, strictyaml.Clip(*meta.Error))
		case meta.Overdue || now.Sub(*meta.AsOf) > tooOld(time.Duration(meta.EveryMS)*time.Millisecond):
			missing[name] = fmt.Sprintf("the section %s is %s old", name, now.Sub(*meta.AsOf).Round(time.Second))
		}
	}
	return missing
}

// collected reports whether the document has a section.
func collected(doc *document.Document, name string) bool {
	switch name {
	case "agents":
		return doc.AgentsWorkers.Agents != nil
	case "queue":
		return doc.Dashboard.Queue != nil
	}
	return true // a null that is read is unknown anyway
}

// tooOld is the age at which what is collected so often counts as missing even if the document, which may itself be old, does not say so.
func tooOld(every time.Duration) time.Duration { return 3*every + 30*time.Second }

// object is one of what a rule has an instance for.
type object struct {
	name string
	ref  reflect.Value
}

// evaluation is one evaluation of all rules.
type evaluation struct {
	scope
	doc     *document.Document
	objects map[Per][]object
}

func (e *evaluation) rule(r *compiled) (o Outcome) {
	o = Outcome{Rule: r.Rule, ID: r.id}
	e.steps = maxSteps
	defer func() {
		if p := recover(); p != nil {
			o.Missing = fmt.Sprintf("the rule cannot be evaluated: %v", p)
		}
	}()
	if r.Per == PerNone {
		o.Observations = []Observation{e.observe(r, object{})}
		return o
	}
	if o.Missing = e.missing[sectionOf[r.Per]]; o.Missing != "" {
		return o
	}
	all, rest := e.objectsOf(r.Per)
	o.Observations, o.Unlisted = make([]Observation, len(all)), rest
	for i, item := range all {
		o.Observations[i] = e.observe(r, item)
	}
	return o
}

// objectsOf returns the agents, queues or sections by name, and what is to be said of those that are not listed.
func (e *evaluation) objectsOf(per Per) (all []object, rest string) {
	switch per {
	case PerAgent:
		rest = notListed(reflect.ValueOf(*e.doc.AgentsWorkers.Agents), "items")
	case PerQueue:
		rest = notListed(reflect.ValueOf(*e.doc.Dashboard.Queue), "items")
	}
	if all, known := e.objects[per]; known {
		return all, rest
	}
	switch per {
	case PerAgent:
		all = objects(e.doc.AgentsWorkers.Agents.Items)
	case PerQueue:
		all = objects(e.doc.Dashboard.Queue.Items)
	case PerSection:
		named := map[string]Section{}
		for name, m := range e.doc.Meta.Sections {
			named[name] = Section{name, m.AsOf, m.TookMS, m.EveryMS, m.Error, m.Overdue}
		}
		all = objects(named)
	}
	e.objects[per] = all
	return all, rest
}

func objects[T any](items map[string]T) []object {
	all := make([]object, 0, len(items))
	for _, name := range slices.Sorted(maps.Keys(items)) {
		item := items[name]
		all = append(all, object{name, reflect.ValueOf(&item).Elem()})
	}
	return all
}

// observe evaluates one instance. A fault of a rule makes it unknown and stops no other.
func (e *evaluation) observe(r *compiled, item object) (o Observation) {
	o.Subject = item.name
	defer func() {
		if p := recover(); p != nil {
			o.Truth, o.Why = Unknown, fmt.Sprintf("the rule cannot be evaluated: %v", p)
		}
	}()
	e.item, e.items = item.ref, e.items[:0]
	switch v := r.condition.eval(&e.scope); {
	case e.steps < 0:
		o.Why = tooCostly
	case v.unknown():
		o.Why = v.why
	case v.bool:
		o.Truth, o.Summary = Holds, e.summary(r)
	default:
		o.Truth = HoldsNot
	}
	return o
}

func (e *evaluation) summary(r *compiled) string {
	if r.Summary == "" {
		return r.Name
	}
	var b strings.Builder
	for _, p := range r.summary {
		if p.value == nil {
			b.WriteString(p.text)
		} else {
			b.WriteString(show(p.value(&e.scope)))
		}
	}
	text := b.String()
	if len(text) > maxSummary {
		text = strings.ToValidUTF8(text[:maxSummary-len("…")], "") + "…"
	}
	return text
}

// show writes a value for a person.
func show(v value) string {
	if v.unknown() {
		return "unknown"
	}
	switch v.kind {
	case kindBool:
		return strconv.FormatBool(v.bool)
	case kindText:
		return v.text
	case kindTime:
		return v.at.UTC().Format("2006-01-02 15:04:05 UTC")
	case kindDuration:
		return shortDuration(span(v.num))
	case kindNumber:
		text := strconv.FormatFloat(v.num, 'f', 2, 64)
		text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
		if v.least {
			return "at least " + text
		}
		return text
	}
	return "none"
}

// shortDuration writes a duration with its two largest units: 1d 4h, 12m 9s.
func shortDuration(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	const day = 24 * time.Hour
	d = d.Round(time.Second)
	switch {
	case d >= day:
		return fmt.Sprintf("%s%dd %dh", sign, d/day, d%day/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%s%dh %dm", sign, d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%s%dm %ds", sign, d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%s%ds", sign, d/time.Second)
}
