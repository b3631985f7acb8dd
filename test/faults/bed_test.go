//go:build linux

package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// bed is a data folder with the agents' file of its fleet, and the server that runs on them now.
type bed struct {
	t          *testing.T
	dir        string
	data       string
	config     string
	mark       string // a number in the environment of the server and of all its agents, by which they are found
	token      string // of an admin
	flags      []string
	as         *syscall.Credential // who runs the server; nil for the user of the tests
	linkTarget string              // what config is a link to, if it is one
	overlap    string              // how attempts at one job that are alive at the same time are noticed, see exclusive; empty for not at all

	server  *process
	address atomic.Pointer[string] // "http://127.0.0.1:1234"
	down    atomic.Bool            // no answer is expected now
	starts  atomic.Int64           // of servers
	client  *http.Client
}

const adminPassword = "correct horse battery staple"

// agents is a fleet as agentos.yaml has it, by name. The file is written as JSON, which is YAML too.
type agents map[string]map[string]any

// shell is an agent that runs a script; settings are pairs of keys and values.
func shell(script string, settings ...any) map[string]any {
	spec := map[string]any{"command": []string{"sh", "-c", script}}
	for i := 0; i < len(settings); i += 2 {
		spec[settings[i].(string)] = settings[i+1]
	}
	return spec
}

// newBed makes a bed with an admin's token, which also makes the database. Options change the bed before.
func newBed(t *testing.T, fleet agents, options ...func(*bed)) *bed {
	t.Helper()
	dir, err := os.MkdirTemp("", "agentos-fault-") //nolint:usetesting // clear removes it, once the processes that write there are gone
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{
		t: t, dir: dir, data: filepath.Join(dir, "data"), config: filepath.Join(dir, "agentos.yaml"),
		mark:   strconv.Itoa(1_000_000_000 + rand.IntN(1_000_000_000)),
		flags:  []string{"--interval", pick("5s", "1s"), "--log-level", "info"},
		client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 8}},
	}
	t.Cleanup(b.clear)
	for _, option := range options {
		option(b)
	}
	b.must(os.Chmod(b.dir, 0o755))
	b.must(os.MkdirAll(b.data, 0o755))
	b.own(b.data)
	if b.overlap != "" {
		fleet = b.guard(fleet)
	}
	b.writeFleet(fleet)
	b.run("migrate", "--data", b.data, "--config", b.config)
	b.token = b.run("token", "create", "fault-tests", "--role", "admin", "--data", b.data, "--config", b.config)
	return b
}

// clear ends whatever is left of the bed.
func (b *bed) clear() {
	b.client.CloseIdleConnections()
	for _, left := range marked(b.mark) {
		_ = syscall.Kill(left.pid, syscall.SIGKILL)
	}
	_ = os.RemoveAll(b.dir)
}

func (b *bed) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// own gives a file to the user who runs the server.
func (b *bed) own(path string) {
	if b.as != nil {
		b.must(os.Chown(path, int(b.as.Uid), int(b.as.Gid)))
	}
}

// writeFleet replaces the agents' file in one step.
func (b *bed) writeFleet(fleet agents) {
	b.t.Helper()
	for _, spec := range fleet {
		environment := map[string]string{"MARK": b.mark}
		if given, ok := spec["env"].(map[string]string); ok {
			for key, value := range given {
				environment[key] = value
			}
		}
		spec["env"] = environment
	}
	text, err := json.MarshalIndent(map[string]any{"agents": fleet}, "", "  ")
	b.must(err)
	b.writeConfig(text)
}

func (b *bed) writeConfig(text []byte) {
	b.t.Helper()
	path := b.config
	if b.linkTarget != "" {
		path = b.linkTarget
	}
	b.must(os.WriteFile(path+".new", text, 0o644))
	b.must(os.Rename(path+".new", path))
}

// run runs a command of the binary to its end and gives its standard output.
func (b *bed) run(args ...string) string {
	b.t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: b.as}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		b.t.Fatalf("agentos %s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// launch starts a command that works on the bed's data folder.
func (b *bed) launch(command string, flags ...string) *process {
	b.t.Helper()
	args := append([]string{command, "--data", b.data, "--config", b.config}, flags...)
	return launch(b.t, []string{"MARK=" + b.mark, "AGENTOS_ADMIN_PASSWORD=" + adminPassword, "AGENTOS_MAX_STREAMS=100000"}, b.as, args...)
}

// start starts the server and waits for its first answer of the document. It returns the time to that answer.
func (b *bed) start() time.Duration {
	b.t.Helper()
	b.server = b.launch("serve", append([]string{"--listen", "127.0.0.1:0"}, b.flags...)...)
	b.starts.Add(1)
	address, err := b.server.stdout.after("dashboard ", 20*time.Second)
	if err != nil {
		b.t.Fatalf("start the server: %v\n%s", err, b.server.stderr.String())
	}
	b.address.Store(&address)
	eventually(b.t, 20*time.Second, "first answer of the server", func() error {
		if err := b.server.alive(); err != nil {
			b.t.Fatal(err)
		}
		_, err := b.document()
		return err
	})
	took := time.Since(b.server.began)
	b.down.Store(false)
	return took
}

// kill ends the server with SIGKILL, the server alone.
func (b *bed) kill() {
	b.t.Helper()
	b.down.Store(true)
	b.server.signal(b.t, syscall.SIGKILL)
	b.server.wait(b.t, 20*time.Second)
}

// touch makes an empty file beside the data folder.
func (b *bed) touch(name string) {
	b.t.Helper()
	b.must(os.WriteFile(filepath.Join(b.dir, name), nil, 0o644))
}

// file is the path of something in the data folder.
func (b *bed) file(name string) string { return filepath.Join(b.data, name) }

func (b *bed) database() string { return b.file("agentos.db") }

func (b *bed) lastGood() string { return b.file("snapshot.json") }

// asNobody runs the server as an unprivileged user when the tests run as root, so that permissions matter.
func asNobody(b *bed) {
	if os.Getuid() == 0 {
		b.as = &syscall.Credential{Uid: 65534, Gid: 65534}
		b.must(os.Chown(b.dir, 65534, 65534))
	}
}

// guarded makes the agents notice other living attempts at the same job; overlaps lists them.
func guarded(b *bed) { b.overlap = "-n" }

// user says who runs the server.
func (b *bed) user() string {
	if b.as != nil {
		return fmt.Sprintf("uid %d", b.as.Uid)
	}
	return fmt.Sprintf("uid %d", os.Getuid())
}
