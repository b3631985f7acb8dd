// Package adapter is the one model of jobs that AgentOS has for every job engine: its own fleet on River, another program's
// River database, a Redis full of tasks. It says what an engine can report, and how little it may cost to ask.
//
// # Writing an adapter
//
// An adapter is a package below this one with a type that implements [Engine]. It reads the engine's own tables or keys without
// the engine's library, and never writes, locks or scans what grows with the number of jobs. To write one:
//
//   - Make ids opaque: [ID] is whatever finds the job again in one read, such as "queue/id" where ids are unique within a queue.
//   - Map each state to one of ours, and keep the engine's own word in [Job.OwnState]: people search their docs for it.
//   - Say what is known of each figure. A [Count] that nobody recorded has no value and says why; it is never 0.
//   - List every [Capability] in [Info.Caps], with a sentence that a person can act on where the answer is not yes.
//   - Keep [Engine.Snapshot] within O(queues + workers) and within its [Budget]; what did not fit is counted, or older and says so.
//   - Report what was missed: a [Gap] in what was followed is better than a figure that is silently too low.
//   - Skip what cannot be read and say so in [Snapshot.Problems]: one bad row never stops the others.
//
// Then run the adapter against the real engine with package enginetest, which holds every adapter to these rules.
package adapter

import (
	"context"
	"errors"
	"time"
)

// Engine reports what a job engine holds. Its methods may be called at the same time from several goroutines, return soon after
// their context ends, and leave no trace in the engine.
type Engine interface {
	// Probe reports what is there and what it can report. It fails when there is nothing that the adapter knows.
	Probe(ctx context.Context) (Info, error)

	// Snapshot reports how things stand, at a cost that does not grow with the number of jobs.
	Snapshot(ctx context.Context, budget Budget) (Snapshot, error)

	// Follow reports what happened after the cursor until ctx ends, and then returns ctx's error. An empty cursor is now.
	// The next batch comes when the one before was taken: an error from take ends Follow with that error.
	Follow(ctx context.Context, after Cursor, take func(Batch) error) error

	// List reports jobs page by page, in the order that is natural for the state asked for. It returns [ErrUnsupported] for a filter
	// that the capabilities exclude, and [ErrCursor] for a cursor that is not its own.
	List(ctx context.Context, filter Filter, after Cursor, limit int) (Page, error)

	// Get reports one job, or [ErrNotFound].
	Get(ctx context.Context, id ID) (Detail, error)

	// Close releases what the engine holds. Nothing may be called after it.
	Close()
}

var (
	// ErrNotFound is returned for a job that the engine does not know, or no longer.
	ErrNotFound = errors.New("no such job")

	// ErrCursor is returned for a cursor that this engine did not make.
	ErrCursor = errors.New("not a cursor of this list")

	// ErrUnsupported is returned for a question that this engine cannot answer. It is wrapped with the reason.
	ErrUnsupported = errors.New("not supported by this engine")
)

// ID names a job within its engine. It is made and understood by the engine alone, at most 512 bytes long.
type ID string

// Cursor is a place in a list or in what is followed. It is made and understood by the engine alone.
type Cursor string

// Info says what an adapter found.
type Info struct {
	Engine  string // such as "asynq"
	Version string // empty when the engine does not record it
	Where   string // the address without credentials
	Caps    Caps
}

// Budget bounds what a snapshot may cost.
type Budget struct {
	Queues  int // how many queues may be read anew; the others keep the figures of an earlier snapshot, with their time
	Workers int // how many workers are listed
	Running int // how many running jobs are listed
}

// Snapshot is how an engine stands.
type Snapshot struct {
	At        time.Time
	Queues    []Queue // by name; at most 10 times the budget
	MoreQueue int64   // queues that are there and not listed
	Workers   []Worker
	MoreWork  int64 // workers that are there and not listed
	Running   []Job // those that run longest first
	Schedules []Schedule
	Problems  []string // what could not be read, at most 20 sentences
}

// Queue is one queue with what is in it.
type Queue struct {
	Name     string
	Jobs     map[State]Count // a count for each state that the engine has, and no other
	PausedAt *time.Time      // nil when it is not paused
	OldestAt *time.Time      // since when the oldest waiting job waits; nil when none does, or that is not recorded
	Ended    Totals
}

// Totals are an engine's own counters of ended attempts. They only grow, save when the engine starts anew.
type Totals struct {
	OK, Failed Count
	Today      Day // the engine's own day
}

// Day is what ended on one day.
type Day struct {
	Start      time.Time
	OK, Failed Count
}

// Worker is a process that runs jobs.
type Worker struct {
	ID        string
	Host      string
	PID       int
	OwnState  string // the engine's word, such as "active"
	StartedAt *time.Time
	BeatAt    *time.Time // its last sign of life; nil when that is not recorded
	Slots     Count      // jobs that it may run at once
	Running   Count
	Queues    []string // at most 20
	MoreQueue int
}

// Schedule is one entry of a periodic schedule.
type Schedule struct {
	ID     string
	Kind   string
	Spec   string // in the engine's own form, such as "@every 5m"
	NextAt *time.Time
	LastAt *time.Time
}

// Filter says which jobs are listed. Empty fields match all.
type Filter struct {
	Queue string
	Kind  string
	State State
}

// Page is a part of a list.
type Page struct {
	Jobs []Job
	Next Cursor // empty at the end
}

// Batch is what happened between two moments. Either its sums or its ends are used, as the engine can.
type Batch struct {
	From, To time.Time
	Ended    []Ended
	Gaps     []Gap
	Next     Cursor // where to go on, once this batch is stored
}

// Ended counts attempts that ended.
type Ended struct {
	Queue      string
	OK, Failed int64
}

// Gap is a span of which not everything was seen.
type Gap struct {
	Queue    string
	From, To time.Time
	Missed   Count  // unknown when the engine keeps no counter to compare with
	Cause    string // a sentence
}
