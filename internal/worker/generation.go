package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/engine"
	engineriver "github.com/agentos/agentos/internal/engine/river"
	"github.com/agentos/agentos/internal/fetch"
	"github.com/agentos/agentos/internal/fingerprint"
	"github.com/agentos/agentos/internal/jobspec"
	"github.com/agentos/agentos/internal/riverlog"
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
	queues := jobspec.QueuesOf(part)
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
		Logger:               riverlog.New(s.log),
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

// stop fetches nothing more and waits for the attempts under way: while the service drains they may end by themselves, then it
// ends them and waits as long as the service lives.
func (g *generation) stop() {
	if g.idle {
		return
	}
	drainCtx, stopWaiting := contextUntil(g.service.drainOver)
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

// HandleError is called by River when an attempt failed. Those that never came to the agent's process, for example for
// arguments that cannot be decoded, have no run yet and get one here.
func (g *generation) HandleError(ctx context.Context, job *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	var known *attemptError
	if !errors.As(err, &known) {
		g.service.health.report("write a run", g.service.recordUnstarted(ctx, job, err.Error()))
	}
	return nil
}

// HandlePanic is called by River when a worker panicked.
func (g *generation) HandlePanic(ctx context.Context, job *rivertype.JobRow, panicked any, trace string) *river.ErrorHandlerResult {
	g.service.log.Error("a worker panicked", "job", job.ID, "agent", job.Kind, "panic", panicked, "trace", trace)
	g.service.health.report("write a run", g.service.recordUnstarted(ctx, job, "agentos itself failed; see its log"))
	return nil
}

func (s *Service) recordUnstarted(ctx context.Context, job *rivertype.JobRow, text string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), persistTimeout)
	defer cancel()
	now := time.Now().UnixMilli()
	text = engine.Clip(text, engine.MaxErrorText)
	_, err := s.db.Write.ExecContext(ctx, `insert into run
		(job_id, attempt, max_attempts, agent, queue, worker, outcome, scheduled_ms, started_ms, ended_ms, wait_ms, run_ms, error, fingerprint)
		values ($1, $2, $3, $4, $5, $6, 'failed', $7, $8, $8, $9, 0, $10, $11)`,
		job.ID, job.Attempt, job.MaxAttempts, job.Kind, job.Queue, s.id, job.ScheduledAt.UnixMilli(), now,
		max(now-job.ScheduledAt.UnixMilli(), 0), text, fingerprint.Of(text, "").In(job.Kind))
	s.signalEnded()
	s.notify(engine.JobEnded)
	return err
}

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
	return fleet.Part(runs)
}

// checkOnly is an error that names the agents a worker is to run that its fleet does not have.
func checkOnly(only []string, fleet *agent.Fleet) error {
	unknown := slices.DeleteFunc(slices.Clone(only), func(name string) bool { return fleet.Agent(name) != nil })
	if len(unknown) == 0 {
		return nil
	}
	return engine.ErrorOf(engine.ErrInvalid, "this worker is to run agents that the fleet does not have: %s; there are: %s",
		strings.Join(unknown, ", "), strings.Join(fleet.Names(), ", "))
}
