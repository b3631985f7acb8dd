// Package adapter puts River behind [engine.Engine], by the methods that the dashboard reads a River database by: a fleet of ours, or
// another program's database.
package adapter

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/agentos/agentos/internal/engine"
)

// Source is a River database as the dashboard reads it.
type Source interface {
	List(ctx context.Context, filter engine.Filter) (engine.Page, error)
	Get(ctx context.Context, id engine.ID) (engine.Detail, error)
	Workers(ctx context.Context) ([]engine.Worker, error)
	Running(ctx context.Context, n int) ([]engine.RunningJob, error)
	KnownQueues(ctx context.Context) (map[string]*engine.Time, error)

	// Active counts the jobs that have not ended, and returns when that was done.
	Active(ctx context.Context) (map[engine.StateQueue]engine.Active, time.Time, error)
	// Schedules are the periodic entries that are known.
	Schedules() []engine.Schedule
	// Follow is that of engine.Engine.
	Follow(ctx context.Context, after engine.Cursor, take func(engine.Batch) error) error
}

// Engine is a River database.
type Engine struct {
	Source
	about engine.Info
}

// New puts a source behind the interface; about says what it is.
func New(source Source, about engine.Info) *Engine { return &Engine{Source: source, about: about} }

// Close does nothing: the source's owner closes it.
func (e *Engine) Close() {}

// Probe reads a small table of River's.
func (e *Engine) Probe(ctx context.Context) (engine.Info, error) {
	if _, err := e.KnownQueues(ctx); err != nil {
		return engine.Info{}, engine.WrapDB("look for River's tables", err)
	}
	return e.about, nil
}

// Snapshot counts the jobs that have not ended by River's index of them, all queues at once; those that ended are not counted. Its cost
// grows with the jobs that have not ended, some 0.3 µs each.
func (e *Engine) Snapshot(ctx context.Context, budget engine.Budget) (engine.Snapshot, error) {
	s := engine.Snapshot{At: time.Now(), Schedules: e.Schedules()}
	for _, read := range []func(context.Context, *engine.Snapshot, engine.Budget) error{e.readQueues, e.readWorkers, e.readRunning} {
		err := read(ctx, &s, budget)
		if ctx.Err() != nil { // an answer of before may have been taken
			return s, ctx.Err()
		}
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

// active are River's states of jobs that have not ended.
var active = []engine.State{engine.Waiting, engine.Running, engine.Scheduled, engine.Retryable, engine.Parked}

func (e *Engine) readQueues(ctx context.Context, s *engine.Snapshot, budget engine.Budget) error {
	counts, at, err := e.Active(ctx)
	if err != nil {
		return engine.WrapDB("count the jobs", err)
	}
	paused, err := e.KnownQueues(ctx)
	if err != nil {
		return engine.WrapDB("read the queues", err)
	}
	known := engine.Exact
	if s.At.Sub(at) > late {
		known = engine.Delayed
	}
	all := map[string]engine.QueueCounts{}
	for name, since := range paused {
		q := queue(name, known, at)
		if since != nil {
			q.PausedAt = &since.Time
		}
		all[name] = q
	}
	for key, n := range counts {
		q, listed := all[key.Queue]
		if !listed {
			q = queue(key.Queue, known, at)
		}
		q.Jobs[key.State] = engine.Count{N: n.N, Known: known, At: at}
		if n.OldestAt != nil && n.OldestAt.Known() {
			q.OldestAt = &n.OldestAt.Time
		}
		all[key.Queue] = q
	}
	names := slices.Sorted(maps.Keys(all))
	listed := names[:min(len(names), 10*budget.Queues)]
	for _, name := range listed {
		s.Queues = append(s.Queues, all[name])
	}
	s.MoreQueue = int64(len(names) - len(listed))
	return nil
}

// late is when counts are older than the rest.
const late = 5 * time.Second

func queue(name string, known engine.Known, at time.Time) engine.QueueCounts {
	q := engine.QueueCounts{Name: name, Jobs: map[engine.State]engine.Count{}}
	for _, state := range engine.States() {
		q.Jobs[state] = engine.Unknown(engine.Unrecorded, "River has no count of jobs that ended: its lists have them, and the sums of AgentOS their attempts.")
	}
	for _, state := range active {
		q.Jobs[state] = engine.Count{Known: known, At: at}
	}
	unknown := engine.Unknown(engine.Unrecorded, caps[engine.CanTotals].Why)
	q.Ended = engine.Totals{OK: unknown, Failed: unknown, Today: engine.Day{OK: unknown, Failed: unknown}}
	return q
}

func (e *Engine) readWorkers(ctx context.Context, s *engine.Snapshot, budget engine.Budget) error {
	workers, err := e.Workers(ctx)
	s.Workers = workers[:min(len(workers), budget.Workers)]
	s.MoreWork = int64(len(workers) - len(s.Workers))
	return err
}

func (e *Engine) readRunning(ctx context.Context, s *engine.Snapshot, budget engine.Budget) (err error) {
	s.Running, err = e.Running(ctx, budget.Running)
	return err
}
