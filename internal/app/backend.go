package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/attach"
	"github.com/agentos/agentos/internal/config"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/redact"
	"github.com/agentos/agentos/internal/server"
	"github.com/agentos/agentos/internal/source"
	"github.com/agentos/agentos/internal/worker"
)

// jobsBackend is the jobs that a server shows, and what it does about them: those of a fleet of its own, or another program's.
type jobsBackend struct {
	jobs interface {
		source.Jobs
		server.Jobs
	}
	actions    server.Actions // nil: none
	fleet      server.Fleet   // nil: the agents are not ours
	agents     func() source.Fleet
	engine     func() document.Engine               // see source.Deps; nil: our own River
	attached   func() *document.Attached            // nil: the jobs are our own
	dataAt     func(context.Context) time.Time      // see source.Deps; nil: what is read is of the present
	unmetered  bool                                 // see source.Deps
	components func() map[string]document.Component // nil: none but those every server has
	clocks     func(context.Context) (off map[string]time.Duration, here time.Duration, err error)
	writeError func() error // why our own database takes no writes; nil when it does
	start      func(context.Context, *errgroup.Group) error
	drain      func() error
	attempts   func() int // how many this process may run at once
	close      func() error
	title      string // for the line that says what is served
}

// ownFleet runs the agents of the fleet's file.
func ownFleet(ctx context.Context, cfg *config.Config, log *slog.Logger, keeper *fleetKeeper, database *schema, cutOff func(context.Context) bool, notify func(engine.Event)) (*jobsBackend, error) {
	service, err := newJobs(ctx, cfg, log, database, keeper, cutOff, notify)
	if err != nil {
		return nil, err
	}
	return &jobsBackend{
		jobs: service, actions: service, fleet: service, agents: keeper.Fleet, clocks: service.Clocks, writeError: service.WriteError,
		start: func(ctx context.Context, group *errgroup.Group) error {
			group.Go(func() error { keeper.Run(ctx, service, notify); return nil })
			return service.Start(ctx)
		},
		drain:    func() error { return drain(service, cfg.Drain) },
		attempts: service.Slots,
		close:    func() error { return nil },
		title:    DescribeFleet(keeper.Fleet().Fleet),
	}, nil
}

// reader shows the jobs of another program.
type reader interface {
	source.Jobs
	server.Jobs
	About() engine.Info
	Fleet() *agent.Fleet
	DataAt(ctx context.Context) time.Time
	Run(ctx context.Context) error // from when our own database can be used
}

// othersJobs is what all backends have in common that run no jobs.
func othersJobs(service reader, database *schema) *jobsBackend {
	began := time.Now()
	return &jobsBackend{
		jobs:       service,
		agents:     func() source.Fleet { return source.Fleet{Fleet: service.Fleet(), LoadedAt: began} },
		engine:     func() document.Engine { return describeEngine(service.About()) },
		dataAt:     service.DataAt,
		writeError: func() error { return nil },
		start: func(ctx context.Context, group *errgroup.Group) error {
			group.Go(func() error {
				select {
				case <-database.done:
					return service.Run(ctx)
				case <-ctx.Done():
					return nil
				}
			})
			return nil
		},
		drain:    func() error { return nil },
		attempts: func() int { return 0 },
	}
}

// attachedJobs shows another program's River database.
func attachedJobs(cfg *config.Config, log *slog.Logger, database *schema, lead func() bool, notify func(engine.Event)) (*jobsBackend, error) {
	reads := cfg.Attach
	if cfg.AttachReplica != "" {
		reads = cfg.AttachReplica
	}
	foreign, err := db.Attach(reads, cfg.AttachSchema, log)
	if err != nil {
		return nil, config.ValidationErrors{fmt.Sprintf("attach: %v", err)}
	}
	closeAll := foreign.Close
	var primary *db.DB
	if cfg.AttachReplica != "" {
		if primary, err = db.Attach(cfg.Attach, cfg.AttachSchema, log); err != nil {
			return nil, config.ValidationErrors{fmt.Sprintf("attach: %v", errors.Join(err, foreign.Close()))}
		}
		closeAll = func() error { return errors.Join(foreign.Close(), primary.Close()) }
	}
	service, err := attach.New(attach.Options{Foreign: foreign, Primary: primary, Own: database.DB, Interval: cfg.Interval, OnEvent: notify, Lead: lead, Log: log, Redact: redact.New(cfg.Redact)})
	if err != nil {
		return nil, errors.Join(err, closeAll())
	}
	s := othersJobs(service, database)
	s.attached = func() *document.Attached { return describeAttached(service, foreign.URL, cfg.AttachActions) }
	s.components = func() map[string]document.Component {
		return map[string]document.Component{"attached": attachedHealth(service, foreign)}
	}
	s.clocks = service.Clocks
	s.close = func() error { service.Close(); return closeAll() }
	s.title = "attached to " + foreign.URL + ", which is only read"
	if cfg.AttachActions {
		actions, err := attach.NewActions(service, cfg.Attach, cfg.AttachSchema, log)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("attach: %w", err), closeAll())
		}
		s.actions = actions
		s.close = func() error { service.Close(); return errors.Join(actions.Close(), closeAll()) }
		s.title = "attached to " + foreign.URL + ", where users may retry, cancel, delete and pause"
	}
	return s, nil
}

func describeAttached(service *attach.Service, url string, actions bool) *document.Attached {
	found, progress := service.Source(), service.Progress()
	a := &document.Attached{
		Database: url, Schema: found.Schema, SchemaVersion: found.SchemaVersion, Actions: actions, Missing: found.Missing, Kinds: new(service.Kinds()),
		History: &document.History{Done: progress.Done, Jobs: progress.Jobs, Percent: float64(int(progress.Share*1000)) / 10},
	}
	if a.Missing == nil {
		a.Missing = []string{}
	}
	ctx, cancel := context.WithTimeout(context.Background(), databaseTimeout)
	defer cancel()
	if standing, err := service.Standing(ctx); err == nil && standing.Replica {
		behind := math.Round(standing.Behind(time.Now()).Seconds()*10) / 10
		a.BehindS = &behind
	}
	a.History.KnownFrom, a.History.Oldest = known(progress.KnownFrom), known(progress.Oldest)
	if err := service.Trouble(); err != nil {
		text := err.Error()
		a.Error = &text
	}
	return a
}

func known(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	utc := at.UTC()
	return &utc
}

// attachedHealth is down when the attached database cannot be read.
func attachedHealth(service *attach.Service, foreign *db.DB) document.Component {
	ctx, cancel := context.WithTimeoutCause(context.Background(), databaseTimeout, fmt.Errorf("no answer within %v", databaseTimeout))
	defer cancel()
	began := time.Now()
	if err := service.Ready(ctx); err != nil {
		return document.Component{Status: document.ComponentDown, Detail: err.Error()}
	}
	if err := service.Trouble(); err != nil {
		return document.Component{Status: document.ComponentDegraded, Detail: err.Error()}
	}
	if standing, err := service.Standing(ctx); err == nil {
		if late := lateReplica(standing, time.Now()); late != "" {
			return document.Component{Status: document.ComponentDegraded, Detail: late}
		}
	}
	took := float64(time.Since(began).Microseconds()) / 1000
	return document.Component{Status: document.ComponentOK, Detail: foreign.Describe(), TookMS: &took}
}

// replicaLate is how far a replica may be behind before that is reported.
const replicaLate = 10 * time.Second

// lateReplica says how far a replica is behind and why; empty when it follows, or is none.
func lateReplica(s attach.Standing, now time.Time) string {
	behind := s.Behind(now)
	switch {
	case !s.Replica || behind < replicaLate && !s.Paused:
		return ""
	case !s.Known:
		return fmt.Sprintf("the replica may be %v behind: %s", behind.Round(time.Second), s.Reason)
	}
	return fmt.Sprintf("the replica is %v behind: %s", behind.Round(time.Second), s.Reason)
}

// drain stops fetching jobs and waits for the running attempts; what has not ended by then goes back to the queue.
func drain(service *worker.Service, timeout time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), timeout, errors.New("the drain time is over"))
	defer cancel()
	return service.Stop(ctx)
}
