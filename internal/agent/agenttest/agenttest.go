// Package agenttest writes fleets of shell scripts for tests.
package agenttest

import (
	"strconv"
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/agent"
)

// Fleet reads a fleet from the text of agentos.yaml, in a folder of its own.
func Fleet(t testing.TB, yaml string) *agent.Fleet {
	t.Helper()
	fleet, err := agent.Parse("agentos.yaml", t.TempDir(), []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	return fleet
}

// Agents is the text of a file with these entries.
func Agents(entries ...string) string { return "agents:\n" + strings.Join(entries, "") }

// Sh is the entry of an agent that runs a line of shell, with more settings, each a line.
func Sh(name, script string, more ...string) string {
	text := "  " + name + ":\n    command: [sh, -c, " + strconv.Quote(script) + "]\n"
	for _, line := range more {
		text += "    " + line + "\n"
	}
	return text
}
