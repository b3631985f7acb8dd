package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/agentos/agentos/examples"
	"github.com/agentos/agentos/internal/app"
	"github.com/agentos/agentos/internal/config"
)

// runDemo serves the example fleet. The agents read a real folder and write only in the data folder.
func runDemo(ctx context.Context, c *call, args []string) error {
	set := newFlags(c, "demo")
	loader := config.Register(set, "listen", "data", "database", "redis", "redis-prefix", "agents", "tls-cert", "tls-key", "insecure", "interval", "drain", "log-level", "log-format")
	folder := set.String("folder", ".", "the folder that the agents read; nothing in it is changed")
	rest, err := parse(set, args)
	if err != nil {
		return err
	}
	if err := noArguments(rest); err != nil {
		return err
	}
	cfg, err := loader.Load(c.getenv, map[string]string{"data": "agentos-demo", "log-level": "warn"})
	if err != nil {
		return err
	}
	path, err := filepath.Abs(*folder)
	if err != nil {
		return fmt.Errorf("find the folder: %w", err)
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return usagef("--folder %s is not a folder", *folder)
	}
	fleet := filepath.Join(cfg.Data, "fleet")
	if err := examples.Unpack(fleet, path); err != nil {
		return fmt.Errorf("unpack the example fleet: %w", err)
	}
	cfg.File = filepath.Join(fleet, "agentos.yaml")
	fmt.Fprintf(c.stdout, "The example fleet reads %s and writes only below %s.\n", path, cfg.Data)
	return app.Serve(ctx, cfg, c.stdout, c.stderr)
}
