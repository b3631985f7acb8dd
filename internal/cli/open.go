package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/config"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/jobs"
)

// settingsOf parses the flags of a command that works on the data folder, and gives its other arguments.
func settingsOf(c *call, name string, args []string, flags ...string) (*config.Config, []string, error) {
	set := newFlags(c, name)
	loader := config.Register(set, flags...)
	rest, err := parse(set, args)
	if err != nil {
		return nil, nil, err
	}
	cfg, err := loader.Load(c.getenv, nil)
	return cfg, rest, err
}

// openDatabase opens and migrates the database of the settings, making the data folder first.
func openDatabase(ctx context.Context, cfg *config.Config, log *slog.Logger) (*db.DB, error) {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	database, err := db.Open(ctx, cfg.DatabaseURL(), log)
	if err != nil {
		return nil, err
	}
	if err := database.Migrate(ctx); err != nil {
		return nil, fmt.Errorf("migrate %s: %w", cfg.DatabaseURL(), closing(database, err))
	}
	return database, nil
}

// closing closes what cannot be used and gives back the reason.
func closing(database *db.DB, reason error) error { return errors.Join(reason, database.Close()) }

// openJobs gives a job service that inserts and reads but runs nothing, for commands beside a server.
func openJobs(ctx context.Context, cfg *config.Config, log *slog.Logger) (*jobs.Service, *db.DB, error) {
	fleet, err := agent.Load(cfg.File)
	if err != nil {
		return nil, nil, err
	}
	database, err := openDatabase(ctx, cfg, log)
	if err != nil {
		return nil, nil, err
	}
	service, err := jobs.New(ctx, jobs.Options{
		DB: database, Fleet: fleet, DataDir: cfg.Data, Version: versionText(), Log: log, NoWork: true,
	})
	if err != nil {
		return nil, nil, closing(database, err)
	}
	return service, database, nil
}
