package examples

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/runner"
)

// workbench is a fleet with a folder of its own to read and a place for its work folders.
type workbench struct {
	t      *testing.T
	fleet  *agent.Fleet
	folder string
	data   string
	job    int64
	try    int               // 0 means the first
	env    map[string]string // over the fleet's own
}

func newWorkbench(t *testing.T) *workbench {
	t.Helper()
	b := &workbench{t: t, folder: resolved(t), data: resolved(t)}
	dir := t.TempDir()
	if err := Unpack(dir, b.folder); err != nil {
		t.Fatal(err)
	}
	fleet, err := agent.Load(filepath.Join(dir, "agentos.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	b.fleet = fleet
	return b
}

func resolved(t *testing.T) string {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// put writes a file into the folder and returns its content.
func (b *workbench) put(name, content string) string {
	b.t.Helper()
	path := filepath.Join(b.folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		b.t.Fatal(err)
	}
	return content
}

// work is the work folder of an agent, where jobs put it too.
func (b *workbench) work(name string) string { return filepath.Join(b.data, "work", name) }

// run makes one attempt; args is JSON.
func (b *workbench) run(name, args string) (runner.Result, error) {
	b.t.Helper()
	spec := *b.fleet.Agent(name)
	spec.Env = maps.Clone(spec.Env)
	maps.Copy(spec.Env, b.env)
	b.job++
	var lines []string
	result, err := runner.Run(b.t.Context(), runner.Attempt{
		Spec: &spec, JobID: b.job, RunID: b.job, Number: max(b.try, 1), MaxAttempts: spec.MaxAttempts, Args: []byte(args),
		WorkDir: b.work(name),
		OnLine: func(l runner.Line) {
			if l.HasMsg {
				lines = append(lines, l.Level+": "+l.Msg)
			}
		},
	})
	if b.t.Failed() {
		b.t.Logf("%s %s: %v\n%s", name, args, err, strings.Join(lines, "\n"))
	}
	return result, err
}

// ok makes one attempt that must succeed and say something in its log.
func (b *workbench) ok(name, args string) runner.Result {
	b.t.Helper()
	result, err := b.run(name, args)
	if err != nil {
		b.t.Fatalf("%s %s: %v, %q", name, args, err, result.LastLines)
	}
	if len(result.LastLines) == 0 {
		b.t.Errorf("%s said nothing", name)
	}
	return result
}

// fails makes one attempt that must fail with the text in its last line.
func (b *workbench) fails(name, args, text string) {
	b.t.Helper()
	_, err := b.run(name, args)
	var exit *runner.ExitError
	if !errors.As(err, &exit) || exit.Code != 1 || !strings.Contains(exit.Tail, text) {
		b.t.Errorf("%s %.100s: %v, want %q", name, args, err, text)
	}
}

func pathArgs(name string) string { return fmt.Sprintf(`{"path":%s}`, quoted(name)) }

func quoted(s string) string {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// decode reads a result, which must be one object with exactly the fields of T.
func decode[T any](t *testing.T, result runner.Result) T {
	t.Helper()
	var value T
	decoder := json.NewDecoder(bytes.NewReader(result.Stdout))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("%v in %s", err, result.Stdout)
	}
	if rest, _ := io.ReadAll(decoder.Buffered()); len(bytes.TrimSpace(rest)) > 0 {
		t.Errorf("more than one value: %s", result.Stdout)
	}
	return value
}

// nasty are names that break careless scripts.
var nasty = []string{
	"plain.md", "with space.txt", "  spaces  .txt", `quote".txt`, "apostrophe'.txt", `back\slash.txt`, `a\u0041日\n.txt`, "tab\there.txt",
	"line\nbreak.md", "end\n", "-n", "--help.txt", "a=b.txt", "$(touch hacked).txt", "`touch hacked`.txt", "; touch hacked.txt", "*.txt", "[a].txt",
	"?", "%s%n%d.txt", "ümläut.md", "日本語.txt", "🙂.txt", "bell\a.txt", "del\x7f.txt", "#hash", "~", "&amp;.html", "\"path\":\"x\".txt",
	"sub dir/deep.md", "line\nbreak/in folder.txt", "-dash/-file.txt", "é/é.go",
}

func (b *workbench) putNasty() map[string]string {
	content := map[string]string{}
	for i, name := range nasty {
		content[name] = b.put(name, fmt.Sprintf("file %d\nis called %q\n\xff\xfe no newline", i, name))
	}
	return content
}

// noHarm checks that no name was run as a command.
func (b *workbench) noHarm() {
	b.t.Helper()
	for _, dir := range []string{b.folder, b.fleet.Dir, b.work("crawl")} {
		if _, err := os.Stat(filepath.Join(dir, "hacked")); err == nil {
			b.t.Errorf("a file's name was run as a command: in %s", dir)
		}
	}
}
