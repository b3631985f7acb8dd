package examples

import (
	"os"
	"testing"

	"github.com/agentos/agentos/internal/runner"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "supervisor" {
		os.Exit(runner.SupervisorMain())
	}
	os.Exit(m.Run())
}
