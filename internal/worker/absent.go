package worker

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/runner"
)

const (
	// absentLook is how often a worker looks whether what its agents need has come or gone.
	absentLook = 5 * time.Second
	// maxAbsent bounds the reasons that a worker shows, and maxAbsentText each of them.
	maxAbsent     = 20
	maxAbsentText = 300
)

// absentHere returns which agents of a fleet this worker cannot run, and why. Their jobs wait for a worker that can.
func (s *Service) absentHere(fleet *agent.Fleet) map[string]string {
	found := map[string]string{}
	if s.id == "" || !s.ownRun {
		return found
	}
	for _, spec := range fleet.Agents {
		if s.only != nil && !slices.Contains(s.only, spec.Name) {
			continue
		}
		if err := spec.Missing(); err != nil {
			found[spec.Name] = engine.Clip(strings.ReplaceAll(err.Error(), "\n", "; "), maxAbsentText)
		}
	}
	return found
}

// absent returns what absentHere found last.
func (s *Service) absent() map[string]string {
	if found := s.lacks.Load(); found != nil {
		return *found
	}
	return nil
}

// lookForAbsent keeps what this worker runs equal to what it can run.
func (s *Service) lookForAbsent(ctx context.Context) {
	every(ctx, absentLook, func() { s.refit(ctx) })
}

// refit starts a generation without the agents that cannot run here any more, or with those that can again. It leaves it to
// the next time while the service begins, reloads or stops.
func (s *Service) refit(ctx context.Context) {
	if !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	before, found := s.absent(), s.absentHere(s.Fleet())
	if s.state != stateRunning || maps.Equal(before, found) {
		return
	}
	s.lacks.Store(&found)
	fleet := *s.Fleet() // another one for whoever compares
	if err := s.nextGeneration(&fleet); err != nil {
		s.lacks.Store(&before)
		s.log.Error("the agents that can run here have changed and could not be reloaded; retrying", "error", err)
		return
	}
	s.fleet.Store(&fleet)
	s.logAbsent(before, found)
	ctx, cancel := context.WithTimeout(ctx, persistTimeout)
	defer cancel()
	s.health.report(beating, errors.Join(s.beat(ctx, s.beatState()), s.showAbsent(ctx)))
	s.notify(engine.AgentsChanged)
}

func (s *Service) logAbsent(before, found map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if before[name] != found[name] {
			s.log.Warn("an agent cannot run here: its jobs wait for a worker that can run it", "agent", name, "reason", found[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, still := found[name]; !still {
			s.log.Info("an agent can run here again", "agent", name)
		}
	}
}

// showAbsent writes into this worker's row what it cannot run.
func (s *Service) showAbsent(ctx context.Context) error {
	shown := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(s.absent())) {
		if len(shown) == maxAbsent {
			break
		}
		shown[name] = s.absent()[name]
	}
	text, err := json.Marshal(shown)
	if err != nil {
		return err
	}
	_, err = s.db.Write.ExecContext(ctx, `update worker set absent = $2 where id = $1`, s.id, string(text))
	return err
}

// absentError means that a program was gone when it was to be started: its job goes back to the queue.
type absentError struct{ err error }

func (e *absentError) Error() string {
	return engine.Clip("it cannot run on this host: "+strings.ReplaceAll(e.err.Error(), "\n", "; "), engine.MaxErrorText/2)
}

// ifAbsent looks into why an attempt could not start. What has gone from this host is fetched no more.
func (a *attempt) ifAbsent(ctx context.Context, err error) error {
	var start *runner.StartError
	if !errors.As(err, &start) || !a.service.ownRun {
		return err
	}
	missing := a.spec.Missing()
	if missing == nil {
		return err
	}
	a.service.refit(context.WithoutCancel(ctx))
	return &absentError{missing}
}
