//go:build linux

package faults

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is one run of the binary, in a process group of its own.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr *transcript
	exited         chan struct{} // closed when it has ended and status is set
	status         int           // -1 when a signal ended it
	began          time.Time
}

// launch starts the binary. It is killed with its group at the end of the test at the latest.
func launch(t testing.TB, env []string, as *syscall.Credential, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(binary, args...), exited: make(chan struct{}), began: time.Now()}
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/tmp", "TMPDIR=" + os.TempDir()}, env...)
	p.cmd.Dir = "/"
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: as}
	var closers []io.Closer
	p.stdout, closers = follow(t, &p.cmd.Stdout, closers)
	p.stderr, closers = follow(t, &p.cmd.Stderr, closers)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, c := range closers {
		_ = c.Close()
	}
	group := fmt.Sprintf("kill %d", p.pid())
	leash.add(group)
	go func() { // ends with the process
		_ = p.cmd.Wait()
		p.status = p.cmd.ProcessState.ExitCode()
		leash.drop(group)
		close(p.exited)
	}()
	t.Cleanup(func() { p.end(t) })
	return p
}

// end ends a process and complains when it died of something that no fault explains.
func (p *process) end(t testing.TB) {
	_ = syscall.Kill(-p.pid(), syscall.SIGKILL)
	<-p.exited
	text := p.stderr.String()
	for _, sign := range []string{"panic:", "fatal error:", "DATA RACE", "goroutine 1 ["} {
		if strings.Contains(text, sign) {
			t.Errorf("the process (pid %d) crashed: its standard error has %q", p.pid(), sign)
		}
	}
	if t.Failed() {
		t.Logf("standard error of pid %d, from its end:\n%s", p.pid(), lastLines(text, 6000))
	}
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatalf("send %v to the process: %v", s, err)
	}
}

// alive is an error once the process has ended.
func (p *process) alive() error {
	select {
	case <-p.exited:
		return fmt.Errorf("the process ended with status %d: %s", p.status, lastLines(p.stderr.String(), 20))
	default:
		return nil
	}
}

// wait gives the exit status.
func (p *process) wait(t testing.TB, timeout time.Duration) int {
	t.Helper()
	select {
	case <-p.exited:
		return p.status
	case <-time.After(timeout):
		t.Fatalf("the process has not ended within %v", timeout)
		return 0
	}
}

// transcript is what a process has written so far.
type transcript struct {
	mu    sync.Mutex
	text  strings.Builder
	more  chan struct{} // closed and replaced when a line comes
	ended chan struct{} // closed when nothing more can come
}

// follow connects one of a command's outputs to a transcript. The closer is for after the start.
func follow(t testing.TB, output *io.Writer, closers []io.Closer) (*transcript, []io.Closer) {
	t.Helper()
	ours, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	*output = theirs
	s := &transcript{more: make(chan struct{}), ended: make(chan struct{})}
	go s.read(ours)
	return s, append(closers, theirs)
}

// read ends when every holder of the other end is gone.
func (s *transcript) read(from io.ReadCloser) {
	defer close(s.ended)
	defer from.Close()
	const enough = 4 << 20
	reader := bufio.NewReader(from)
	for {
		line, err := reader.ReadString('\n')
		s.mu.Lock()
		if s.text.Len() < enough {
			s.text.WriteString(line)
		}
		close(s.more)
		s.more = make(chan struct{})
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// after waits for a line that holds the prefix and gives the rest of that line.
func (s *transcript) after(prefix string, timeout time.Duration) (string, error) {
	deadline := time.After(timeout)
	for {
		s.mu.Lock()
		text, more := s.text.String(), s.more
		s.mu.Unlock()
		if _, rest, found := strings.Cut(text, prefix); found {
			if line, _, whole := strings.Cut(rest, "\n"); whole {
				return strings.TrimSpace(line), nil
			}
		}
		select {
		case <-more:
		case <-s.ended:
			return "", fmt.Errorf("the output ended without %q: %s", prefix, s)
		case <-deadline:
			return "", fmt.Errorf("no line with %q within %v: %s", prefix, timeout, text)
		}
	}
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
