package jobs

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
)

// Options are what a Service is made of.
type Options struct {
	DB      *db.DB
	Fleet   *agent.Fleet
	DataDir string       // holds the workers' lock files and the agents' work folders; needed unless NoWork
	Version string       // of this binary, shown beside the worker
	Shim    []string     // argv that runs agent.ShimMain; nil means agent.SelfShim()
	Log     *slog.Logger // nil discards
	// OnChange is told which of "queue", "jobs", "workers", "agents", "logs" and "analytics" changed. It is called from
	// many goroutines and must return at once. Nil tells nobody.
	OnChange func(sections ...string)
	NoWork   bool // insert, act and read only; Start then does nothing
	// Run makes an attempt; nil means agent.Run. It is for programs that run attempts some other way, and for measuring.
	Run func(context.Context, agent.Attempt) (agent.Result, error)
}

// Service is the fleet on its queue. Its methods may be called concurrently.
type Service struct {
	db       *db.DB
	sql      *dialect
	dataDir  string
	version  string
	shim     []string
	log      *slog.Logger
	onChange func(sections ...string)
	noWork   bool
	run      func(context.Context, agent.Attempt) (agent.Result, error)

	queue   queueClient // inserts and acts; runs nothing
	fleet   atomic.Pointer[agent.Fleet]
	current atomic.Pointer[generation] // nil before Start
	limiter *limiter
	active  *activeSet
	logs    *logBook
	today   today
	next    nextRuns
	health  health

	id        string // of this worker; empty before Start
	startedAt time.Time
	done      atomic.Int64
	orphans   map[int64]time.Time // jobs of this worker in nobody's hands, since when; used by the upkeep loop alone
	rolled    atomic.Int64        // unix ms: every run that ended before is in the rollups
	ended     chan struct{}

	life    context.Context // of everything in the background; its end makes them give up
	giveUp  context.CancelFunc
	patient context.Context // ends when attempts may no longer end by themselves
	hurry   context.CancelFunc
	tending context.Context // of the loops
	untend  context.CancelFunc

	mu          sync.Mutex // guards what follows and serializes Start, Reload and Stop
	lock        *workerLock
	state       state
	generations sync.WaitGroup // those being stopped
	loops       sync.WaitGroup
}

type state int

const (
	stateNew state = iota
	stateRunning
	stateDraining
	stateStopped
)

// New makes a service on a migrated database. It runs nothing before Start.
func New(ctx context.Context, opts Options) (*Service, error) {
	if opts.Fleet == nil {
		opts.Fleet = &agent.Fleet{}
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Shim == nil {
		opts.Shim = agent.SelfShim()
	}
	if opts.Run == nil {
		opts.Run = agent.Run
	}
	if opts.OnChange == nil {
		opts.OnChange = func(...string) {}
	}
	s := &Service{
		db: opts.DB, sql: dialectOf(opts.DB.Kind), dataDir: opts.DataDir, version: opts.Version, shim: opts.Shim, log: opts.Log,
		onChange: opts.OnChange, noWork: opts.NoWork, run: opts.Run,
		limiter: newLimiter(), active: newActiveSet(), orphans: map[int64]time.Time{}, ended: make(chan struct{}, 1),
	}
	s.logs = newLogBook(s)
	s.health.log = opts.Log
	s.life, s.giveUp = context.WithCancel(context.WithoutCancel(ctx))
	s.patient, s.hurry = context.WithCancel(s.life)
	s.tending, s.untend = context.WithCancel(s.life)
	s.fleet.Store(opts.Fleet)
	queue, err := newInserter(s)
	if err != nil {
		return nil, err
	}
	s.queue = queue
	return s, nil
}

// Fleet returns the fleet in force.
func (s *Service) Fleet() *agent.Fleet { return s.fleet.Load() }

// Worker returns the id of this process in the list of workers; empty before Start.
func (s *Service) Worker() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// Start begins to run attempts. First it gives the jobs of workers that died back to the queue. It goes on until Stop,
// also when ctx ends.
func (s *Service) Start(ctx context.Context) error {
	if s.noWork {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateNew {
		return errors.New("jobs: started twice")
	}
	s.id, s.startedAt = newWorkerID(), time.Now()
	lock, err := lockWorker(s.dataDir, s.id)
	if err != nil {
		return err
	}
	s.lock = lock
	if err := s.startWork(ctx); err != nil {
		return errors.Join(err, s.signOff(ctx), lock.release())
	}
	s.state = stateRunning
	s.loops.Go(s.logs.run)
	s.loops.Go(s.upkeep)
	s.loops.Go(s.runSchedule)
	s.loops.Go(s.runRollups)
	s.onChange("workers", "queue", "agents")
	return nil
}

// startWork makes this worker known before River can name it in a job, and clears what dead workers left first, so that
// the lease of a dead leader does not hold back this one.
func (s *Service) startWork(ctx context.Context) error {
	fleet := s.Fleet()
	first, err := newGeneration(s, fleet, 1)
	if err != nil {
		return err
	}
	if err := s.beat(ctx, "active"); err != nil {
		return explain("register this worker", err)
	}
	if err := s.reap(ctx); err != nil {
		return explain("take over the jobs of dead workers", err)
	}
	if err := s.loadSchedule(ctx, fleet); err != nil {
		return explain("load the schedule", err)
	}
	s.limiter.setLimits(limitsOf(fleet))
	if err := first.start(); err != nil {
		return explain("start the job queue", err)
	}
	s.current.Store(first)
	return nil
}

// Stop fetches no more jobs and lets the running attempts end until ctx is done; then it stops them, and their jobs go
// back to the queue without having used up an attempt. It returns when nothing runs any more.
func (s *Service) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == stateNew {
		s.giveUp()
	}
	if s.state != stateRunning {
		return nil
	}
	s.state = stateDraining
	s.active.drain()
	s.health.report("tell that this worker drains", s.beat(s.life, "draining"))
	s.onChange("workers")
	err := s.stopGenerations(ctx)
	s.untend()
	s.loops.Wait()
	s.wrapUp()
	s.giveUp()
	s.state = stateStopped
	s.onChange("workers", "queue", "jobs", "agents", "analytics", "logs")
	return errors.Join(err, s.lock.release())
}

func (s *Service) stopGenerations(ctx context.Context) error {
	s.generations.Go(s.current.Load().stop)
	stopped := make(chan struct{})
	go func() {
		s.generations.Wait()
		close(stopped)
	}()
	select {
	case <-stopped:
		return nil
	case <-ctx.Done():
	}
	s.log.Info("stopping the attempts that still run", "running", s.active.count(), "cause", context.Cause(ctx))
	s.hurry()
	select {
	case <-stopped:
		return nil
	case <-time.After(s.killPatience()):
	}
	s.giveUp() // ends what only waits for the database, too
	<-stopped
	return errors.New("the ends of some attempts could not be written: the next worker takes their jobs over")
}

// killPatience is how long attempts that were told to stop may take: their own grace, and the writing of their ends.
func (s *Service) killPatience() time.Duration {
	longest := agent.DefaultKillGrace
	for _, spec := range s.Fleet().Agents {
		longest = max(longest, spec.KillGrace)
	}
	return longest + 5*time.Second
}

// wrapUp writes what the loops had not yet: last log lines, the rollups, the end of this worker.
func (s *Service) wrapUp() {
	ctx, cancel := context.WithTimeout(s.life, 3*time.Second)
	defer cancel()
	s.health.report("write the last log lines", s.logs.flush(ctx))
	s.health.report("sum up the last runs", s.rollUpAll(ctx))
	s.health.report("sign off this worker", s.signOff(ctx))
}
