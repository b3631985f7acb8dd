package runner

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// lifeline is a named pipe that every process of an attempt holds open for writing: it ends when the last one is dead.
type lifeline struct {
	t    testing.TB
	path string
	said chan string   // lines written to it
	dead chan struct{} // closed when no process holds it any more
}

func newLifeline(t testing.TB) *lifeline {
	l := &lifeline{t, filepath.Join(t.TempDir(), "life"), make(chan string, 100), make(chan struct{})}
	if err := syscall.Mkfifo(l.path, 0o600); err != nil {
		t.Fatal(err)
	}
	go l.follow()
	t.Cleanup(func() { // ends follow when nobody ever came
		if f, err := os.OpenFile(l.path, os.O_RDWR|syscall.O_NONBLOCK, 0); err == nil {
			f.Close()
		}
	})
	return l
}

func (l *lifeline) follow() {
	defer close(l.dead)
	f, err := os.Open(l.path) // waits for the first writer
	if err != nil {
		return
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		l.said <- lines.Text()
	}
}

// hold is shell code: from here on this process and all it starts hold the pipe as file 9.
func (l *lifeline) hold() string { return "exec 9>'" + l.path + "'\n" }

// wait returns when a process has written the line.
func (l *lifeline) wait(line string) {
	l.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case said := <-l.said:
			if said == line {
				return
			}
		case <-deadline:
			l.t.Fatalf("nobody said %q", line)
		}
	}
}

// perBareDeath is how many times as long as a bare process a busy machine may take to be rid of those of an attempt.
const perBareDeath = 20

// gone returns when every process is dead; it fails when that takes longer than within. Where that is over, a bare process shows how
// busy the machine is.
func (l *lifeline) gone(within time.Duration) {
	l.t.Helper()
	select {
	case <-l.dead:
		return
	case <-time.After(within):
	}
	late := perBareDeath * bareDeath(l.t)
	select {
	case <-l.dead:
	case <-time.After(late):
		l.t.Fatalf("processes are alive after %s", within+late)
	}
}

// bareDeath is how long it takes to start a process, to kill it, and to see that it is gone: some milliseconds.
func bareDeath(t testing.TB) time.Duration {
	t.Helper()
	began := time.Now()
	bare := exec.Command("sleep", "1000")
	out, err := bare.StdoutPipe()
	if err == nil {
		err = bare.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = bare.Process.Kill()
	_, _ = io.Copy(io.Discard, out)
	_ = bare.Wait()
	return time.Since(began)
}
