package worker

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/agentos/agentos/internal/agent"
	engineriver "github.com/agentos/agentos/internal/engine/river"
	"github.com/agentos/agentos/internal/fetch"
)

const (
	fetchCooldown = 10 * time.Millisecond // bounds a queue to concurrency / cooldown jobs a second
	// fetchPoll is how late a job is noticed whose insert was not announced, see lookForJobs.
	fetchPoll = 500 * time.Millisecond
	// never replaces River's rescue of stuck jobs, which discards jobs of agents it does not know; ours is in reap.go.
	never = 10 * 365 * 24 * time.Hour
)

// generation is the River client that runs one version of the fleet.
type generation struct {
	service *Service
	fleet   *agent.Fleet
	number  int
	client  engineriver.Client
	idle    bool // no agent can run here: River starts no client that has nothing to do
	pilot   *fetch.Pilot
	serves  map[string]bool // its queues
}

func newGeneration(s *Service, fleet *agent.Fleet, number int) (*generation, error) {
	g := &generation{service: s, fleet: fleet, number: number, pilot: s.fetcher.NewPilot(), serves: map[string]bool{}}
	workers := river.NewWorkers()
	part := s.mine(fleet)
	for _, spec := range part.Agents {
		river.AddWorkerArgs(workers, engineriver.NewArgs(spec.Name, nil), &worker{service: s, spec: spec, client: engineriver.ClientID(s.id, number)})
	}
	queues := engineriver.QueuesOf(part)
	for name := range queues {
		g.serves[name] = true
	}
	client, err := engineriver.NewClient(s.db, g.pilot, &river.Config{
		ID:                   engineriver.ClientID(s.id, number),
		Queues:               queues,
		Workers:              workers,
		FetchCooldown:        fetchCooldown,
		FetchPollInterval:    ownPoll,
		FetchOnlyKnownKinds:  true,
		JobTimeout:           -1, // runner.Run keeps the agent's own
		RescueStuckJobsAfter: never,
		RetryPolicy:          g,
		ErrorHandler:         g,
		ReindexerIndexNames:  []string{},
		Logger:               engineriver.NewLogger(s.log),
	})
	if err != nil {
		return nil, fmt.Errorf("set up the job queue for %s: %w", fleet.Path, err)
	}
	g.client, g.idle = client, len(part.Agents) == 0
	return g, nil
}

func (g *generation) start() error {
	if g.idle {
		return nil
	}
	return g.client.Start(context.Background())
}

// stop fetches nothing more and waits for the attempts under way: patiently as long as the service is, then it tells
// them to end and waits as long as the service lives.
func (g *generation) stop() {
	if g.idle {
		return
	}
	drainCtx, stopWaiting := contextUntil(g.service.hurried)
	defer stopWaiting()
	if g.client.Stop(drainCtx) != nil {
		lifeCtx, cancel := contextUntil(g.service.gone)
		defer cancel()
		_ = g.client.StopAndCancel(lifeCtx) // its error is that of the context
	}
}

// NextRetry is when a failed job is tried again: the agent's own backoff.
func (g *generation) NextRetry(job *rivertype.JobRow) time.Time {
	backoff := agent.DefaultBackoff
	if spec := g.fleet.Agent(job.Kind); spec != nil {
		backoff = spec.Backoff
	}
	return time.Now().Add(backoff.Wait(job.Attempt))
}

func limitsOf(fleet *agent.Fleet) map[string]int {
	limits := map[string]int{}
	for _, spec := range fleet.Agents {
		limits[spec.Name] = spec.Concurrency
	}
	return limits
}
