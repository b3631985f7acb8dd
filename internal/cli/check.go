package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/config"
)

func runCheck(_ context.Context, c *call, args []string) error {
	set := newFlags(c, "check")
	loader := config.Register(set, "config")
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
	fleet, err := loadAgents(path)
	if err == nil {
		err = fleet.Missing() // on this host; a server or worker would run the others
	}
	if err := errors.Join(faults, err); err != nil {
		return joinFaults(faults, err)
	}
	for _, note := range fleet.Notes(func(string) bool { return true }) {
		fmt.Fprintf(c.stderr, "warning: %s\n", note)
	}
	fmt.Fprintf(c.stdout, "%s is fine: %s\n", path, describeFleet(fleet))
	return nil
}

// joinFaults tells the faults of the settings and of the agents together.
func joinFaults(settings, agents error) error {
	if settings == nil {
		return agents
	}
	if agents == nil {
		return settings
	}
	return config.Faults{settings.Error(), agents.Error()}
}

// namesShown is how many agents a line names.
const namesShown = 20

func describeFleet(f *agent.Fleet) string {
	var names []string
	for _, a := range f.Agents[:min(len(f.Agents), namesShown)] {
		names = append(names, a.Name)
	}
	if more := len(f.Agents) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%d agents (%s)", len(f.Agents), strings.Join(names, ", "))
}
