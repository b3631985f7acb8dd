// Package source collects the sections of the dashboard's document. Each file measures one section and returns its type of package
// document; a new section is a new file, a type there and a line in All.
package source

import (
	"context"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/snapshot"
)

// Fleet is the agents' file as it was last read.
type Fleet struct {
	*agent.Fleet
	LoadedAt time.Time
	Problems []string // why the newest file is not the one in force; empty when it is
	Notes    []string // likely mistakes in the file in force; a few
}

// Deps is what the sections are measured on.
type Deps struct {
	Jobs      Jobs
	Fleet     func() Fleet
	DataDir   string // whose disk is shown
	Version   string
	StartedAt time.Time

	// Engine returns what runs the jobs, and what it cannot report. Nil: River, of which everything is known.
	Engine func() document.Engine

	// Attached returns the state of the other program's database that is shown; nil when the jobs are our own.
	Attached func() *document.Attached

	// Own returns the sections that the agents' file declares as they were collected last, at once; their values are never changed. Nil:
	// no file can declare any.
	Own func() document.Own

	// DataAt returns the time of the data that the sections of jobs are read from, when that may be older than their collection: in
	// a replica. Zero: it is of the present. Nil: it always is.
	DataAt func(context.Context) time.Time

	// Unmetered says that reading the jobs costs the shared database nothing: another engine is read, within bounds of its own. The
	// analytics alone are then in the database.
	Unmetered bool

	// Each returns the status of one component. They answer within the context's deadline.
	Database, Cache, Warmer func(context.Context) document.Component

	// Links returns the same of what joins several processes, by name; nothing when there is one alone. Nil is nothing.
	Links func() map[string]document.Component
}

// Jobs is what the sections show, with the costs that their reading may have: see package engine and package attach.
type Jobs interface {
	Queues(ctx context.Context) ([]engine.Queue, error)
	Workers(ctx context.Context) ([]engine.Worker, error)
	Today(ctx context.Context) (engine.Today, error)
	Newest(ctx context.Context, n int) ([]engine.Job, error)
	Running(ctx context.Context, n int) ([]engine.RunningJob, error)
	Failures(ctx context.Context, n int) ([]engine.Failure, error)
	LatestLogs(ctx context.Context, n int) ([]engine.LogLine, error)
	Agents(ctx context.Context) (map[string]*engine.AgentStats, error)
	DescribeAgents(ctx context.Context, stats map[string]*engine.AgentStats) error
	PausedQueues(ctx context.Context) (map[string]*engine.Time, error)
	Windows(ctx context.Context) (hour, day engine.Window, err error)
	Throughput(ctx context.Context, step time.Duration, buckets int) (engine.Series, error)
	RollupsCompleteTo(ctx context.Context) (time.Time, error)
	NextRun(agent string) *time.Time
}

// collectFunc measures one section: a snapshot.Section's Collect.
type collectFunc func(ctx context.Context) (any, error)

// All lists the sections in the order of the document.
func All(d Deps) []snapshot.Section {
	readings := newReadings()
	d.Jobs = &watched{d.Jobs, readings}
	sections := []snapshot.Section{
		{Name: "system", Path: "dashboard.system", Collect: newSystem(d, readings).Collect, MaxBytes: systemBytes, Unmetered: true},
		{Name: "workers", Path: "dashboard.workers", Collect: workers(d), MaxBytes: workersBytes},
		{Name: "queue", Path: "dashboard.queue", Collect: queue(d), MaxBytes: queueBytes},
		{Name: "jobs", Path: "dashboard.jobs", Collect: jobLists(d), MaxBytes: jobsBytes},
		{Name: "agents", Path: "agents_workers.agents", Collect: agents(d), MaxBytes: agentsBytes},
		{Name: "analytics", Path: "analytics", Collect: analytics(d), MaxBytes: analyticsBytes},
		{Name: "logs", Path: "logs", Collect: logs(d), MaxBytes: logsBytes},
	}
	for i := range sections[1:] { // all but the host's own
		s := &sections[i+1]
		s.Collect, s.Unmetered = d.aged(s.Collect), d.Unmetered && s.Name != "analytics"
	}
	if d.Own != nil {
		sections = append(sections, snapshot.Section{Name: "own", Path: "own", Collect: own(d), MaxBytes: ownBytes, Unmetered: true})
	}
	return sections
}

// engine is what runs the jobs.
func (d Deps) engine() document.Engine {
	if d.Engine == nil {
		return document.Engine{Name: "river", Missing: map[document.Capability]document.Missing{}}
	}
	return d.Engine()
}

// lacks reports whether the engine cannot report something at all.
func (d Deps) lacks(what document.Capability) bool {
	missing, some := d.engine().Missing[what]
	return some && missing.Answer != document.AnswerNeedsSetting
}

// aged makes a section as old as the data that it is read from.
func (d Deps) aged(of collectFunc) collectFunc {
	if d.DataAt == nil {
		return of
	}
	return func(ctx context.Context) (any, error) {
		at := d.DataAt(ctx) // what is read afterwards is not older
		value, err := of(ctx)
		return snapshot.Aged{Value: value, AsOf: at}, err
	}
}
