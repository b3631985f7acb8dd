package worker

import (
	"slices"
	"strings"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/engine"
)

// mine returns the part of a fleet that this worker runs: the agents of Options.Agents that can run here, and the queues
// their jobs go to.
func (s *Service) mine(fleet *agent.Fleet) *agent.Fleet {
	absent := s.absent()
	if s.only == nil && len(absent) == 0 {
		return fleet
	}
	runs := func(name string) bool {
		_, missing := absent[name]
		return !missing && (s.only == nil || slices.Contains(s.only, name))
	}
	part := *fleet
	part.Agents = slices.DeleteFunc(slices.Clone(fleet.Agents), func(spec *agent.Spec) bool { return !runs(spec.Name) })
	part.Queues = slices.DeleteFunc(slices.Clone(fleet.Queues), func(q agent.QueueSpec) bool { return !slices.ContainsFunc(q.Agents, runs) })
	return &part
}

// checkOnly tells which agents a worker is to run that its fleet does not have.
func checkOnly(only []string, fleet *agent.Fleet) error {
	var unknown []string
	for _, name := range only {
		if fleet.Agent(name) == nil {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	known := make([]string, 0, len(fleet.Agents))
	for _, spec := range fleet.Agents {
		known = append(known, spec.Name)
	}
	return engine.ErrorOf(engine.ErrInvalid, "this worker is to run agents that the fleet does not have: %s; there are: %s",
		strings.Join(unknown, ", "), strings.Join(known, ", "))
}
