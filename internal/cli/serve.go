package cli

import (
	"context"

	"github.com/agentos/agentos/internal/app"
)

func runServe(ctx context.Context, c *call, args []string) error {
	cfg, rest, err := settingsOf(c, "serve", args)
	if err != nil {
		return err
	}
	if err := noArguments(rest); err != nil {
		return err
	}
	return app.Serve(ctx, cfg, c.stdout, c.stderr)
}
