package examples

import (
	"os"
	"testing"

	"github.com/agentos/agentos/internal/agent"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "supervisor" {
		os.Exit(agent.SupervisorMain())
	}
	os.Exit(m.Run())
}
