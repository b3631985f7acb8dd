package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/agentos/agentos/internal/app"
	"github.com/agentos/agentos/internal/config"
	"github.com/agentos/agentos/internal/db"
)

// runMigrate makes the database when there is none: it is how one is prepared before anything runs.
func runMigrate(ctx context.Context, c *call, args []string) error {
	set := newFlags(c, "migrate")
	loader := config.Register(set, "config", "data", "database", "log-level", "log-format")
	compact := set.Bool("compact", false, "rewrite a SQLite file without its unused pages; no other process may use it meanwhile")
	rest, err := parse(set, args)
	if err != nil {
		return err
	}
	if err := noArguments(rest); err != nil {
		return err
	}
	cfg, err := loader.Load(c.getenv, nil)
	if err != nil {
		return err
	}
	log := app.NewLogger(c.stderr, cfg)
	if err := app.MakeDataFolder(cfg, log); err != nil {
		return err
	}
	database, err := db.Open(ctx, cfg.DatabaseURL(), log)
	if err != nil {
		return err
	}
	if err := database.Migrate(ctx); err != nil {
		return fmt.Errorf("migrate %s: %w", database.URL, errors.Join(err, database.Close()))
	}
	if *compact {
		if _, err := database.Compact(ctx, true); err != nil {
			return fmt.Errorf("compact %s: %w", database.URL, errors.Join(err, database.Close()))
		}
	}
	fmt.Fprintf(c.stdout, "%s is up to date\n", database.URL)
	return database.Close()
}
