package source

import (
	"slices"

	"github.com/agentos/agentos/internal/engine"
)

// touched is which sections of the document each event touches: they are read again soon after it.
var touched = map[engine.Event][]string{
	engine.JobEnqueued:       {"queue", "jobs", "agents"},
	engine.JobStarted:        {"queue", "jobs", "agents", "workers"},
	engine.JobEnded:          {"queue", "jobs", "agents", "workers"},
	engine.JobChanged:        {"queue", "jobs", "agents"},
	engine.JobRequeued:       {"queue", "jobs", "agents"},
	engine.RunProgressed:     {"jobs"},
	engine.RunLogged:         {"jobs", "logs"},
	engine.SumsAdded:         {"analytics", "agents"},
	engine.EndsRead:          {"analytics"},
	engine.QueueChanged:      {"queue", "agents"},
	engine.AgentsChanged:     {"agents", "queue", "workers"},
	engine.AgentsFileRead:    {"agents", "queue", "workers", "system"},
	engine.WorkerChanged:     {"workers"},
	engine.WorkerLost:        {"workers", "queue", "jobs", "agents"},
	engine.EverythingChanged: {"workers", "queue", "jobs", "agents", "analytics", "logs"},
}

// Touched returns the sections that some events touch, each once.
func Touched(events ...engine.Event) []string {
	var sections []string
	for _, e := range events {
		for _, section := range touched[e] {
			if !slices.Contains(sections, section) {
				sections = append(sections, section)
			}
		}
	}
	return sections
}
