package adapter

import "time"

// State is where a job stands, in our words. Every engine's states map to these.
type State string

// The states. Each engine has some of them: those for which it lists a count in [Queue.Jobs].
const (
	Waiting   State = "waiting"   // may start now
	Running   State = "running"   // an attempt is under way
	Scheduled State = "scheduled" // may start later
	Retryable State = "retryable" // failed, and is tried again later
	Completed State = "completed"
	Cancelled State = "cancelled"
	Discarded State = "discarded" // failed for good, and is kept to be looked at
	Parked    State = "parked"    // waits for something that a program does, not for a time or a worker
)

// States are all states, in the order in which a job passes them.
func States() []State {
	return []State{Waiting, Running, Scheduled, Retryable, Parked, Completed, Cancelled, Discarded}
}

// Job is one job as lists show it. Times that the engine does not record are nil.
type Job struct {
	ID          ID
	Kind        string
	Queue       string
	State       State
	OwnState    string // the engine's word for it
	Attempt     Count  // attempts begun
	MaxAttempts Count
	EnqueuedAt  *time.Time
	DueAt       *time.Time // when it may start next
	StartedAt   *time.Time // of the attempt that runs
	EndedAt     *time.Time
	Args        string // a preview, without secrets, at most 120 bytes
	Error       string // of the last failed attempt, without secrets, at most 200 bytes
	Worker      string // the worker that runs it; empty when it does not run or that is not recorded
}

// Detail is all that an engine has of one job.
type Detail struct {
	Job
	ArgsText  Text
	ErrorText Text
	Result    Text
	Notes     []Note // what else the engine keeps, such as a time limit, in the order to show it
}

// Text is a long text without secrets, or its beginning.
type Text struct {
	Text  string
	Bytes int64 // of the whole
	Cut   bool
}

// Note is a named fact.
type Note struct{ Name, Value string }
