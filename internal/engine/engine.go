package engine

import (
	"context"
	"time"
)

// Engine reports what a job engine holds. Its methods may be called at the same time from several goroutines, return soon after
// their context ends, and leave no trace in the engine.
type Engine interface {
	// Probe reports what is there and what it can report. It fails when there is nothing that the adapter knows.
	Probe(ctx context.Context) (Info, error)

	// Snapshot reports the current state, at a cost that does not grow with the number of jobs.
	Snapshot(ctx context.Context, budget Budget) (Snapshot, error)

	// Follow reports what happened after the cursor until ctx ends, and then returns ctx's error. An empty cursor is now.
	// The next batch comes when the one before was taken: an error from take ends Follow with that error.
	Follow(ctx context.Context, after Cursor, take func(Batch) error) error

	// List reports jobs page by page, in the order that is natural for the states asked for. It returns [ErrUnsupported] for a filter
	// that the capabilities exclude, and [ErrCursor] for a cursor that is not its own.
	List(ctx context.Context, filter Filter) (Page, error)

	// Get reports one job, or [ErrNotFound] for an id that no job has, whatever it looks like.
	Get(ctx context.Context, id ID) (Detail, error)

	// Close releases what the engine holds. Nothing may be called after it.
	Close()
}

// Info says what an adapter found.
type Info struct {
	Engine  string // such as "asynq"
	Version string // empty when the engine does not record it
	Where   string // the address without credentials
	Caps    Caps
}

// Budget bounds what a snapshot may cost.
type Budget struct {
	Queues  int // how many queues may be read again; the others keep the figures of an earlier snapshot, with their time
	Workers int // how many workers are listed
	Running int // how many running jobs are listed
}

// Snapshot is the state of an engine at one moment.
type Snapshot struct {
	At        time.Time
	Queues    []QueueCounts // by name; at most 10 times the budget
	MoreQueue int64         // queues that are there and not listed
	Workers   []Worker
	MoreWork  int64        // workers that are there and not listed
	Running   []RunningJob // those that run longest first
	Schedules []Schedule
	Problems  []string // what could not be read, at most 20 sentences
}

// QueueCounts is one queue with what is in it, and what is known of each figure.
type QueueCounts struct {
	Name     string
	Jobs     map[State]Count // a count for each state that the engine has, and no other
	PausedAt *time.Time      // nil when it is not paused
	OldestAt *time.Time      // since when the oldest waiting job waits; nil when none does, or that is not recorded
	Ended    Totals
}

// Totals are an engine's own counters of ended attempts. They only grow, except when the engine starts again.
type Totals struct {
	OK, Failed Count
	Today      Day // the engine's own day
}

// Day is what ended on one day.
type Day struct {
	Start      time.Time
	OK, Failed Count
}

// Schedule is one entry of a periodic schedule.
type Schedule struct {
	ID     string
	Kind   string
	Spec   string // in the engine's own form, such as "@every 5m"
	NextAt *time.Time
	LastAt *time.Time
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
