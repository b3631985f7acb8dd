package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/runner"
)

var fileBlock = regexp.MustCompile("(?s)```[a-z]+\n((?:#![^\n]*\n)?# file: ([^\n]+)\n.*?)```")

// What docs/agents.md shows works as it stands there.
func TestTheManualsAgentsWork(t *testing.T) {
	manual, err := os.ReadFile("../docs/agents.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := resolved(t)
	for _, block := range fileBlock.FindAllStringSubmatch(string(manual), -1) {
		path := filepath.Join(dir, block[2])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(block[1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fleet, err := agent.Load(filepath.Join(dir, "agentos.yaml"))
	if _, missing := exec.LookPath("python3"); err == nil && missing != nil {
		err = fleet.Missing()
		if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), `no program "python3" in PATH`) {
			t.Errorf("without Python the only fault must be that: %v", err)
		}
		return
	}
	if err == nil {
		err = fleet.Missing()
	}
	if err != nil {
		t.Fatal(err)
	}
	run := func(name, args string) runner.Result {
		t.Helper()
		result, err := runner.Run(t.Context(), runner.Attempt{
			Spec: fleet.Agent(name), JobID: 1, RunID: 1, Number: 1, MaxAttempts: 5, Args: []byte(args), WorkDir: filepath.Join(dir, "work", name),
			OnLine: func(l runner.Line) { t.Log(name, l.Level, l.Msg) },
		})
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	result := run("feeds", string(fleet.Agent("feeds").Args))
	if string(result.Stdout) != `{"topics": 2}` || len(result.Enqueue) != 2 {
		t.Errorf("%s, %d requests", result.Stdout, len(result.Enqueue))
	}
	for _, request := range result.Enqueue {
		if got := string(run(request.Agent, string(request.Args)).Stdout); strings.TrimSpace(got) != "1" {
			t.Errorf("%s: %s", request.Args, got)
		}
	}
}
