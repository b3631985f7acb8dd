package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/agentos/agentos/internal/agent"
)

// TestMain makes the test binary the command: `agentos` in scripts, and the shim that it starts again from itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "shim" {
		os.Exit(agent.ShimMain(os.Args[2:]))
	}
	testscript.Main(m, map[string]func(){
		"agentos": func() { os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("AGENTOS_DATA", filepath.Join(env.WorkDir, "data"))
			return nil
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

func TestExampleConfigurationIsFine(t *testing.T) {
	if _, err := agent.Load("../../agentos.example.yaml"); err != nil {
		t.Error(err)
	}
}
