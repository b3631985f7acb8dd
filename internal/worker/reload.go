package worker

import (
	"context"
	"errors"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/engine"
)

// Reload puts another fleet in force. Attempts under way go on as they began, and end under the agents they began with;
// jobs of agents that are gone stay where they are. If the new fleet cannot be started the old one stays in force.
func (s *Service) Reload(ctx context.Context, fleet *agent.Fleet) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == stateDraining || s.state == stateStopped {
		return errors.New("the service is stopping: it takes no new agents")
	}
	if err := checkOnly(s.only, fleet); err != nil {
		return err
	}
	before := s.Fleet()
	if s.state != stateRunning || fleet.Hash != "" && fleet.Hash == before.Hash {
		s.fleet.Store(fleet)
		return nil
	}
	if err := s.schedule.Load(ctx, fleet); err != nil {
		return engine.WrapDB("load the schedule", err)
	}
	if err := s.actor.KeepPauses(ctx, s.log); err != nil { // of queues that are back
		return engine.WrapDB("keep the pauses of queues", err)
	}
	absentBefore, absent := s.absent(), s.absentHere(fleet)
	s.lacks.Store(&absent)
	if s.id != "" {
		if err := s.nextGeneration(fleet); err != nil {
			s.lacks.Store(&absentBefore)
			return engine.WrapDB("start the new agents", errors.Join(err, s.schedule.Load(ctx, before)))
		}
	}
	s.fleet.Store(fleet)
	if s.id != "" {
		s.logAbsent(absentBefore, absent)
		s.health.report(beating, errors.Join(s.beat(ctx, "active"), s.showAbsent(ctx)))
	}
	s.log.Info("agents reloaded", "agents", len(fleet.Agents))
	s.notify(engine.AgentsChanged)
	return nil
}

// nextGeneration starts a River client for another fleet, and ends the one before.
func (s *Service) nextGeneration(fleet *agent.Fleet) error {
	current := s.current.Load()
	next, err := newGeneration(s, fleet, current.number+1)
	if err != nil {
		return err
	}
	s.gate.SetLimits(s.mine(fleet))
	if err := next.start(); err != nil {
		s.gate.SetLimits(s.mine(current.fleet))
		return err
	}
	s.generations.Go(current.stop)
	s.current.Store(next)
	return nil
}

// Slots is how many attempts this process may run at once.
func (s *Service) Slots() int {
	if s.id == "" {
		return 0
	}
	return s.slots(s.mine(s.Fleet()))
}

// slots is how many attempts this worker may run at once: the concurrency of each queue once, up to its own bound.
func (s *Service) slots(fleet *agent.Fleet) int {
	slots := 0
	for _, q := range fleet.Queues {
		slots += q.Concurrency
	}
	if s.maxProcesses > 0 {
		slots = min(slots, s.maxProcesses)
	}
	return slots
}
