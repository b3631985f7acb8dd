package document

// Engine is what runs the jobs, and what it cannot report.
type Engine struct {
	// Such as river or asynq.
	Name string `json:"name"`
	// Null: the engine does not record it.
	Version *string `json:"version"`
	// What cannot be shown, by capability. A capability that is not here is there.
	Missing map[Capability]Missing `json:"missing"`
}

// Missing says why an engine cannot report something.
type Missing struct {
	Answer Answer `json:"answer"`
	// One sentence to act on.
	Why string `json:"why"`
}

// Inexact is what is known of a figure that is not exact.
type Inexact struct {
	Known Known `json:"known"`
	// One sentence to act on.
	Why string `json:"why"`
}

// Known says how much is known of a figure. One that is not recorded, not allowed or not yet read is null.
type Known string

// What is known of a figure that is not exact.
const (
	KnownAtLeast     Known = "at_least"
	KnownNotRecorded Known = "not_recorded"
	KnownNotAllowed  Known = "not_allowed"
	KnownNotYet      Known = "not_yet_read"
)

// Answer says what a capability lacks.
type Answer string

// The answers.
const (
	AnswerNo           Answer = "no"
	AnswerNeedsSetting Answer = "needs_setting" // the engine can be set up for it
	AnswerNeedsGrant   Answer = "needs_grant"   // the credential that reads it may not
)

// Capability is something that an engine may be able to report.
type Capability string

// The capabilities.
const (
	CapabilityOldestWaiting Capability = "oldest_waiting" // since when the oldest waiting job waits
	CapabilityRunning       Capability = "running"        // which jobs run
	CapabilityStartedAt     Capability = "started_at"     // since when a job runs, and where
	CapabilityEnqueuedAt    Capability = "enqueued_at"    // when a job was enqueued
	CapabilityScheduled     Capability = "scheduled"      // jobs that are due later
	CapabilityRetries       Capability = "retries"        // jobs that failed and are tried again
	CapabilityDiscarded     Capability = "discarded"      // jobs that failed for good
	CapabilityCancelled     Capability = "cancelled"      // jobs that somebody cancelled
	CapabilityFinished      Capability = "finished"       // jobs that ended well
	CapabilityErrors        Capability = "errors"         // what went wrong
	CapabilityResults       Capability = "results"        // what a job returned
	CapabilityAttempts      Capability = "attempts"       // each attempt at a job by itself
	CapabilityLogs          Capability = "logs"           // what a job logged
	CapabilityProgress      Capability = "progress"       // how far a running job is
	CapabilityUsage         Capability = "usage"          // tokens and costs
	CapabilityPriorities    Capability = "priorities"     // the priority of a job
	CapabilityKinds         Capability = "kinds"          // which kinds of jobs there are, and how each stands
	CapabilityWorkers       Capability = "workers"        // which processes run jobs
	CapabilityHeartbeat     Capability = "heartbeat"      // when a worker was last alive
	CapabilitySlots         Capability = "slots"          // how many jobs a worker runs at once
	CapabilityWorkerTotals  Capability = "worker_totals"  // how many jobs a worker has ended
	CapabilityVersions      Capability = "versions"       // which version of the program a worker runs
	CapabilitySchedules     Capability = "schedules"      // periodic entries
	CapabilityPauses        Capability = "pauses"         // which queues are paused
	CapabilityTotals        Capability = "totals"         // the engine's own counters of what ended
	CapabilityDurations     Capability = "durations"      // how long jobs ran and waited
	CapabilityEvents        Capability = "events"         // what happened, job by job
	CapabilityListByKind    Capability = "list_by_kind"   // lists of one kind
	CapabilityListAll       Capability = "list_all"       // one list over all states
	CapabilityListByTime    Capability = "list_by_time"   // lists of what was created, or ended, within a range of time
	CapabilitySearch        Capability = "search"         // lists of what has a text in it
)
