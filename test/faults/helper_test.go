//go:build linux

package faults

import (
	"bufio"
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	_ "modernc.org/sqlite" // the driver of the locks held from outside
)

// helperRole is the variable that makes this test binary play another process.
const helperRole = "AGENTOS_FAULTS_HELPER"

func runHelper(role string) int {
	switch role {
	case "leash":
		return runLeash(os.Stdin)
	case "lock":
		return runLock(os.Args[1], os.Args[2:])
	case "seize":
		return runSeize(os.Args[1])
	case "control":
		return runControl(os.Args[1])
	}
	return complain(fmt.Errorf("there is no helper %q", role))
}

// leash is the process that cleans up when the tests cannot: it learns what they started and mounted, and ends it when
// its standard input ends, which also happens when the tests are killed or time out.
var leash leashed

type leashed struct {
	mu    sync.Mutex
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

func (l *leashed) begin() error {
	l.cmd = exec.Command("/proc/self/exe")
	l.cmd.Env = append(os.Environ(), helperRole+"=leash")
	l.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	var err error
	if l.stdin, err = l.cmd.StdinPipe(); err != nil {
		return err
	}
	return l.cmd.Start()
}

func (l *leashed) end() {
	_ = l.stdin.Close()
	_ = l.cmd.Wait()
}

// add and drop hand the leash one thing to end, or take it back: "kill PGID" or "umount PATH".
func (l *leashed) add(what string)  { l.say("+" + what) }
func (l *leashed) drop(what string) { l.say("-" + what) }

func (l *leashed) say(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = fmt.Fprintln(l.stdin, line)
}

func runLeash(orders io.Reader) int {
	held := map[string]bool{}
	for lines := bufio.NewScanner(orders); lines.Scan(); {
		line := lines.Text()
		held[line[1:]] = line[0] == '+'
	}
	for what, still := range held {
		verb, object, _ := strings.Cut(what, " ")
		switch {
		case !still:
		case verb == "kill":
			if group, err := strconv.Atoi(object); err == nil && group > 1 {
				_ = syscall.Kill(-group, syscall.SIGKILL)
			}
		case verb == "umount":
			_ = syscall.Unmount(object, syscall.MNT_DETACH)
		}
	}
	return 0
}

// runLock opens a database, runs statements on one connection, says so, and keeps what they hold until its standard
// input ends. It is a process of its own because SQLite's locks are per process.
func runLock(path string, statements []string) int {
	database, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(20000)")
	if err != nil {
		return complain(err)
	}
	defer database.Close()
	database.SetMaxOpenConns(1)
	for _, statement := range statements {
		rows, err := database.Query(statement)
		if err == nil {
			for rows.Next() {
			}
			err = rows.Err()
			_ = rows.Close()
		}
		if err != nil {
			return complain(fmt.Errorf("%s: %w", statement, err))
		}
	}
	fmt.Println("held")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// runSeize takes all locks of a database in the way SQLite itself does, on bytes of its shared memory file, so that
// every statement of others waits. It keeps them until its standard input ends.
func runSeize(path string) int {
	const firstLock, locks = 120, 8 // for writing, checkpoint, recovery and five for reading
	file, err := os.OpenFile(path+"-shm", os.O_RDWR, 0)
	if err != nil {
		return complain(err)
	}
	defer file.Close()
	for at := range int64(locks) {
		lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart, Start: firstLock + at, Len: 1}
		if err := syscall.FcntlFlock(file.Fd(), syscall.F_SETLKW, &lock); err != nil {
			return complain(err)
		}
	}
	fmt.Println("held")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// hold makes another process run SQL statements on a database and stay there, with all the locks they take, until the
// returned function is called.
func hold(t *testing.T, path string, statements ...string) (release func()) {
	t.Helper()
	return helper(t, "lock", append([]string{path}, statements...)...)
}

// seize makes another process hold all locks of a database until the returned function is called.
func seize(t *testing.T, path string) (release func()) {
	t.Helper()
	return helper(t, "seize", path)
}

// helper starts another process that takes hold of something, and waits until it has.
func helper(t *testing.T, role string, args ...string) (release func()) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), helperRole+"="+role)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	group := fmt.Sprintf("kill %d", cmd.Process.Pid)
	leash.add(group)
	release = sync.OnceFunc(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
		leash.drop(group)
	})
	t.Cleanup(release)
	if said, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || said != "held\n" {
		t.Fatalf("%s %v from another process: %q %v", role, args, said, err)
	}
	return release
}
