package server

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db/dbtest"
)

// The test's own program is the shim of the attempts it runs, and the load generator of the benchmark.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "shim" {
		os.Exit(agent.ShimMain(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == "load" {
		os.Exit(generateLoad(os.Args[2:]))
	}
	goleak.VerifyTestMain(dbtest.Main(m))
}
