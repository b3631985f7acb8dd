package observe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/paced"
	"github.com/agentos/agentos/internal/rollup"
)

// Options are what a Service is made of. Fields without "nil:" are required.
type Options struct {
	Open     func(context.Context) (engine.Engine, error) // connects; called again until it works
	About    engine.Info                                  // what is known of the engine before it answers
	Own      *db.DB                                       // migrated before Run is called; holds the sums
	Interval time.Duration                                // how often the engine is read

	OnEvent func(engine.Event) // is called for what happens; nil: nobody is
	Lead    func() bool        // whether this process is the one that follows; nil: yes
	Log     *slog.Logger       // nil: discard
}

// Service reads another program's engine. Its methods may be called concurrently.
type Service struct {
	*rollup.Store

	open     func(context.Context) (engine.Engine, error)
	about    engine.Info
	ledger   *ledger
	interval time.Duration
	notify   func(engine.Event)
	lead     func() bool
	log      *slog.Logger

	refresher *paced.Refresher
	connected paced.Answer[*connection]
	snapshot  paced.Answer[engine.Snapshot]
	sampled   paced.Answer[[]engine.Failure]
	byQueue   paced.Answer[map[string]rollup.EndedOf]

	mu       sync.Mutex // guards the rest
	link     *connection
	since    time.Time // everything that ended since is in the sums or in a gap; zero: not known yet
	upTo     time.Time // and before
	followed error     // why what ended cannot be followed at the moment
}

// connection is an engine that answered.
type connection struct {
	engine.Engine
	engine.Info
}

// New makes a service. It asks nobody yet.
func New(opts Options) (*Service, error) {
	if opts.Open == nil || opts.Own == nil || opts.Interval <= 0 {
		return nil, errors.New("observe: Options.Open, Own and Interval are needed")
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.OnEvent == nil {
		opts.OnEvent = func(engine.Event) {}
	}
	if opts.Lead == nil {
		opts.Lead = func() bool { return true }
	}
	rollups := rollup.New(opts.Own)
	s := &Service{
		Store: rollups, open: opts.Open, about: opts.About, ledger: &ledger{db: opts.Own, rollups: rollups},
		interval: opts.Interval, notify: opts.OnEvent, lead: opts.Lead, log: opts.Log, refresher: paced.NewRefresher(askTimeout),
	}
	rollups.Recorded = s.recordedFrom
	return s, nil
}

// Close ends what is asked in the background, and the connection. The database is the caller's.
func (s *Service) Close() {
	s.refresher.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link != nil {
		s.link.Close()
		s.link = nil
	}
}

// connect returns the engine, connecting to it if need be.
func (s *Service) connect(ctx context.Context) (*connection, error) {
	s.mu.Lock()
	link := s.link
	s.mu.Unlock()
	if link != nil {
		return link, nil
	}
	found, _, err := s.connected.Get(ctx, s.refresher, s.interval/2, 0, func(ctx context.Context) (*connection, error) {
		opened, err := s.open(ctx)
		if err != nil {
			return nil, err
		}
		info, err := opened.Probe(ctx)
		if err != nil {
			opened.Close()
			return nil, err
		}
		s.log.Info("attached", "engine", info.Engine, "version", info.Version, "where", info.Where)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.link = &connection{opened, info}
		return s.link, nil
	})
	return found, err
}

// About is the engine as it was found, or as it is known before.
func (s *Service) About() engine.Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link == nil {
		return s.about
	}
	return s.link.Info
}

// Unreadable is why the engine could not be read the last time; nil when it could.
func (s *Service) Unreadable() error {
	_, err := s.snapshot.Tried()
	return err
}

// Problems is what of the engine could not be read, in sentences.
func (s *Service) Problems() []string {
	found := s.snapshot.Last()
	all := append([]string{}, found.Problems...)
	for what, n := range map[string]int64{"queues": found.MoreQueue, "workers": found.MoreWork} {
		if n > 0 {
			all = append(all, fmt.Sprintf("%d more %s than are read at a time", n, what))
		}
	}
	slices.Sort(all)
	return all
}

// Trouble is why the engine cannot be read at the moment; nil when it can.
func (s *Service) Trouble() error {
	if err := s.Unreadable(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.followed
}

// Took is how long the last snapshot took.
func (s *Service) Took() time.Duration {
	took, _ := s.snapshot.Tried()
	return took
}

// KnownFrom is since when everything that ended is known; zero: nothing is yet.
func (s *Service) KnownFrom() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.since
}

// DataAt is when the snapshot was taken that the sections show; zero: there is none.
func (s *Service) DataAt(ctx context.Context) time.Time {
	_, at, _ := s.stand(ctx)
	return at
}

// askTimeout bounds what is asked in the background.
const askTimeout = 10 * time.Second

// budget bounds a snapshot. A tenth of the queues that are listed is read anew each time.
var budget = engine.Budget{Queues: 1000, Workers: 1000, Running: 200}

// stand is how the engine stands, and since when.
func (s *Service) stand(ctx context.Context) (engine.Snapshot, time.Time, error) {
	return s.snapshot.Get(ctx, s.refresher, s.interval/2, 0, func(ctx context.Context) (engine.Snapshot, error) {
		e, err := s.connect(ctx)
		if err != nil {
			return engine.Snapshot{}, unavailable(err)
		}
		found, err := e.Snapshot(ctx, budget)
		return found, unavailable(err)
	})
}

// unavailable says that the engine cannot be read, in the words of the reason.
func unavailable(err error) error {
	if err == nil || errors.Is(err, engine.ErrUnavailable) {
		return err
	}
	return engine.ErrorOf(engine.ErrUnavailable, "%v", err)
}
