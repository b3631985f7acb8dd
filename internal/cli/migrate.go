package cli

import (
	"context"
	"fmt"
	"os"

	"github.com/agentos/agentos/internal/db"
)

// runMigrate makes the database when there is none: it is how one is prepared before anything runs.
func runMigrate(ctx context.Context, c *call, args []string) error {
	cfg, rest, err := settingsOf(c, "migrate", args, "config", "data", "database", "log-level", "log-format")
	if err != nil {
		return err
	}
	if err := noArguments(rest); err != nil {
		return err
	}
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	database, err := db.Open(ctx, cfg.DatabaseURL(), newLogger(c.stderr, cfg))
	if err != nil {
		return err
	}
	if err := database.Migrate(ctx); err != nil {
		return fmt.Errorf("migrate %s: %w", database.URL, closing(database, err))
	}
	fmt.Fprintf(c.stdout, "%s is up to date\n", database.URL)
	return database.Close()
}
