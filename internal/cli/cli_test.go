package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/runner"
	"github.com/agentos/agentos/test/servers"
)

// TestMain makes the test binary the command: `agentos` in scripts, and the supervisor that it starts again from itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "supervisor" {
		os.Exit(runner.SupervisorMain())
	}
	testscript.Main(m, map[string]func(){
		"agentos": func() { os.Exit(Main(Protect(os.Args[1:]), os.Stdin, os.Stdout, os.Stderr)) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("AGENTOS_DATA", filepath.Join(env.WorkDir, "data"))
			env.Setenv("AGENTOS_LISTEN", "127.0.0.1:0") // never the default port, where somebody's server may be
			return nil
		},
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"servers": startServers},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// startServers is the command `servers` of the scripts: it names an empty Postgres database DATABASE, one that does not
// exist MISSING, and a Redis REDIS.
func startServers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: servers")
	}
	postgres, err := servers.NewPostgres()
	ts.Check(err)
	ts.Defer(func() { ts.Check(postgres.Close()) })
	ts.Check(postgres.CreateDatabase("scripts", ""))
	redis, err := servers.NewRedis()
	ts.Check(err)
	ts.Defer(func() { ts.Check(redis.Close()) })
	ts.Setenv("DATABASE", postgres.URL("scripts"))
	ts.Setenv("MISSING", postgres.URL("missing"))
	ts.Setenv("REDIS", redis.URL())
}

func TestExampleConfigurationIsFine(t *testing.T) {
	if _, err := agent.Load("../../agentos.example.yaml"); err != nil {
		t.Error(err)
	}
}
