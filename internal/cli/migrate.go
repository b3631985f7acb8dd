package cli

import (
	"context"
	"fmt"
)

func runMigrate(ctx context.Context, c *call, args []string) error {
	cfg, rest, err := settingsOf(c, "migrate", args, "config", "data", "database", "log-level", "log-format")
	if err != nil {
		return err
	}
	if err := noArguments(rest); err != nil {
		return err
	}
	database, err := openDatabase(ctx, cfg, newLogger(c.stderr, cfg))
	if err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "%s is up to date\n", database.URL)
	return database.Close()
}
