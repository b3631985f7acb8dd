package runner

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/agentos/agentos/internal/supervisor"
)

// child is a supervisor process, as its host sees it.
type child struct {
	cmd     *exec.Cmd
	socket  *net.UnixConn
	reports chan supervisor.Report
	ended   chan struct{} // closed, after reports, when the process has ended
	stderr  head
	hung    atomic.Bool // it had to be killed
	since   time.Time   // idle
}

// startChild starts a supervisor. When it has ended by itself, and after that, onEnd is called.
func startChild(argv []string, onEnd func(*child)) (*child, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, fmt.Errorf("make a socket: %w", err)
	}
	defer theirs.Close()
	// It reads no input and writes no output. /dev/null, which it would have for these, is not in every container.
	input, output, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make a pipe: %w", err), ours.Close())
	}
	defer input.Close()
	defer output.Close()
	c := &child{socket: ours, reports: make(chan supervisor.Report, 4), ended: make(chan struct{})}
	c.cmd = exec.Command(argv[0], slices.Concat(argv[1:], supervisor.Args())...)
	c.cmd.Env = supervisor.Environ()
	c.cmd.Stdin, c.cmd.Stdout = input, output
	c.cmd.Stderr = &c.stderr // it says nothing unless it crashes
	c.cmd.ExtraFiles = []*os.File{theirs}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal, so that Ctrl-C reaches only the host
	c.cmd.WaitDelay = drainFor
	adoptOrphans()
	if err := c.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the supervisor: %w", err), ours.Close())
	}
	go func() {
		c.read()
		onEnd(c)
	}()
	return c, nil
}

// read passes on what the supervisor reports until it ends, and collects it.
func (c *child) read() {
	defer close(c.ended)
	from := bufio.NewReaderSize(c.socket, 256)
	var err error
	for err == nil {
		var next supervisor.Report
		if next, err = supervisor.ReadReport(from); err == nil {
			c.reports <- next
		}
	}
	if !errors.Is(err, net.ErrClosed) { // it let go of us, and has to end
		late := time.AfterFunc(drainFor, func() {
			c.hung.Store(true)
			c.kill()
		})
		defer late.Stop()
	}
	_ = c.socket.Close()
	_ = c.cmd.Wait()
	close(c.reports)
}

// order sends an order with its files.
func (c *child) order(frame []byte, files []*os.File) error {
	fds := make([]int, len(files))
	for i, file := range files {
		fds[i] = int(file.Fd()) // which makes it block, as a program expects of its files
	}
	_ = c.socket.SetWriteDeadline(time.Now().Add(startFor))
	sent, _, err := c.socket.WriteMsgUnix(frame, syscall.UnixRights(fds...), nil)
	if err == nil && sent < len(frame) {
		_, err = c.socket.Write(frame[sent:])
	}
	return err
}

// say sends a word. It fails when the supervisor is gone, which the reports show, and when it hangs and has not listened for
// so long that the socket is full.
func (c *child) say(word byte) {
	_ = c.socket.SetWriteDeadline(time.Now().Add(beatEvery))
	_, _ = c.socket.Write([]byte{word})
}

// disown lets go of a supervisor that this process does not wait for.
func (c *child) disown() { _ = c.socket.Close() }

// kill ends the process. Its program, if it has one, then gets SIGKILL too, on Linux.
func (c *child) kill() { _ = c.cmd.Process.Kill() }

// wait returns when the process has ended.
func (c *child) wait() {
	for range c.reports { // read may wait for somebody to take one
	}
	<-c.ended
}

// lost reports whether the process has ended.
func (c *child) lost() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// signal is what ended the process; 0 when it exited.
func (c *child) signal() syscall.Signal {
	c.wait()
	if status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() && !c.hung.Load() {
		return status.Signal()
	}
	return 0
}

// socketPair returns the two ends of a stream socket, which no other program that we start gets to see.
func socketPair() (ours *net.UnixConn, theirs *os.File, err error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, err
	}
	file := os.NewFile(uintptr(fds[0]), "supervisor")
	theirs = os.NewFile(uintptr(fds[1]), "host")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return conn.(*net.UnixConn), theirs, nil
}

// head keeps the beginning of what is written.
type head struct {
	mu   sync.Mutex
	text []byte
}

func (h *head) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text = append(h.text, b[:min(len(b), 1000-len(h.text))]...)
	return len(b), nil
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return string(h.text)
}
