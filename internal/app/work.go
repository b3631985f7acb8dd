package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"golang.org/x/sync/errgroup"

	"github.com/agentos/agentos/internal/config"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/redact"
	"github.com/agentos/agentos/internal/source"
	"github.com/agentos/agentos/internal/worker"
	"github.com/agentos/agentos/snapshot/link"
)

// Work runs agents beside a server on the same database until ctx ends: more hands, no dashboard of its own.
func Work(ctx context.Context, cfg *config.Config, out, logTo io.Writer) (err error) {
	log := NewLogger(logTo, cfg)
	keeper, err := loadFleet(cfg, log)
	if err != nil {
		return err
	}
	database, err := prepareDatabase(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, database.Close()) }()
	fleet := fleetOf(ctx, database)
	links, err := openLinks(ctx, cfg, fleet)
	if err != nil {
		return err
	}
	defer links.close()
	notifier := link.NewNotifier(links, log)
	notify := func(e engine.Event) { notifier.Nudge(source.Touched(e)...) } // a server collects; without links it finds changes by itself
	service, err := newJobs(ctx, cfg, log, database, keeper, links.cutOff(freshFor(cfg), fleet), notify)
	if err != nil {
		return err
	}

	// Everything below runs until stop, which comes after the drain.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, running := errgroup.WithContext(running)
	group.Go(func() error { notifier.Run(running); return nil })
	group.Go(func() error { newWallClock(log).Run(running); return nil })
	group.Go(func() error { keeper.Run(running, service, notify); return nil })
	if err := service.Start(running); err != nil {
		stop()
		return errors.Join(err, group.Wait())
	}
	fmt.Fprintf(out, "AgentOS %s works: %s\n", Version(), DescribeFleet(keeper.Fleet().Fleet))

	select {
	case <-ctx.Done():
		log.Info("shutting down", "cause", context.Cause(ctx), "drain", cfg.Drain)
	case <-running.Done():
	}
	err = drain(service, cfg.Drain)
	stop()
	return errors.Join(err, group.Wait())
}

// newJobs makes the fleet's service of a process that runs attempts, or at least does its share of the upkeep.
func newJobs(ctx context.Context, cfg *config.Config, log *slog.Logger, database *schema, keeper *fleetKeeper,
	cutOff func(context.Context) bool, notify func(engine.Event),
) (*worker.Service, error) {
	agents, err := cfg.AgentNames()
	if err != nil {
		return nil, err
	}
	return worker.New(ctx, worker.Options{
		DB: database.DB, Ready: database.migrate, Fleet: keeper.Fleet().Fleet, DataDir: cfg.Data, Version: Version(), Agents: agents,
		MaxProcesses: cfg.MaxProcesses, Log: log, Redact: redact.New(cfg.Redact), KeepLogs: int64(cfg.KeepLogs), KeepRuns: int64(cfg.KeepRuns), OnEvent: notify, CutOff: cutOff,
	})
}
