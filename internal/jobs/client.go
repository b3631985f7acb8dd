package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
)

const (
	fetchCooldown = 10 * time.Millisecond // bounds a queue to concurrency / cooldown jobs a second
	// fetchPoll is how late a job is noticed whose insert was not announced, see lookForJobs.
	fetchPoll = 500 * time.Millisecond
	// defaultSlots bounds River's "default" queue, where other River clients put jobs that name no queue.
	defaultSlots = 32
	// never replaces River's rescue of stuck jobs, which discards jobs of agents it does not know; ours is in reap.go.
	never = 10 * 365 * 24 * time.Hour
)

// queueClient is what we use of River's client, whose type depends on the database.
type queueClient interface {
	Insert(ctx context.Context, args river.JobArgs, opts *river.InsertOpts) (*rivertype.JobInsertResult, error)
	InsertTx(ctx context.Context, tx *db.Tx, args river.JobArgs, opts *river.InsertOpts) (*rivertype.JobInsertResult, error)
	InsertManyTx(ctx context.Context, tx *db.Tx, params []river.InsertManyParams) ([]*rivertype.JobInsertResult, error)
	JobGetTx(ctx context.Context, tx *db.Tx, id int64) (*rivertype.JobRow, error)
	JobRetryTx(ctx context.Context, tx *db.Tx, id int64) (*rivertype.JobRow, error)
	JobCancelTx(ctx context.Context, tx *db.Tx, id int64) (*rivertype.JobRow, error)
	JobDeleteTx(ctx context.Context, tx *db.Tx, id int64) (*rivertype.JobRow, error)
	QueueGet(ctx context.Context, name string) (*rivertype.Queue, error)
	QueuePauseTx(ctx context.Context, tx *db.Tx, name string, opts *river.QueuePauseOpts) error
	QueueResumeTx(ctx context.Context, tx *db.Tx, name string, opts *river.QueuePauseOpts) error
	// NotifyTx sends River's processes payloads on one of its topics.
	NotifyTx(ctx context.Context, tx *db.Tx, topic string, payloads []string) error
	// SetStateTx moves jobs that run to another state.
	SetStateTx(ctx context.Context, tx *db.Tx, params *riverdriver.JobSetStateIfRunningManyParams) ([]*rivertype.JobRow, error)
	// FetchTx moves available jobs of a queue to a worker.
	FetchTx(ctx context.Context, tx *db.Tx, params *riverdriver.JobGetAvailableParams) (*riverdriver.JobGetAvailableResult, error)
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
	Subscribe(kinds ...river.EventKind) (<-chan *river.Event, func())
	ID() string
}

// newQueueClient makes River's client for a database. The pilot is for one that runs jobs; nil for others.
func newQueueClient(d *db.DB, p *pilot, config *river.Config) (queueClient, error) {
	if d.Kind == db.Postgres {
		return newClientOn(riverpgxv5.New(d.Pool), p, (*db.Tx).Postgres, config)
	}
	return newClientOn(riversqlite.New(d.Write), p, (*db.Tx).SQLite, config)
}

// clientOn is the queueClient of a database whose transactions are of type T.
type clientOn[T any] struct {
	*river.Client[T]
	river func(*db.Tx) T
}

func newClientOn[T any](on riverdriver.Driver[T], p *pilot, rivers func(*db.Tx) T, config *river.Config) (queueClient, error) {
	if p != nil {
		on = &riverDriver[T]{on, p}
	}
	client, err := river.NewClient(on, config)
	if err != nil {
		return nil, err
	}
	return &clientOn[T]{client, rivers}, nil
}

func (c *clientOn[T]) InsertTx(ctx context.Context, tx *db.Tx, args river.JobArgs, opts *river.InsertOpts) (*rivertype.JobInsertResult, error) {
	return c.Client.InsertTx(ctx, c.river(tx), args, opts)
}

func (c *clientOn[T]) InsertManyTx(ctx context.Context, tx *db.Tx, params []river.InsertManyParams) ([]*rivertype.JobInsertResult, error) {
	return c.Client.InsertManyTx(ctx, c.river(tx), params)
}

func (c *clientOn[T]) JobGetTx(ctx context.Context, tx *db.Tx, id int64) (*rivertype.JobRow, error) {
	return c.Client.JobGetTx(ctx, c.river(tx), id)
}

func (c *clientOn[T]) JobRetryTx(ctx context.Context, tx *db.Tx, id int64) (*rivertype.JobRow, error) {
	return c.Client.JobRetryTx(ctx, c.river(tx), id)
}

func (c *clientOn[T]) JobCancelTx(ctx context.Context, tx *db.Tx, id int64) (*rivertype.JobRow, error) {
	return c.Client.JobCancelTx(ctx, c.river(tx), id)
}

func (c *clientOn[T]) JobDeleteTx(ctx context.Context, tx *db.Tx, id int64) (*rivertype.JobRow, error) {
	return c.Client.JobDeleteTx(ctx, c.river(tx), id)
}

func (c *clientOn[T]) QueuePauseTx(ctx context.Context, tx *db.Tx, name string, opts *river.QueuePauseOpts) error {
	return c.Client.QueuePauseTx(ctx, c.river(tx), name, opts)
}

func (c *clientOn[T]) QueueResumeTx(ctx context.Context, tx *db.Tx, name string, opts *river.QueuePauseOpts) error {
	return c.Client.QueueResumeTx(ctx, c.river(tx), name, opts)
}

func (c *clientOn[T]) NotifyTx(ctx context.Context, tx *db.Tx, topic string, payloads []string) error {
	return c.Driver().UnwrapExecutor(c.river(tx)).NotifyMany(ctx, &riverdriver.NotifyManyParams{Topic: topic, Payload: payloads, Schema: c.Schema()})
}

func (c *clientOn[T]) SetStateTx(ctx context.Context, tx *db.Tx, params *riverdriver.JobSetStateIfRunningManyParams) ([]*rivertype.JobRow, error) {
	return c.Pilot().JobSetStateIfRunningMany(ctx, c.Driver().UnwrapExecutor(c.river(tx)), params)
}

func (c *clientOn[T]) FetchTx(ctx context.Context, tx *db.Tx, params *riverdriver.JobGetAvailableParams) (*riverdriver.JobGetAvailableResult, error) {
	return c.Driver().UnwrapExecutor(c.river(tx)).JobGetAvailable(ctx, params)
}

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
func newInserter(s *Service) (queueClient, error) {
	client, err := newQueueClient(s.db, nil, &river.Config{
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
	client  queueClient
	idle    bool // no agent can run here: River starts no client that has nothing to do
	pilot   *pilot
	serves  map[string]bool // its queues
}

func newGeneration(s *Service, fleet *agent.Fleet, number int) (*generation, error) {
	g := &generation{service: s, fleet: fleet, number: number, pilot: &pilot{service: s}, serves: map[string]bool{}}
	workers := river.NewWorkers()
	part := s.mine(fleet)
	for _, spec := range part.Agents {
		river.AddWorkerArgs(workers, jobArgs{kind: spec.Name}, &worker{service: s, spec: spec, client: clientID(s.id, number)})
	}
	queues := queuesOf(part)
	for name := range queues {
		g.serves[name] = true
	}
	client, err := newQueueClient(s.db, g.pilot, &river.Config{
		ID:                   clientID(s.id, number),
		Queues:               queues,
		Workers:              workers,
		FetchCooldown:        fetchCooldown,
		FetchPollInterval:    ownPoll,
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
	return time.Now().Add(backoff.Wait(job.Attempt))
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
