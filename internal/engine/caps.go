package engine

import "slices"

// Capability is something that an engine may be able to report.
type Capability string

// The capabilities. What an engine cannot do is absent from every screen, and said once.
const (
	CanOldestWaiting Capability = "oldest_waiting" // since when the oldest waiting job waits
	CanRunning       Capability = "running"        // which jobs run
	CanStartedAt     Capability = "started_at"     // since when a job runs, and where
	CanEnqueuedAt    Capability = "enqueued_at"    // when a job was enqueued
	CanScheduled     Capability = "scheduled"      // jobs that are due later
	CanRetries       Capability = "retries"        // jobs that failed and are tried again
	CanDiscarded     Capability = "discarded"      // jobs that failed for good
	CanCancelled     Capability = "cancelled"      // jobs that somebody cancelled
	CanFinished      Capability = "finished"       // jobs that ended well
	CanErrors        Capability = "errors"         // what went wrong
	CanResults       Capability = "results"        // what a job returned
	CanAttempts      Capability = "attempts"       // each attempt at a job by itself
	CanLogs          Capability = "logs"           // what a job logged
	CanProgress      Capability = "progress"       // how far a running job is
	CanUsage         Capability = "usage"          // tokens and costs
	CanPriorities    Capability = "priorities"     // the priority of a job
	CanKinds         Capability = "kinds"          // which kinds of jobs there are, and how each stands
	CanWorkers       Capability = "workers"        // which processes run jobs
	CanHeartbeat     Capability = "heartbeat"      // when a worker was last alive
	CanSlots         Capability = "slots"          // how many jobs a worker runs at once
	CanWorkerTotals  Capability = "worker_totals"  // how many jobs a worker has ended
	CanVersions      Capability = "versions"       // which version of the program a worker runs
	CanSchedules     Capability = "schedules"      // periodic entries
	CanPauses        Capability = "pauses"         // which queues are paused
	CanTotals        Capability = "totals"         // the engine's own counters of what ended
	CanDurations     Capability = "durations"      // how long jobs ran and waited
	CanEvents        Capability = "events"         // what happened, job by job
	CanListByKind    Capability = "list_by_kind"   // lists of one kind
	CanListAll       Capability = "list_all"       // one list over all states
	CanListByTime    Capability = "list_by_time"   // lists of what was created, or ended, within a range of time
	CanSearch        Capability = "search"         // lists of what has a text in it
)

// Capabilities are all of them.
func Capabilities() []Capability {
	return []Capability{
		CanOldestWaiting, CanRunning, CanStartedAt, CanEnqueuedAt, CanScheduled, CanRetries, CanDiscarded, CanCancelled, CanFinished, CanErrors,
		CanResults, CanAttempts, CanLogs, CanProgress, CanUsage, CanPriorities, CanKinds, CanWorkers, CanHeartbeat, CanSlots, CanWorkerTotals, CanVersions, CanSchedules, CanPauses, CanTotals, CanDurations, CanEvents, CanListByKind, CanListAll,
		CanListByTime, CanSearch,
	}
}

// Answer says whether an engine can.
type Answer uint8

// No is the zero value: what an adapter does not list, it cannot.
const (
	No           Answer = iota
	NeedsSetting        // when the engine is set up for it
	NeedsGrant          // when our credential may
	Yes
)

// Support is an answer with one sentence to act on; it is empty for yes.
type Support struct {
	Answer Answer
	Why    string
}

// Caps are what an engine can report.
type Caps map[Capability]Support

// Can reports whether the answer is yes.
func (c Caps) Can(what Capability) bool { return c[what].Answer == Yes }

// Missing lists the sentences of what is not there, each once, in the order of [Capabilities].
func (c Caps) Missing() []string {
	var all []string
	for _, what := range Capabilities() {
		if s := c[what]; s.Answer != Yes && !slices.Contains(all, s.Why) {
			all = append(all, s.Why)
		}
	}
	return all
}
