package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/jobs"
)

// runWork runs the agents beside a server on the same database: more hands, no dashboard of its own.
func runWork(ctx context.Context, c *call, args []string) (err error) {
	cfg, rest, err := settingsOf(c, "work", args, "config", "data", "database", "drain", "log-level", "log-format")
	if err != nil {
		return err
	}
	if err := noArguments(rest); err != nil {
		return err
	}
	log := newLogger(c.stderr, cfg)
	keeper, err := loadFleet(cfg.File, log)
	if err != nil {
		return err
	}
	database, err := openDatabase(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, database.Close()) }()
	nudge := func(...string) {} // the server on this database finds changes by itself
	service, err := jobs.New(ctx, jobs.Options{
		DB: database, Fleet: keeper.Fleet().Fleet, DataDir: cfg.Data, Version: versionText(),
		Shim: agent.SelfShim(), Log: log, OnChange: nudge,
	})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	if err := service.Start(running); err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "AgentOS %s works: %s\n", versionText(), describeFleet(keeper.Fleet().Fleet))
	watched := make(chan struct{})
	go func() { // ended by stop
		defer close(watched)
		keeper.Run(running, service, nudge)
	}()

	<-ctx.Done()
	log.Info("shutting down", "cause", context.Cause(ctx), "drain", cfg.Drain)
	err = drain(service, cfg.Drain)
	stop()
	<-watched
	return err
}
