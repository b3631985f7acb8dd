package app

import (
	"fmt"
	"strings"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/config"
)

// namesShown is how many agents a line names.
const namesShown = 20

// DescribeFleet is a line on the agents of a fleet.
func DescribeFleet(f *agent.Fleet) string {
	var names []string
	for _, a := range f.Agents[:min(len(f.Agents), namesShown)] {
		names = append(names, a.Name)
	}
	if more := len(f.Agents) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%d agents (%s)", len(f.Agents), strings.Join(names, ", "))
}

// JoinErrors returns the errors of the settings and of the agents together.
func JoinErrors(settings, agents error) error {
	if settings == nil {
		return agents
	}
	if agents == nil {
		return settings
	}
	return config.ValidationErrors{settings.Error(), agents.Error()}
}
