package server

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/runner"
)

// The test's own program is the supervisor of the attempts it runs, and the load generator of the benchmark.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "supervisor" {
		os.Exit(runner.SupervisorMain())
	}
	if len(os.Args) > 1 && os.Args[1] == "load" {
		os.Exit(generateLoad(os.Args[2:]))
	}
	goleak.VerifyTestMain(dbtest.Main(m))
}
