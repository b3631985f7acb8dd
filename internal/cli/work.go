package cli

import (
	"context"

	"github.com/agentos/agentos/internal/app"
)

// runWork runs agents beside a server on the same database: more hands, no dashboard of its own.
func runWork(ctx context.Context, c *call, args []string) error {
	cfg, rest, err := settingsOf(c, "work", args, "config", "data", "database", "redis", "redis-prefix", "agents", "max-processes", "interval", "drain", "log-level", "log-format")
	if err != nil {
		return err
	}
	if err := noArguments(rest); err != nil {
		return err
	}
	return app.Work(ctx, cfg, c.stdout, c.stderr)
}
