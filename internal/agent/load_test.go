package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/agentos/agentos/internal/strictyaml"
	"github.com/agentos/agentos/test/processor"
)

// folder makes a folder with a program, a script and a file that is not executable.
func folder(t testing.TB) string {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"hash.sh": 0o644, "run": 0o755, "plain": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestParseFillsInEverything(t *testing.T) {
	dir := folder(t)
	f, err := Parse("agentos.yaml", dir, []byte(`
server: {listen: "127.0.0.1:1", whatever: [is, not, ours]}
agents:
  hash:
    description: Hashes one file
    command: [sh, ./hash.sh, 8]
    concurrency: 2
    timeout: 30s
    kill_grace: 1s
    max_attempts: 5
    max_losses: 7
    limit: 9
    backoff: {initial: 2s, factor: 1.5, max: 1m, jitter: 0.5}
    env: {PORT: 8080, DEBUG: true, WHEN: 2026-01-02, EMPTY: ""}
    pass_env: [API_KEY]
    schedule: "@every 20s"
    catch_up: never
    spread: 5m
    args: {path: ., deep: {list: [1, 2.5, null, true, 0x10]}, big: 12345678901234567890123, exact: [1.10, 1e400, 3.14159265358979323846]}
    priority: 2
    cut_off: continue
    exit_later: [69, 75]
    exit_never: []
    overlap: skip
  count: {command: [./run], queue: shared, dir: /}
queues:
  shared: {concurrency: 4}
  spare: {concurrency: 1}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := &Fleet{
		Path: "agentos.yaml", Dir: dir, Hash: f.Hash,
		Agents: []*Spec{{
			Name: "hash", Description: "Hashes one file", Command: []string{"sh", dir + "/hash.sh", "8"}, Dir: dir, Queue: "hash",
			Concurrency: 2, Limit: 9, Timeout: 30 * time.Second, KillGrace: time.Second, MaxAttempts: 5, MaxLosses: 7,
			Backoff: Backoff{Initial: 2 * time.Second, Factor: 1.5, Max: time.Minute, Jitter: 0.5},
			Env:     map[string]string{"PORT": "8080", "DEBUG": "true", "WHEN": "2026-01-02", "EMPTY": ""},
			PassEnv: []string{"API_KEY"}, Schedule: "@every 20s", CatchUp: -1, Spread: 5 * time.Minute, Priority: 2, ExitLater: []int{69, 75}, ExitNever: []int{}, CutOff: CutOffContinue, Overlap: OverlapSkip,
			Args: []byte(`{"big":12345678901234567890123,"deep":{"list":[1,2.5,null,true,16]},"exact":[1.10,1e400,3.14159265358979323846],"path":"."}`),
		}, {
			Name: "count", Command: []string{dir + "/run"}, Dir: "/", Queue: "shared", Concurrency: 4, Timeout: DefaultTimeout,
			KillGrace: DefaultKillGrace, MaxAttempts: DefaultMaxAttempts, MaxLosses: DefaultMaxLosses, Backoff: DefaultBackoff, Env: map[string]string{},
			Args: []byte("{}"), Priority: 1, ExitLater: DefaultExitLater, ExitNever: DefaultExitNever, CutOff: CutOffStop, Overlap: OverlapAllow,
		}},
		Queues: []QueueSpec{
			{Name: "hash", Concurrency: 2, Agents: []string{"hash"}},
			{Name: "shared", Concurrency: 4, Agents: []string{"count"}},
			{Name: "spare", Concurrency: 1},
		},
	}
	if diff := cmp.Diff(want, f, cmpopts.IgnoreUnexported(Fleet{})); diff != "" {
		t.Error(diff)
	}
	if f.Agent("count") != f.Agents[1] || f.Agent("none") != nil {
		t.Error("Agent does not find by name")
	}
}

func TestParseMergesAnchors(t *testing.T) {
	f, err := Parse("f", folder(t), []byte(`
agents:
  one: &base {command: [sh, hash.sh], timeout: 7s, env: &env {A: 1}}
  two: {<<: *base, timeout: 8s}
  three: {<<: [{priority: 3}, *base], env: *env}
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range f.Agents {
		got = append(got, fmt.Sprint(s.Name, " ", s.Timeout, " ", s.Priority, " ", s.Env["A"]))
	}
	if diff := cmp.Diff([]string{"one 7s 1 1", "two 8s 1 1", "three 7s 3 1"}, got); diff != "" {
		t.Error(diff)
	}
}

// Each file has one error; its text is all a user sees.
func TestParseSaysWhatIsWrongAndHowToWriteIt(t *testing.T) {
	agent := func(settings string) string { return "agents:\n  one: {command: [sh], " + settings + "}" }
	tests := []struct{ name, file, want string }{
		{"empty", "", "1: the file is empty: write agents: and below it at least one agent"},
		{"only a comment", "# agents", "1: the file is empty: write agents: and below it at least one agent"},
		{"null document", "---\n", "1: the file is empty: write agents: and below it at least one agent"},
		{"list", "[]", "1: the file must be a mapping and is a list: write agents: and below it the agents"},
		{"no agents key", "server: {}", "1: there are no agents: write agents: and below it at least one agent"},
		{"no agents", "agents: {}", "1: there are no agents: write at least one below agents:"},
		{"agents null", "agents:", "1: agents must be a mapping and is nothing: write agents: {hash: {command: [sh, hash.sh]}}"},
		{"agents list", "agents:\n- one", "2: agents must be a mapping and is a list: write agents: {hash: {command: [sh, hash.sh]}}"},
		{"broken", "agents: [", "1: not valid YAML: did not find expected node content: check the brackets, quotes and indentation above this line"},
		{"tab", "agents:\n\tone: 1", "2: not valid YAML: found character that cannot start any token: indent with spaces, not tabs, and put text that begins with @, %, or ` in quotes"},
		{"colon", "agents:\n  one: two: 3", `2: not valid YAML: mapping values are not allowed in this context: put text that contains ": " in quotes, and check the indentation`},
		{"unknown anchor", "agents:\n  one: {command: [sh],\n env: *gone}", "3: not valid YAML: *gone refers to an anchor that is not defined above: write &gone before the value meant"},
		{"unquoted schedule", "agents:\n  one:\n    command: [sh]\n    schedule: */5 * * * *", `4: not valid YAML: did not find expected alphabetic or numeric character: text that begins with * or & needs quotes: write for example schedule: "*/5 * * * *"`},
		{"unquoted schedule of stars", "agents:\n  one: {command: [sh],\n schedule: * * * * *}", `3: not valid YAML: did not find expected alphabetic or numeric character: text that begins with * or & needs quotes: write for example schedule: "*/5 * * * *"`},
		{"unquoted name of a schedule", "agents:\n  one:\n    schedule: @hourly", "3: not valid YAML: found character that cannot start any token: indent with spaces, not tabs, and put text that begins with @, %, or ` in quotes"},
		{"step of more than an hour", agent(`schedule: "*/90 * * * *"`), `2: "*/90 * * * *" is not a schedule: "*/90" in its minutes would not come every 90m, because 90 does not divide 60: write "@every 90m", or "0" if these minutes are meant`},
		{"catch_up of nothing", agent("catch_up: 1h"), `2: catch_up is for agents with a schedule: write schedule: "@hourly" beside it, or leave it out`},
		{"catch_up of a word", agent(`schedule: "@hourly", catch_up: some`), `2: catch_up must be a duration with a unit (ms, s, m, h) and is "some": write catch_up: 1h`},
		{"spread without unit", agent(`schedule: "@hourly", spread: 5`), `2: spread must be a duration with a unit (ms, s, m, h) and is 5: write spread: 5s`},
		{"two documents", agent("") + "\n---\nagents: {}", "3: a second document begins here: keep everything in one, without --- between"},
		{"broken second document", agent("") + "\n---\n[", "4: not valid YAML: did not find expected node content: check the brackets, quotes and indentation above this line"},
		{"unknown section", agent("") + "\nagnets: {}", `3: unknown key "agnets" in the file: did you mean agents?`},
		{"unknown setting", agent("timeot: 1s"), `2: unknown key "timeot" in agent one: did you mean timeout?`},
		{"other tool's word", agent("cron: 1"), `2: unknown key "cron" in agent one: did you mean schedule?`},
		{"no likeness", "agents: {one: {command: [sh]}}\nxyz: 1", `2: unknown key "xyz" in the file: there are agents, queues, sections, server, alerts`},
		{"duplicate agent", agent("") + "\n  one: {}", "3: one is given twice in agents, first on line 2: keep one"},
		{"duplicate setting", agent("priority: 1, priority: 1"), "2: priority is given twice in agent one, first on line 2: keep one"},
		{"capital name", "agents: {One: {command: [sh]}}", `1: "One" cannot be an agent's name: names have 2 to 63 characters, a-z and 0-9, with single - or _ between`},
		{"short name", "agents: {a: {command: [sh]}}", `1: "a" cannot be an agent's name: names have 2 to 63 characters, a-z and 0-9, with single - or _ between`},
		{"name is a list", "agents: {[a]: 1}", `1: a key of agents must be plain text and is a list`},
		{"no command", "agents: {one: {}}", "1: agent one has no command: write command: [sh, agents/hash.sh]"},
		{"empty command", "agents: {one: {command: []}}", "1: command is empty: write command: [sh, agents/hash.sh]"},
		{"command null", "agents: {one: {command: }}", "1: command must be a list and is nothing: write command: [sh, agents/hash.sh]"},
		{"command text", "agents: {one: {command: sh hash.sh}}", `1: command must be a list, one item a word, and is "sh hash.sh": write command: [sh, hash.sh]`},
		{"command line", "agents: {one: {command: cat a | wc}}", `1: command must be a list, one item a word, and is "cat a | wc": write command: [sh, -c, COMMAND LINE IN QUOTES]`},
		{"command with NUL", `agents: {one: {command: [sh, "\0"]}}`, "1: an item of command contains a NUL character, which no program can receive"},
		{"no unit", agent("timeout: 30"), "2: timeout must be a duration with a unit (ms, s, m, h) and is 30: write timeout: 30s"},
		{"days", agent("timeout: 1d"), `2: timeout must be a duration with a unit (ms, s, m, h) and is "1d": write timeout: 5m`},
		{"too long", agent("timeout: 25h"), `2: timeout must be from 1ms to 24h and is "25h": write timeout: 5m`},
		{"negative", agent("timeout: -1s"), `2: timeout must be from 1ms to 24h and is "-1s": write timeout: 5m`},
		{"timeout list", agent("timeout: [1s]"), `2: timeout must be a duration with a unit (ms, s, m, h) and is a list: write timeout: 5m`},
		{"number as text", agent(`concurrency: "2"`), `2: concurrency must be a whole number from 1 to 1000 and is "2": write concurrency: 1`},
		{"number null", agent("concurrency: "), `2: concurrency must be a whole number from 1 to 1000 and is nothing: write concurrency: 1`},
		{"number too big", agent("max_attempts: 99999999999999999999"), `2: max_attempts must be a whole number from 1 to 1000 and is 99999999999999999999: write max_attempts: 3`},
		{"fraction", agent("priority: 1.5"), `2: priority must be a whole number from 1 to 4 and is 1.5: write priority: 1`},
		{"exit status", agent("exit_later: [75, x]"), `2: exit_later lists exit statuses from 1 to 255, and "x" is none: write exit_later: [75]`},
		{"exit status zero", agent("exit_never: [0]"), `2: exit_never lists exit statuses from 1 to 255, and "0" is none: write exit_never: [65]`},
		{"exit statuses", agent("exit_never: 65"), `2: exit_never must be a list and is 65: write exit_never: [65]`},
		{"exit status of both", agent("exit_later: [7], exit_never: [8, 7]"), `2: the exit status 7 is in exit_later and in exit_never: keep one`},
		{"cut off", agent("cut_off: never"), `2: cut_off is "never": write cut_off: stop, or cut_off: continue`},
		{"overlap", agent("overlap: never"), `2: overlap is "never": write overlap: allow, or overlap: skip`},
		{"limit", agent("limit: 0"), `2: limit must be a whole number from 1 to 10000 and is 0: write limit: 1`},
		{"losses", agent("max_losses: none"), `2: max_losses must be a whole number from 1 to 1000 and is "none": write max_losses: 3`},
		{"jitter", agent("backoff: {jitter: 2}"), `2: jitter must be a number from 0 to 1 and is 2: write jitter: 0.1`},
		{"cut off as a yes", agent("cut_off: [stop]"), `2: cut_off must be text and is a list: write cut_off: continue`},
		{"backoff factor", agent("backoff: {factor: .nan}"), `2: factor must be a number from 1 to 100 and is .nan: write factor: 2`},
		{"backoff order", agent("backoff: {initial: 2m, max: 1m}"), `2: backoff: max (1m) is shorter than initial (2m): swap them`},
		{"schedule", agent("schedule: every minute"), `2: "every minute" is not a schedule: it has 2 fields: write five cron fields ("*/5 * * * *"), @hourly, @daily, @weekly, @monthly, @yearly, or "@every 20s"`},
		{"env name", agent(`env: {"A B": 1}`), `2: "A B" cannot be the name of an environment variable: letters, digits and _`},
		{"env taken", agent("env: {AGENTOS_ARG_X: 1}"), `2: the variable AGENTOS_ARG_X is set by agentos itself: choose another name`},
		{"env null", agent("env: {LANG: }"), `2: env LANG must be text and is nothing: write env: {LANG: C}`},
		{"env binary", agent("env: {LANG: !!binary aGk=}"), `2: env LANG must be text and is a value tagged !!binary: write env: {LANG: C}`},
		{"pass_env", agent("pass_env: API_KEY"), `2: pass_env must be a list and is "API_KEY": write pass_env: [API_KEY]`},
		{"args list", agent("args: [1]"), `2: args must be a mapping and is a list: write args: {path: .}`},
		{"args infinity", agent("args: {x: [.inf]}"), `2: args cannot hold .inf, which JSON does not know: write it in quotes`},
		{"args tag", agent("args: {x: !point 1}"), `2: args cannot hold a value tagged !point, which JSON does not know: write it in quotes`},
		{"args twice", agent("args: {x: {y: 1, y: 2}}"), `2: y is given twice in args, first on line 2: keep one`},
		{"args size", agent("args: {x: " + strings.Repeat("x", 70_000) + "}"), `2: args must fit in 64 KiB of JSON`},
		{"description", agent("description: " + strings.Repeat("x", 501)), `2: description is longer than 500 bytes: keep to what fits in a line or two`},
		{"queue without settings", agent("queue: shared"), "2: the queue shared has no settings: write queues: {shared: {concurrency: 4}} at the end of the file"},
		{"queue misspelt", agent("queue: shraed") + "\nqueues: {shared: {concurrency: 1}}", "2: the queue shraed has no settings: write queues: {shraed: {concurrency: 4}} at the end of the file, or did you mean shared?"},
		{"queue of another", agent("queue: two") + "\n  two: {command: [sh]}", "2: the queue two is agent two's own: to share it write queues: {two: {concurrency: 4}}"},
		{"queue name", agent("queue: a b"), `2: "a b" cannot be a queue's name: names have 2 to 63 characters, a-z and 0-9, with single - or _ between`},
		{"concurrency beyond the queue's", agent("queue: shared, concurrency: 5") + "\nqueues: {shared: {concurrency: 4}}", "2: concurrency must be a whole number from 1 to 4 and is 5: write concurrency: 4"},
		{"declared queue name", agent("") + "\nqueues: {A: {concurrency: 1}}", `3: "A" cannot be a queue's name: names have 2 to 63 characters, a-z and 0-9, with single - or _ between`},
		{"queue settings", agent("") + "\nqueues: {shared: {}}", "3: queue shared has no concurrency: write shared: {concurrency: 4}"},
		{"queue setting misspelt", agent("") + "\nqueues: {shared: {workers: 1}}", `3: unknown key "workers" in queue shared: did you mean concurrency?`},
		{"merge of text", agent("<<: base"), `2: what << merges into agent one must be a mapping and is "base": write <<: *anchor`},
		{"anchor in itself", "agents: {one: &a {<<: *a, command: [sh]}}", "1: nested deeper than 64 levels, or an anchor that contains itself"},
		{"args in itself", agent("args: &a {x: *a}"), "2: nested deeper than 64 levels, or an anchor that contains itself"},
		{"nested too deep", agent("args: {x: " + strings.Repeat("[", 70) + strings.Repeat("]", 70) + "}"), "2: nested deeper than 64 levels, or an anchor that contains itself"},
		{"too large", strings.Repeat("#", 1<<20+1), "1: the file is larger than 1 MiB: is it the right one?"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := folder(t)
			f, err := Parse("f.yaml", dir, []byte(tt.file))
			if err == nil || f != nil {
				t.Fatalf("accepted: %+v", f)
			}
			if diff := cmp.Diff("f.yaml:"+tt.want, strings.ReplaceAll(err.Error(), dir, "DIR")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseReportsAllFaultsAtOnce(t *testing.T) {
	_, err := Parse("f.yaml", folder(t), []byte(`agents:
  one: {comand: [sh], timeout: x}
  two:
    command: [no-such-program]
    max_attempts: many
    timeout: 0
queues: 1
`))
	var errs ValidationErrors
	if !errors.As(err, &errs) {
		t.Fatalf("%T: %v", err, err)
	}
	var lines []int
	for _, f := range errs {
		lines = append(lines, f.Line)
	}
	if diff := cmp.Diff([]int{2, 2, 2, 5, 6, 7}, lines); diff != "" {
		t.Error(err, diff)
	}
}

func TestParseBoundsItsReport(t *testing.T) {
	var file strings.Builder
	file.WriteString("agents:\n")
	for i := range 500 {
		fmt.Fprintf(&file, "  A%d: {}\n", i)
	}
	_, err := Parse("f", folder(t), []byte(file.String()))
	var errs ValidationErrors
	if !errors.As(err, &errs) || len(errs) != strictyaml.MaxErrors || errs[strictyaml.MaxErrors-1].Text != "and 401 more errors" {
		t.Errorf("%d errors, last %v", len(errs), errs[len(errs)-1])
	}
}

// Nine levels of nine aliases each are some 400 million values: expanding them would take the memory of the machine.
func TestParseSurvivesAnAliasBomb(t *testing.T) {
	var file strings.Builder
	file.WriteString("agents:\n  one:\n    command: [sh]\n    args:\n      a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 9; i++ {
		fmt.Fprintf(&file, "      a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), ", "))
	}
	before := processor.Used()
	_, err := Parse("f", folder(t), []byte(file.String()))
	if err == nil || !strings.Contains(err.Error(), "200000 values once its anchors are expanded") {
		t.Errorf("err = %v", err)
	}
	if took := processor.Used() - before; took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	dir := folder(t)
	if _, err := Load(filepath.Join(dir, "none.yaml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, pipe} {
		if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("Load(%s): %v", path, err)
		}
	}
	path := filepath.Join(dir, "agentos.yaml")
	if err := os.WriteFile(path, []byte("agents: {one: {command: [sh, hash.sh], dir: .}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if f.Path != path || f.Dir != dir || f.Agents[0].Dir != dir {
		t.Errorf("%+v", f)
	}
}

func TestHashSeesTheFleetNotTheFile(t *testing.T) {
	dir := folder(t)
	hash := func(file string) string {
		f, err := Parse("f", dir, []byte(file))
		if err != nil {
			t.Fatal(err)
		}
		return f.Hash
	}
	base := hash("agents: {one: {command: [sh], env: {A: 1, B: 2}}}")
	if hash("# comment\nserver: {x: 1}\nagents:\n  one:\n    env: {B: 2, A: 1}\n    command: [sh]\n    timeout: 5m\n") != base {
		t.Error("another way to write the same fleet has another hash")
	}
	for _, other := range []string{
		"agents: {one: {command: [sh], env: {A: 1, B: 3}}}",
		"agents: {one: {command: [sh], env: {A: 1, B: 2}, timeout: 4m}}",
		"agents: {one: {command: [sh], env: {A: 1, B: 2}}}\nqueues: {q1: {concurrency: 1}}",
	} {
		if hash(other) == base {
			t.Errorf("%s has the hash of another fleet", other)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("agents:\n  one: &a {command: [sh], env: {A: 1}, schedule: '@every 1s', args: {x: [1, {y: ~}]}}\n  two: {<<: [*a], queue: q1}\nqueues: {q1: {concurrency: 4}}\n"))
	f.Add([]byte("agents: {one: {command: [sh], schedule: 'TZ=UTC 0 4 * * 1-5', backoff: {initial: 1s, factor: 2, max: 1h}}}"))
	f.Add([]byte("? [a]\n: &x [*x]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		fleet, err := Parse("f", "/", data)
		var errs ValidationErrors
		if (fleet == nil) == (err == nil) || err != nil && !errors.As(err, &errs) {
			t.Fatalf("fleet %v, err %v", fleet, err)
		}
		for _, one := range errs {
			if one.Line < 1 || one.Text == "" || len(errs) > strictyaml.MaxErrors {
				t.Fatalf("%+v", one)
			}
		}
		if fleet == nil {
			return
		}
		for _, s := range fleet.Agents {
			if s.Schedule != "" {
				if _, err := ParseSchedule(s.Schedule); err != nil {
					t.Fatal(err)
				}
			}
			if s.Concurrency < 1 || s.Timeout <= 0 || s.Priority < 1 || !GoodName(s.Queue) || len(s.Command) == 0 {
				t.Fatalf("%+v", s)
			}
		}
	})
}

// Workers compare the hashes of their files, and restart for another fleet.
func TestSectionsAreNoPartOfTheFleet(t *testing.T) {
	const text = "agents: {one: {command: [sh]}}\n"
	without, err := Parse("agentos.yaml", t.TempDir(), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	with, err := Parse("agentos.yaml", without.Dir, []byte(text+"sections: {unpaid: {sql: select 1}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if with.Hash != without.Hash {
		t.Error("a section makes another fleet")
	}
}
