package worker

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river"
	"github.com/agentos/agentos/internal/fetch"
	"github.com/agentos/agentos/internal/redact"
	"github.com/agentos/agentos/internal/riverlog"
	"github.com/agentos/agentos/internal/rollup"
	"github.com/agentos/agentos/internal/runlog"
	"github.com/agentos/agentos/internal/runner"
	"github.com/agentos/agentos/internal/schedule"
)

// Options are what a Service is made of.
type Options struct {
	DB      *db.DB
	Fleet   *agent.Fleet
	DataDir string        // holds the workers' lock files and the agents' work folders; needed by a service that runs attempts
	Version string        // of this binary, shown beside the worker
	Log     *slog.Logger  // nil discards
	Redact  *redact.Rules // what is a secret; nil: what always is
	// OnEvent is called for what happens, in this process or, on Postgres, as any River client announces what it inserts. It is called
	// from many goroutines and must return at once. Nil: nobody is.
	OnEvent func(engine.Event)
	// Agents names those of the fleet whose attempts this process runs. Nil means all. Empty means none: the process then is
	// no worker, but keeps the schedule, sums up what ended, and gives the jobs of dead workers back.
	Agents []string
	// KeepLogs and KeepRuns are how many bytes of log lines, and of runs with their results, are kept at most. Zero means the defaults.
	KeepLogs, KeepRuns int64
	// MaxProcesses is how many attempts of all agents together this process may run at once. Zero: as many as their queues allow.
	MaxProcesses int
	NoWork       bool // insert, act and read only; Start then does nothing
	// Ready is called before the database is used by Start, again until it succeeds: it may migrate. Nil means that the
	// database is ready.
	Ready func(context.Context) error
	// CutOff is asked, on Postgres, when this process cannot reach the database: whether others can. If so its attempts are
	// ended, because their jobs will be given to other workers. It has a second to answer. Nil means yes.
	CutOff func(context.Context) bool
	// Run makes an attempt; nil means by an runner.Runner of this service. It is for programs that run attempts some other way, and for measuring.
	Run func(context.Context, runner.Attempt) (runner.Result, error)
}

// Service is the fleet on its queue. Its methods may be called concurrently.
type Service struct {
	*river.Reader

	db           *db.DB
	redact       *redact.Rules
	dataDir      string
	version      string
	log          *slog.Logger
	notify       func(engine.Event)
	only         []string // as in Options.Agents
	noWork       bool
	maxProcesses int // zero: no bound
	ready        func(context.Context) error
	cutOff       func(context.Context) bool
	run          func(context.Context, runner.Attempt) (runner.Result, error)
	ownRun       bool // run is runner's
	runner       *runner.Runner

	queue    river.Client // inserts and acts; runs nothing
	actor    *river.Actor
	fleet    atomic.Pointer[agent.Fleet]
	current  atomic.Pointer[generation] // nil until attempts can run
	gate     *fetch.Gate
	fetcher  *fetch.Fetcher
	active   *activeSet
	logs     *runlog.Book
	sweeper  *runlog.Sweeper
	schedule *schedule.Keeper
	health   health

	lacks     atomic.Pointer[map[string]string] // why agents cannot run here, by agent
	heartbeat heartbeat
	watch     watch // used by the upkeep loop alone, once it runs

	id    string // of this worker; empty when this process is none
	done  atomic.Int64
	ended chan struct{}

	// Each is closed once, by the function beside it. When the first is, the others are too.
	gone       <-chan struct{} // everything in the background gives up
	giveUp     context.CancelFunc
	drainOver  <-chan struct{} // attempts may no longer end by themselves
	endDrain   context.CancelFunc
	loopsOver  <-chan struct{} // the loops end
	stopLoops  context.CancelFunc
	startsOver <-chan struct{} // no more tries to begin
	stopStarts context.CancelFunc

	mu          sync.Mutex // guards what follows and serializes beginning, Reload and Stop
	lock        *workerLock
	state       state
	generations sync.WaitGroup // those being stopped
	loops       sync.WaitGroup
}

type state int

const (
	stateNew       state = iota
	stateBeginning       // started, but the database could not be used yet
	stateRunning
	stateDraining
	stateStopped
)

// New makes a service. It uses no database before Start; that of SQLite must be migrated.
func New(ctx context.Context, opts Options) (*Service, error) {
	if opts.Fleet == nil {
		opts.Fleet = &agent.Fleet{}
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	attempts, ownRun := runner.New(), opts.Run == nil
	if ownRun {
		opts.Run = attempts.Run
	}
	if opts.OnEvent == nil {
		opts.OnEvent = func(engine.Event) {}
	}
	if opts.Ready == nil {
		opts.Ready = func(context.Context) error { return nil }
	}
	if err := checkOnly(opts.Agents, opts.Fleet); err != nil {
		return nil, err
	}
	s := &Service{
		db: opts.DB, redact: opts.Redact, dataDir: opts.DataDir, version: opts.Version, log: opts.Log,
		notify: opts.OnEvent, only: opts.Agents, noWork: opts.NoWork, maxProcesses: opts.MaxProcesses, ready: opts.Ready, cutOff: opts.CutOff, run: opts.Run, ownRun: ownRun, runner: attempts,
		active: newActiveSet(), watch: watch{orphans: map[int64]*orphan{}}, ended: make(chan struct{}, 1),
	}
	if !opts.NoWork && (opts.Agents == nil || len(opts.Agents) > 0) {
		s.id = newWorkerID()
	}
	s.gate = fetch.NewGate(opts.MaxProcesses, s.wake)
	s.health.log = opts.Log
	lifeCtx, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	drainCtx, endDrain := context.WithCancel(lifeCtx)
	loopCtx, stopLoops := context.WithCancel(lifeCtx)
	startCtx, stopStarts := context.WithCancel(lifeCtx)
	s.gone, s.giveUp, s.drainOver, s.endDrain = lifeCtx.Done(), giveUp, drainCtx.Done(), endDrain
	s.loopsOver, s.stopLoops, s.startsOver, s.stopStarts = loopCtx.Done(), stopLoops, startCtx.Done(), stopStarts
	s.fleet.Store(opts.Fleet)
	s.logs = runlog.New(s.db, s.health.report, func(lines bool) {
		if lines {
			s.notify(engine.RunLogged)
		} else {
			s.notify(engine.RunProgressed)
		}
	})
	sums := rollup.New(s.db)
	s.sweeper = runlog.NewSweeper(s.db, sums, newWorkerID(), opts.KeepLogs, opts.KeepRuns)
	s.Reader = river.NewReader(s.db, s.redact, sums, s.Fleet, s.sweeper.LogsKept())
	actor, err := river.NewActor(s.db, "", s.redact, riverlog.New(s.log))
	if err != nil {
		return nil, err
	}
	s.actor, s.queue = actor, actor.Client()
	s.fetcher = fetch.NewFetcher(s.db, s.actor, s.gate, s.health.report)
	s.schedule = schedule.NewKeeper(s.db, s.queue, newWorkerID(), s.log, func() { s.notify(engine.JobEnqueued) })
	return s, nil
}

// Fleet returns the fleet in force.
func (s *Service) Fleet() *agent.Fleet { return s.fleet.Load() }

// Worker returns the id of this process in the list of workers; empty when it runs no attempts.
func (s *Service) Worker() string { return s.id }

// NextRun returns when an agent is due by its schedule; nil when it has none, or before Start.
func (s *Service) NextRun(agent string) *time.Time { return s.schedule.NextRun(agent) }

// contextUntil returns a context that ends when a channel is closed.
func contextUntil(closed <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	if isClosed(closed) {
		cancel()
		return ctx, cancel
	}
	go func() { // until either
		select {
		case <-closed:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

func isClosed(channel <-chan struct{}) bool {
	select {
	case <-channel:
		return true
	default:
		return false
	}
}

// WaitRunLogs is RunLogs that waits for a line or the end of the run, until ctx is done; then it returns no lines and no
// error.
func (s *Service) WaitRunLogs(ctx context.Context, run engine.ID, after int64, limit int) ([]engine.LogLine, bool, error) {
	return s.logs.WaitRunLogs(ctx, s.RunLogs, run, after, limit)
}
