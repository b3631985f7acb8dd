package attach

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river"
	"github.com/agentos/agentos/internal/engine/river/ends"
	"github.com/agentos/agentos/internal/paced"
	"github.com/agentos/agentos/internal/redact"
	"github.com/agentos/agentos/internal/rollup"
)

// Options are what a Service is made of. Fields without "nil:" are required.
type Options struct {
	Foreign  *db.DB        // as db.Attach opens it, maybe a replica
	Own      *db.DB        // migrated before Run is called; holds the sums
	Primary  *db.DB        // of Foreign, when that is a replica; it is asked how far its log is, and nothing else; nil: nobody is
	Interval time.Duration // how often what is new is read

	OnEvent func(engine.Event) // is called for what happens; nil: nobody is
	Lead    func() bool        // whether this process is the one to read what is new; nil: yes
	Log     *slog.Logger       // nil: discard
	Redact  *redact.Rules      // what is a secret; nil: what always is
}

// Service reads another program's River tables. Its methods may be called concurrently.
type Service struct {
	*river.Table
	*rollup.Store

	foreign  *db.DB
	primary  *db.DB // or nil
	redact   *redact.Rules
	sql      *dialect
	ends     *ends.Reader
	ledger   *ledger
	interval time.Duration
	notify   func(engine.Event)
	lead     func() bool
	log      *slog.Logger
	now      func() time.Time // time.Now, but in tests

	refresher *paced.Refresher
	standing  standing
	waiting   waiting
	running   running
	kinds     kinds
	created   created
	clients   clients
	latest    latest
	fails     failures

	mu       sync.Mutex // guards the rest
	source   Source
	progress Progress
	trouble  error // why what is new could not be read
	live     *live
	asked    time.Duration // what the step under way cost the attached database; used by Run alone
	fleet    *agent.Fleet  // the kinds, as found last
	upTo     time.Time     // every job that ended before is in the sums
}

// New makes a service. It asks no database yet.
func New(opts Options) (*Service, error) {
	if opts.Foreign == nil || opts.Own == nil || opts.Interval <= 0 {
		return nil, errors.New("attach: Options.Foreign, Own and Interval are needed")
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
		Table: river.NewTable(opts.Foreign, opts.Redact), redact: opts.Redact, Store: rollups,
		foreign: opts.Foreign, primary: opts.Primary, sql: dialectOf(opts.Foreign.Kind), ends: ends.NewReader(opts.Foreign, opts.Redact), ledger: &ledger{db: opts.Own, rollups: rollups},
		interval: opts.Interval, notify: opts.OnEvent, lead: opts.Lead, log: opts.Log, now: time.Now, refresher: paced.NewRefresher(askTimeout),
	}
	rollups.Recorded = s.recordedFrom
	return s, nil
}

// recordedFrom is since when every job that ended is in the sums: nothing is, before the first step.
func (s *Service) recordedFrom(context.Context) (time.Time, error) {
	if from := s.Progress().KnownFrom; !from.IsZero() {
		return from, nil
	}
	return s.now(), nil
}

// Close ends what is asked in the background. The databases are the caller's.
func (s *Service) Close() { s.refresher.Close() }

// Run reads what is new until ctx ends, and meanwhile what ended before, from the newest to the oldest. It begins as soon as
// both databases can be used.
func (s *Service) Run(ctx context.Context) error {
	for {
		err := s.begin(ctx)
		if err == nil {
			break
		}
		if errors.Is(err, rollup.ErrOtherSource) {
			return err
		}
		s.note(err)
		if !paced.Pause(ctx, s.interval) {
			return nil
		}
	}
	var filling sync.WaitGroup
	filling.Go(func() { s.fill(ctx) })
	defer filling.Wait()
	var ended paced.Cost
	for {
		began := time.Now()
		s.asked = 0
		err := s.step(ctx)
		s.note(err)
		wait := s.interval
		if err == nil {
			wait = max(wait, ended.Backoff(s.asked, shareEnded))
		}
		wait -= time.Since(began)
		if !paced.Pause(ctx, max(wait, 0)) {
			return nil
		}
	}
}

// begin makes sure that the source is one that can be read, and that the sums are its own.
func (s *Service) begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	source, err := s.inspect(ctx)
	if err != nil {
		return err
	}
	if err := s.ledger.open(ctx, source.identity, s.foreign.URL); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.source = source
	s.log.Info("attached", "database", s.foreign.URL, "river_schema", source.SchemaVersion, "missing", source.Missing)
	return nil
}

// note keeps what went wrong, and logs it when that changes.
func (s *Service) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil && errors.Is(err, context.Canceled):
		return
	case err != nil && (s.trouble == nil || s.trouble.Error() != err.Error()):
		s.log.Warn("the attached database cannot be read", "database", s.foreign.URL, "error", err)
	case err == nil && s.trouble != nil:
		s.log.Info("the attached database can be read again", "database", s.foreign.URL)
	}
	s.trouble = err
}

// Ready is an error while the attached database cannot be read.
func (s *Service) Ready(ctx context.Context) error { return s.foreign.Ping(ctx) }

// Trouble is why new jobs cannot be read at the moment; nil when they can.
func (s *Service) Trouble() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble
}

// RollupsCompleteTo returns the time before which every job that ended is in the sums, except for what lies before
// Progress.KnownFrom.
func (s *Service) RollupsCompleteTo(context.Context) (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.upTo.IsZero() && s.trouble != nil:
		return time.Time{}, engine.WrapDB("read the ended jobs", s.trouble)
	case s.upTo.IsZero():
		return time.Time{}, fmt.Errorf("%w: the ended jobs are not read yet", engine.ErrUnavailable)
	}
	return s.upTo, nil
}

// NextRun is nil: River's periodic jobs are known to the clients that insert them alone.
func (s *Service) NextRun(string) *time.Time { return nil }

// Source is the attached database, as it was found; zero until it could be read.
func (s *Service) Source() Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.source
}

// Kinds is how many kinds of jobs there are.
func (s *Service) Kinds() int { return len(s.Fleet().Agents) }
