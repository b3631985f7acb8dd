package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/agentos/agentos/internal/app"
	"github.com/agentos/agentos/internal/config"
)

func runCheck(ctx context.Context, c *call, args []string) error {
	set := newFlags(c, "check")
	loader := config.Register(set, "config", "data", "database", "no-section-commands")
	run := set.Bool("run-sections", false, "collect each section once, and print what its card would show")
	rest, err := parse(set, args)
	if err != nil {
		return err
	}
	if err := noArguments(rest); err != nil {
		return err
	}
	cfg, faults := loader.Load(c.getenv, nil)
	path := set.Lookup("config").Value.String()
	if cfg != nil {
		path = cfg.File
	}
	fleet, sections, err := app.LoadFile(path)
	if err == nil {
		err = fleet.Missing() // on this host; a server or worker would run the others
	}
	if err := errors.Join(faults, err); err != nil {
		return app.JoinErrors(faults, err)
	}
	for _, note := range fleet.Notes(func(string) bool { return true }) {
		fmt.Fprintf(c.stderr, "warning: %s\n", note)
	}
	fmt.Fprintf(c.stdout, "%s is fine: %s%s\n", path, app.DescribeFleet(fleet), app.DescribeSections(sections))
	if *run {
		return app.RunSections(ctx, cfg, sections, c.stdout)
	}
	return nil
}
