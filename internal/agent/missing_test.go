package agent

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What this host lacks is no error of the file: another host may have it. Whoever runs the agent asks.
func TestMissingReportsWhatThisHostLacks(t *testing.T) {
	agent := func(settings string) string { return "agents:\n  one: {command: [sh], " + settings + "}" }
	tests := []struct{ name, file, want string }{
		{"not in PATH", "agents: {one: {command: [no-such-program]}}", `1: command of one: there is no program "no-such-program" in PATH: install it, or write its path: file does not exist`},
		{"not there", "agents: {one: {command: [./gone]}}", "1: command of one: the program DIR/gone cannot be started: no such file or directory"},
		{"not executable", "agents: {one: {command: [./plain]}}", "1: command of one: the program DIR/plain is not executable: run chmod +x on it, or name its interpreter, [sh, plain]: permission denied"},
		{"a directory", "agents: {one: {command: [./.]}}", "1: command of one: the program DIR is a directory"},
		{"no script", "agents: {one: {command: [sh, gone.sh]}}", "1: command of one: the script DIR/gone.sh cannot be read (no such file or directory): paths are relative to the folder of this file"},
		{"no dir", agent("dir: gone"), "2: dir: the working directory DIR/gone cannot be used: no such file or directory"},
		{"dir is a file", agent("dir: plain"), "2: dir: the working directory DIR/plain is not a directory: not a directory"},
		{"a script that cannot be read", "agents: {one: {command: [sh, gone/x.sh]}}", "1: command of one: the script DIR/gone/x.sh cannot be read (no such file or directory): paths are relative to the folder of this file"},
		{"two at once", "agents:\n  one: {command: [no-such-program]}\n  two: {command: [sh], dir: gone}", "2: command of one: there is no program \"no-such-program\" in PATH: install it, or write its path: file does not exist\nf.yaml:3: dir: the working directory DIR/gone cannot be used: no such file or directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := folder(t)
			f, err := Parse("f.yaml", dir, []byte(tt.file))
			if err != nil {
				t.Fatalf("it is not loaded: %v", err)
			}
			err = f.Missing()
			var errs ValidationErrors
			if !errors.As(err, &errs) {
				t.Fatalf("%T: %v", err, err)
			}
			if diff := cmp.Diff("f.yaml:"+tt.want, strings.ReplaceAll(err.Error(), dir, "DIR")); diff != "" {
				t.Error(diff)
			}
			if f.Agents[0].Missing() == nil {
				t.Error("the agent itself misses nothing")
			}
		})
	}
	f, err := Parse("f.yaml", folder(t), []byte("agents: {one: {command: [sh, hash.sh]}, two: {command: [./run]}}"))
	if err != nil || f.Missing() != nil || f.Agents[0].Missing() != nil {
		t.Errorf("%v, %v", err, f.Missing())
	}
}

func TestKeysThatBeginWithXAreTheFilesOwn(t *testing.T) {
	f, err := Parse("f.yaml", folder(t), []byte(`
x-defaults: &defaults {timeout: 7s, x-owner: ops}
agents:
  one: {<<: *defaults, command: [sh], x-note: {any: [thing]}, backoff: {initial: 2s, x-why: slow}}
queues:
  shared: {concurrency: 1, x-note: ~}
`))
	if err != nil || f.Agents[0].Timeout.Seconds() != 7 || f.Agents[0].Backoff.Initial.Seconds() != 2 {
		t.Fatalf("%+v, %v", f, err)
	}
	without, err := Parse("f.yaml", f.Dir, []byte("agents: {one: {timeout: 7s, command: [sh], backoff: {initial: 2s}}}\nqueues: {shared: {concurrency: 1}}"))
	if err != nil || without.Hash != f.Hash {
		t.Errorf("they change the fleet: %v", err)
	}
}

func TestNotesNameWhatIsProbablyNotMeant(t *testing.T) {
	t.Setenv("AGENT_TEST_SET", "")
	f, err := Parse("f.yaml", folder(t), []byte(`agents:
  one:
    command: [sh, -c, 'echo ${HOME}']
    pass_env: [AGENT_TEST_SET, AGENT_TEST_UNSET]
    env: {KEY: "${API_KEY}", PRICE: "$5", PLAIN: x}
  two: {command: [env, "A=${HOME}/x", "$HOME"]}
`))
	if err != nil {
		t.Fatal(err)
	}
	const advice = "is passed on as it is, nothing replaces it: name the variable in pass_env, or run the command by a shell: [sh, -c, COMMAND LINE IN QUOTES]"
	want := []string{
		"f.yaml:4: pass_env of one: AGENT_TEST_UNSET is not set in agentos's own environment, so the agent does not get it",
		"f.yaml:5: env KEY of one: ${API_KEY} " + advice,
		"f.yaml:6: command of two: ${HOME} " + advice,
	}
	if diff := cmp.Diff(want, f.Notes(func(string) bool { return true })); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want[1:], f.Notes(func(string) bool { return false })); diff != "" {
		t.Error("where it does not run:", diff)
	}
}

func TestAProgramThatComesAndGoesIsSeen(t *testing.T) {
	dir := folder(t)
	f, err := Parse("f.yaml", dir, []byte("agents: {one: {command: [./later]}}"))
	if err != nil {
		t.Fatal(err)
	}
	if f.Agents[0].Missing() == nil {
		t.Error("it is there before it is")
	}
	if err := os.WriteFile(filepath.Join(dir, "later"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := f.Agents[0].Missing(); err != nil {
		t.Error(err)
	}
}
