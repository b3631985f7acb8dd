package source

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/internal/engine"
)

// condition is a document.Condition with what its text needs besides.
type condition struct {
	document.Condition
	detail string // of a component, which has it in Components
}

func newCondition(code document.ConditionCode, severity document.Severity, params map[string]any) condition {
	return condition{Condition: document.Condition{Code: code, Severity: severity, Params: params}}
}

// text is the condition in English.
func (c condition) text() string {
	n := func(key, one, many string) string {
		if fmt.Sprint(c.Params[key]) == "1" {
			return "1 " + one
		}
		return fmt.Sprintf("%v %s", c.Params[key], many)
	}
	p := c.Params
	switch c.Code {
	case document.ConditionComponent:
		return fmt.Sprintf("%v: %v", p["component"], c.detail)
	case document.ConditionDisk:
		return fmt.Sprintf("disk is %.1f %% full", p["percent"])
	case document.ConditionMemory:
		return fmt.Sprintf("memory is %.1f %% used", p["percent"])
	case document.ConditionAgentsFile:
		return "the agents' file has errors; the previous one stays in force"
	case document.ConditionNoWorker:
		verb := "waits"
		if fmt.Sprint(p["jobs"]) != "1" {
			verb = "wait"
		}
		return fmt.Sprintf("%s %s and no worker runs %s", n("jobs", "job", "jobs"), verb, named(p, "agent", "agents"))
	case document.ConditionFailing:
		return fmt.Sprintf("%v of %v attempts failed in the last hour", p["failed"], p["ended"])
	case document.ConditionAgentFailing:
		return fmt.Sprintf("%s: %v of %v attempts failed in the last hour", named(p, "agent", "agents"), p["failed"], p["ended"])
	case document.ConditionOldestWait:
		return fmt.Sprintf("queue %v: the oldest job has waited %d min", p["queue"], p["wait_s"].(int64)/60)
	case document.ConditionGaveUp:
		return n("jobs", "job", "jobs") + " gave up in the last hour"
	case document.ConditionPausedBacklog:
		queues := fmt.Sprintf("queue %v is paused", p["queue"])
		if p["queues"] != 1 {
			queues = fmt.Sprintf("%v queues are paused", p["queues"])
		}
		return queues + " with " + n("jobs", "job", "jobs") + " waiting"
	case document.ConditionUnknown:
		return "not known at the moment: " + strings.Join(p["parts"].([]string), ", ")
	}
	return string(c.Code)
}

// page is the address of the dashboard that shows exactly what the condition is about.
func (c condition) page() string {
	of := func(name string) string {
		if value, ok := c.Params[name].(string); ok {
			return "&" + name + "=" + url.QueryEscape(value)
		}
		return ""
	}
	const waiting = "/jobs?state=available"
	switch c.Code {
	case document.ConditionNoWorker:
		if queue := of("queue"); queue != "" {
			return waiting + queue
		}
		if c.Params["agents"] == 1 {
			return waiting + of("agent")
		}
		return waiting
	case document.ConditionOldestWait:
		return waiting + of("queue")
	case document.ConditionPausedBacklog:
		if c.Params["queues"] == 1 {
			return waiting + of("queue")
		}
		return waiting
	case document.ConditionGaveUp:
		return "/jobs?state=discarded&ended=1h"
	case document.ConditionAgentFailing:
		if name, _ := c.Params["agent"].(string); c.Params["agents"] == 1 {
			return "/agents/" + url.PathEscape(name)
		}
		return "/agents"
	case document.ConditionFailing, document.ConditionAgentsFile:
		return "/agents"
	}
	return ""
}

// named is "hash", or "hash and 3 other agents".
func named(p map[string]any, one, many string) string {
	switch n, _ := p[many].(int); n {
	case 0, 1:
		return fmt.Sprint(p[one])
	case 2:
		return fmt.Sprintf("%v and 1 other", p[one])
	default:
		return fmt.Sprintf("%v and %d others", p[one], n-1)
	}
}

// The thresholds, which docs/operations.md lists. What is raised at one figure is taken back at a smaller one, so that it does not
// come and go.
const (
	unservedFor = 10 * time.Second // the oldest waiting job of what nobody serves

	failingLeast = 4 // attempts of an hour that say something
	failingRaise = 50
	failingClear = 40 // percent

	waitRaise = 5 * time.Minute
	waitClear = 4 * time.Minute
)

// fleetHealth judges the fleet by what the sections read. Its collections never overlap.
type fleetHealth struct {
	readings *readings
	attached bool
	raised   map[string]bool // by code, and by code and agent
}

// judge returns what is wrong with the fleet, the worst first.
func (f *fleetHealth) judge(now time.Time, fleet Fleet) []condition {
	r := f.readings
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []condition
	add := func(code document.ConditionCode, severity document.Severity, params map[string]any) {
		all = append(all, newCondition(code, severity, params))
	}
	if parts := r.unknown(now); len(parts) > 0 {
		add(document.ConditionUnknown, document.SeverityDegraded, map[string]any{"parts": parts})
	}
	if params := f.unserved(now, fleet); params != nil {
		severity := document.SeverityDegraded
		if r.workers == 0 {
			severity = document.SeverityCritical
		}
		add(document.ConditionNoWorker, severity, params)
	}
	if jobs := r.today.Recently; jobs != nil && *jobs > 0 {
		add(document.ConditionGaveUp, document.SeverityDegraded, map[string]any{"jobs": *jobs, "window_s": int(gaveUpWindow.Seconds())})
	}
	if f.fails(string(document.ConditionFailing), r.hour.OK, r.hour.Failed) {
		add(document.ConditionFailing, document.SeverityDegraded, map[string]any{"failed": r.hour.Failed, "ended": r.hour.OK + r.hour.Failed})
	} else if params := f.failingAgents(fleet); params != nil {
		add(document.ConditionAgentFailing, document.SeverityDegraded, params)
	}
	if params := f.longestWait(now); params != nil {
		add(document.ConditionOldestWait, document.SeverityDegraded, params)
	}
	if params := r.pausedBacklog(); params != nil {
		add(document.ConditionPausedBacklog, document.SeverityDegraded, params)
	}
	return all
}

const gaveUpWindow = engine.GaveUpRecently

// unserved finds the waiting jobs that no live worker may run: of queues that none serves, and of agents that none runs. Of another
// program's workers nobody knows what they serve.
func (f *fleetHealth) unserved(now time.Time, fleet Fleet) map[string]any {
	if f.attached {
		return nil
	}
	var n int64
	var names []string
	waits := map[string]bool{} // queues that are not paused, with a job that waits for long enough
	without := map[string]bool{}
	for _, q := range f.readings.queues {
		if q.PausedAt != nil || known(q.Pending) == 0 || waited(q, now) < unservedFor {
			continue
		}
		waits[q.Name] = true
		if known(q.Slots) == 0 {
			n += *q.Pending
			without[q.Name] = true
		}
	}
	for _, spec := range fleet.Agents {
		a := f.readings.agents[spec.Name]
		if a.slots != 0 || a.waiting == 0 || !waits[spec.Queue] {
			continue
		}
		names = append(names, spec.Name)
		if !without[spec.Queue] {
			n += a.waiting
		}
	}
	if n == 0 {
		return nil
	}
	params := map[string]any{"jobs": n, "agents": len(names)}
	if len(names) > 0 {
		params["agent"] = names[0]
		return params
	}
	for _, q := range f.readings.queues { // the jobs are of no agent of this fleet
		if without[q.Name] {
			params["queue"], params["agent"] = q.Name, "the queue "+q.Name
			break
		}
	}
	return params
}

// fails reports whether so many attempts failed that it is said.
func (f *fleetHealth) fails(key string, ok, failed int64) bool {
	threshold := int64(failingRaise)
	if f.raised[key] {
		threshold = failingClear
	}
	yes := ok+failed >= failingLeast && failed*100 >= threshold*(ok+failed)
	if yes {
		f.raised[key] = true
	} else {
		delete(f.raised, key)
	}
	return yes
}

func (f *fleetHealth) failingAgents(fleet Fleet) map[string]any {
	var params map[string]any
	count := 0
	for _, spec := range fleet.Agents {
		a := f.readings.agents[spec.Name]
		if !f.fails(string(document.ConditionAgentFailing)+" "+spec.Name, a.ok, a.failed) {
			continue
		}
		if count++; count == 1 {
			params = map[string]any{"agent": spec.Name, "failed": a.failed, "ended": a.ok + a.failed}
		}
		params["agents"] = count
	}
	return params
}

// waited is how long the oldest waiting job of a queue has been due; zero: none is, or nobody knows.
func waited(q engine.Queue, now time.Time) time.Duration {
	if q.OldestAt == nil || !q.OldestAt.Known() {
		return 0
	}
	return now.Sub(q.OldestAt.Time)
}

func (f *fleetHealth) longestWait(now time.Time) map[string]any {
	var wait time.Duration
	queue := ""
	for _, q := range f.readings.queues {
		if w := waited(q, now); q.PausedAt == nil && w > wait {
			wait, queue = w, q.Name
		}
	}
	threshold := waitRaise
	if f.raised[string(document.ConditionOldestWait)] {
		threshold = waitClear
	}
	if f.raised[string(document.ConditionOldestWait)] = wait >= threshold; !f.raised[string(document.ConditionOldestWait)] {
		return nil
	}
	return map[string]any{"queue": queue, "wait_s": int64(wait.Truncate(time.Minute).Seconds())}
}

// pausedBacklog counts what waits in paused queues. r.mu is held.
func (r *readings) pausedBacklog() map[string]any {
	var n int64
	queues, first := 0, ""
	for _, q := range r.queues {
		if q.PausedAt == nil || known(q.Pending) == 0 {
			continue
		}
		n += *q.Pending
		if queues++; queues == 1 {
			first = q.Name
		}
	}
	if queues == 0 {
		return nil
	}
	return map[string]any{"queues": queues, "jobs": n, "queue": first}
}
