package source

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/engine"
)

const (
	// firstReading is how long the judgement of the fleet waits for the sections that are collected at the same time, before
	// they have been read for the first time. It is less than a publish waits for the slowest section.
	firstReading = 400 * time.Millisecond
	// knownFor is how long the fleet is judged by what was read last, when reading fails.
	knownFor = time.Minute
)

// watched are jobs whose readings are kept for the judgement of the fleet, so that it asks the database for nothing.
type watched struct {
	Jobs
	readings *readings
}

// readings are what the sections read last.
type readings struct {
	mu     sync.Mutex
	at     map[string]time.Time // by part; zero: not read since the start
	first  chan struct{}        // closed when each part was read, or could not be
	missed map[string]bool

	queues  []engine.Queue
	agents  map[string]agentReading
	workers int // that are active
	hour    engine.Window
	today   engine.Today
}

// agentReading is what the judgement needs to know of an agent.
type agentReading struct {
	slots      int
	waiting    int64
	ok, failed int64 // attempts of the last hour
}

var readParts = []string{"queues", "agents", "workers", "attempts", "jobs"}

func newReadings() *readings {
	return &readings{at: map[string]time.Time{}, missed: map[string]bool{}, first: make(chan struct{})}
}

// note keeps a reading, or that there was none.
func (r *readings) note(part string, err error, keep func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.at[part] = time.Now()
		keep()
	}
	if len(r.missed) == len(readParts) {
		return
	}
	if r.missed[part] = true; len(r.missed) == len(readParts) {
		close(r.first)
	}
}

// wait lets the sections read for the first time.
func (r *readings) wait(ctx context.Context) {
	timer := time.NewTimer(firstReading)
	defer timer.Stop()
	select {
	case <-r.first:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// unknown are the parts that could not be read recently. r.mu is held.
func (r *readings) unknown(now time.Time) []string {
	return slices.DeleteFunc(slices.Clone(readParts), func(part string) bool { return now.Sub(r.at[part]) <= knownFor })
}

// Queues implements Jobs.
func (w *watched) Queues(ctx context.Context) ([]engine.Queue, error) {
	rows, err := w.Jobs.Queues(ctx)
	w.readings.note("queues", err, func() { w.readings.queues = slices.Clone(rows) })
	return rows, err
}

// Workers implements Jobs.
func (w *watched) Workers(ctx context.Context) ([]engine.Worker, error) {
	rows, err := w.Jobs.Workers(ctx)
	w.readings.note("workers", err, func() {
		w.readings.workers = 0
		for _, worker := range rows {
			if worker.State == "active" {
				w.readings.workers++
			}
		}
	})
	return rows, err
}

// Agents implements Jobs.
func (w *watched) Agents(ctx context.Context) (map[string]*engine.AgentStats, error) {
	stats, err := w.Jobs.Agents(ctx)
	w.readings.note("agents", err, func() {
		before := w.readings.agents
		w.readings.agents = make(map[string]agentReading, len(stats))
		for name, s := range stats {
			w.readings.agents[name] = agentReading{s.Slots, s.Waiting, before[name].ok, before[name].failed}
		}
	})
	return stats, err
}

// DescribeAgents implements Jobs. It is asked of the agents that need attention, among them those whose last attempt failed; of the
// others no failures are known.
func (w *watched) DescribeAgents(ctx context.Context, stats map[string]*engine.AgentStats) error {
	err := w.Jobs.DescribeAgents(ctx, stats)
	w.readings.note("agents", err, func() {
		for name, a := range w.readings.agents {
			a.ok, a.failed = 0, 0
			if s := stats[name]; s != nil {
				a.ok, a.failed = s.LastHour.OK, s.LastHour.Failed
			}
			w.readings.agents[name] = a
		}
	})
	return err
}

// Windows implements Jobs.
func (w *watched) Windows(ctx context.Context) (hour, day engine.Window, err error) {
	hour, day, err = w.Jobs.Windows(ctx)
	w.readings.note("attempts", err, func() { w.readings.hour = hour })
	return hour, day, err
}

// Today implements Jobs.
func (w *watched) Today(ctx context.Context) (engine.Today, error) {
	today, err := w.Jobs.Today(ctx)
	w.readings.note("jobs", err, func() { w.readings.today = today })
	return today, err
}
