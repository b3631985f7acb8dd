package examples

import (
	"os"
	"testing"

	"github.com/agentos/agentos/internal/agent"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "shim" {
		os.Exit(agent.ShimMain(os.Args[2:]))
	}
	os.Exit(m.Run())
}
