// Package source collects the sections of the dashboard's document. Each file measures one section; a new section is
// a new file and a line in All.
package source

import (
	"context"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/jobs"
	"github.com/agentos/agentos/snapshot"
)

// Fleet is the agents' file as it was last read.
type Fleet struct {
	*agent.Fleet
	LoadedAt time.Time
	Problems []string // why the newest file is not the one in force; empty when it is
}

// Health is how one component fares, in words for the screen.
type Health struct {
	Status string   `json:"status"` // ok, degraded or down
	Detail string   `json:"detail"`
	TookMS *float64 `json:"took_ms"` // null when nothing is timed
}

// Deps is what the sections are measured on.
type Deps struct {
	Jobs      *jobs.Service
	Fleet     func() Fleet
	DataDir   string // whose disk is shown
	Version   string
	StartedAt time.Time

	// Each asks one component how it fares. They answer within the context's deadline.
	Database, Cache, Warmer func(context.Context) Health

	// Links tells the same of what joins several processes, by name; nothing when there is one alone. Nil is nothing.
	Links func() map[string]Health
}

// All lists the sections in the order of the document.
func All(d Deps) []snapshot.Section {
	return []snapshot.Section{
		{Name: "system", Path: "dashboard.system", Source: newSystem(d), Unmetered: true},
		{Name: "workers", Path: "dashboard.workers", Source: workers(d)},
		{Name: "queue", Path: "dashboard.queue", Source: queue(d)},
		{Name: "jobs", Path: "dashboard.jobs", Source: jobLists(d)},
		{Name: "agents", Path: "agents_workers.agents", Source: agents(d)},
		{Name: "analytics", Path: "analytics", Source: analytics(d)},
		{Name: "logs", Path: "logs", Source: logs(d)},
	}
}

// keyed makes the object that stands for a list in the document, so that a merge patch names only what changed.
func keyed[T any, K comparable](rows []T, key func(T) K) map[K]T {
	m := make(map[K]T, len(rows))
	for _, row := range rows {
		m[key(row)] = row
	}
	return m
}
