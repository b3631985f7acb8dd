package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"

	"github.com/agentos/agentos/internal/agent"
)

const (
	fetchCooldown = 10 * time.Millisecond // bounds a queue to concurrency / cooldown jobs a second
	// fetchPoll is how late a job is noticed whose insert was not announced: by other programs, or due after a short wait.
	fetchPoll = 500 * time.Millisecond
	// defaultSlots bounds River's "default" queue, where other River clients put jobs that name no queue.
	defaultSlots = 32
	// never replaces River's rescue of stuck jobs, which discards jobs of agents it does not know; ours is in reap.go.
	never = 10 * 365 * 24 * time.Hour
)

type riverClient = river.Client[*sql.Tx]

// jobArgs are a job's arguments as they are: the agent reads them, not we.
type jobArgs struct {
	kind string
	raw  json.RawMessage
}

func (a jobArgs) Kind() string                 { return a.kind }
func (a jobArgs) MarshalJSON() ([]byte, error) { return a.raw, nil }
func (a *jobArgs) UnmarshalJSON(b []byte) error {
	a.raw = append(json.RawMessage(nil), b...)
	return nil
}

// newInserter makes the client for everything but running jobs. Its cooldown bounds nothing but how often it announces
// inserts into one queue.
func newInserter(s *Service) (*riverClient, error) {
	client, err := river.NewClient(riversqlite.New(s.db.Write), &river.Config{
		FetchCooldown: river.FetchCooldownMin, Logger: riverLogger(s.log),
	})
	if err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	return client, nil
}

// generation is the River client that runs one version of the fleet.
type generation struct {
	service *Service
	fleet   *agent.Fleet
	number  int
	client  *riverClient
}

func newGeneration(s *Service, fleet *agent.Fleet, number int) (*generation, error) {
	g := &generation{service: s, fleet: fleet, number: number}
	workers := river.NewWorkers()
	for _, spec := range fleet.Agents {
		river.AddWorkerArgs(workers, jobArgs{kind: spec.Name}, &worker{service: s, spec: spec, client: clientID(s.id, number)})
	}
	client, err := river.NewClient(riversqlite.New(s.db.Write), &river.Config{
		ID:                   clientID(s.id, number),
		Queues:               queuesOf(fleet),
		Workers:              workers,
		FetchCooldown:        fetchCooldown,
		FetchPollInterval:    fetchPoll,
		FetchOnlyKnownKinds:  true,
		JobTimeout:           -1, // agent.Run keeps the agent's own
		RescueStuckJobsAfter: never,
		RetryPolicy:          g,
		ErrorHandler:         g,
		ReindexerIndexNames:  []string{},
		Logger:               riverLogger(s.log),
	})
	if err != nil {
		return nil, fmt.Errorf("set up the job queue for %s: %w", fleet.Path, err)
	}
	g.client = client
	return g, nil
}

func (g *generation) start() error { return g.client.Start(context.Background()) }

// stop fetches nothing more and waits for the attempts under way: patiently as long as the service is, then it tells
// them to end and waits as long as the service lives.
func (g *generation) stop() {
	if g.client.Stop(g.service.patient) != nil {
		_ = g.client.StopAndCancel(g.service.life) // its error is that of life
	}
}

// NextRetry is when a failed job is tried again: the agent's own backoff.
func (g *generation) NextRetry(job *rivertype.JobRow) time.Time {
	backoff := agent.DefaultBackoff
	if spec := g.fleet.Agent(job.Kind); spec != nil {
		backoff = spec.Backoff
	}
	return time.Now().Add(backoff.Delay(job.Attempt))
}

func queuesOf(fleet *agent.Fleet) map[string]river.QueueConfig {
	queues := map[string]river.QueueConfig{}
	total := 0
	for _, spec := range fleet.Agents {
		total += spec.Concurrency
	}
	queues[river.QueueDefault] = river.QueueConfig{MaxWorkers: max(1, min(total, defaultSlots))}
	for _, q := range fleet.Queues {
		queues[q.Name] = river.QueueConfig{MaxWorkers: q.Concurrency}
	}
	return queues
}

func limitsOf(fleet *agent.Fleet) map[string]int {
	limits := map[string]int{}
	for _, spec := range fleet.Agents {
		limits[spec.Name] = spec.Concurrency
	}
	return limits
}

// clientID names a generation of a worker where River writes who attempted a job.
func clientID(worker string, generation int) string { return fmt.Sprintf("%s@%d", worker, generation) }

// workerOf returns the worker of a River client's id; false when the client is not one of ours.
func workerOf(client string) (string, bool) {
	worker, _, ours := strings.Cut(client, "@")
	if !ours || !strings.HasPrefix(worker, workerPrefix) {
		return "", false
	}
	return worker, true
}
