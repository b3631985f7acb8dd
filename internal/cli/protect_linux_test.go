package cli

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// An agent runs as the same user as the server. What it can read of the server reveals none of its secrets, and it cannot
// read its memory at all. Both run as nobody where this test is root, because root reads everything.
func TestAgentsCannotReadTheServer(t *testing.T) {
	folder := t.TempDir()
	const nobody = 65534
	var as *syscall.Credential
	if os.Geteuid() == 0 {
		as = &syscall.Credential{Uid: nobody, Gid: nobody}
		// The folders above are this test's own, and open to nobody but it.
		for dir := folder; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chown(folder, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	spy := `server=$(awk '/^PPid/ {print $2}' /proc/$PPID/status)
{ for file in environ mem maps auxv cmdline; do echo "== $file"; cat /proc/$server/$file 2>&1 | tr '\0' '\n'; done
  echo "== fd"; ls -l /proc/$server/fd 2>&1
  echo "== own"; env; echo "== supervisor"; tr '\0' '\n' < /proc/$PPID/environ; echo "== end"; } > ` + folder + `/seen.new
mv ` + folder + `/seen.new ` + folder + `/seen`
	fleet := "agents:\n  spy:\n    schedule: \"@every 1s\"\n    command:\n      - sh\n      - -c\n      - |\n        " +
		strings.ReplaceAll(spy, "\n", "\n        ") + "\n"
	file, database := filepath.Join(folder, "agentos.yaml"), filepath.Join(folder, "redis-url")
	for path, content := range map[string]string{file: fleet, database: "redis://u:hush-file@127.0.0.1:1\n"} {
		if err := errors.Join(os.WriteFile(path, []byte(content), 0o600), chown(path, as)); err != nil {
			t.Fatal(err)
		}
	}
	log := openLog(t)
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{"agentos", "serve", "--config", file, "--data", filepath.Join(folder, "data"), "--listen", "127.0.0.1:0"}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "AGENTOS_ADMIN_PASSWORD=hush-admin solar teapot", "AGENTOS_REDIS_URL_FILE=" + database, "PGPASSWORD=hush-pg"}
	cmd.Dir, cmd.Stdout, cmd.Stderr = folder, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}()
	seen := waitForFile(t, filepath.Join(folder, "seen"), log)
	if strings.Contains(seen, "hush") {
		t.Errorf("an agent reads a secret of the server:\n%.3000s", seen)
	}
	for _, what := range []string{"environ", "mem", "fd", "auxv"} {
		_, rest, _ := strings.Cut(seen, "== "+what+"\n")
		if part, _, _ := strings.Cut(rest, "== "); !strings.Contains(part, "ermission denied") {
			t.Errorf("an agent reads %s of the server: %.300q", what, part)
		}
	}
	// For root, who may read them, too.
	for _, name := range []string{"environ", "cmdline"} {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/" + name)
		if strings.Contains(string(text), "hush") || err != nil && !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s of the server: %q, %v", name, text, err)
		}
	}
	if text := textOf(log); !strings.Contains(text, "dashboard") {
		t.Errorf("the server did not start as it should: %s", text)
	}
}

func chown(path string, as *syscall.Credential) error {
	if as == nil {
		return nil
	}
	return os.Chown(path, int(as.Uid), int(as.Gid))
}

// openLog is where a process writes to.
func openLog(t *testing.T) *os.File {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}

func textOf(log *os.File) string {
	text, _ := os.ReadFile(log.Name())
	return string(text)
}

func waitForFile(t *testing.T, path string, log *os.File) string {
	t.Helper()
	deadline := time.After(60 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		text, err := os.ReadFile(path)
		if err == nil {
			return string(text)
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%v\n%s", err, textOf(log))
		}
	}
}

// Passwords on the command line are out of /proc as soon as the process runs; the rest of it stays for people.
func TestCommandLineShowsNoPasswords(t *testing.T) {
	file := filepath.Join(t.TempDir(), "agentos.yaml")
	if err := os.WriteFile(file, []byte("agents:\n  greet: {command: [echo, hello]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{"agentos", "serve", "--database", "postgres://anna:hu@sh@127.0.0.1:1/x?sslmode=disable", "--config", file, "--data", t.TempDir(), "--listen", "127.0.0.1:0"}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "AGENTOS_REDIS_URL=redis://:hush@127.0.0.1:1"}
	if err := cmd.Start(); err != nil { // it waits for Postgres
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	pid := strconv.Itoa(cmd.Process.Pid)
	read := func(name string) string {
		text, _ := os.ReadFile("/proc/" + pid + "/" + name)
		return string(text)
	}
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	var line string
	for line == "" || strings.Contains(line, "hu@sh") || strings.Contains(read("environ"), "hush") {
		select {
		case <-tick.C:
			line = read("cmdline")
		case <-deadline:
			t.Fatalf("the command line is %q, the environment %q", line, read("environ"))
		}
	}
	if !strings.Contains(line, "postgres://anna:xxxxx@127.0.0.1:1/x") {
		t.Errorf("the command line is %q", line)
	}
}
