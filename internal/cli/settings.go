package cli

import (
	"github.com/agentos/agentos/internal/app"
	"github.com/agentos/agentos/internal/config"
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

// What agents know of their fleet, see docs/agents.md.
const (
	fleetData     = "AGENTOS_FLEET_DATA"
	fleetDatabase = "AGENTOS_FLEET_DATABASE"
)

// clientEnv is the environment of commands that reach a fleet. In that of an agent, AGENTOS_DATA still names the agent's own
// folder, as it did before AGENTOS_AGENT_DATA: there the fleet's own data and database are meant.
func clientEnv(getenv func(string) string) func(string) string {
	own := getenv("AGENTOS_AGENT_DATA")
	if own == "" {
		return getenv
	}
	return func(name string) string {
		value := getenv(name)
		switch {
		case name == "AGENTOS_DATA" && value == own:
			return getenv(fleetData)
		case name == "AGENTOS_DATABASE_URL" && value == "" && getenv(fleetDatabase) != "postgres":
			return getenv(fleetDatabase)
		}
		return value
	}
}

// caller says whether this command runs in a job of a fleet.
func (c *call) caller() app.Caller {
	return app.Caller{InPostgresFleet: c.getenv(fleetDatabase) == "postgres"}
}
