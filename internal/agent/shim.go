package agent

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// nothingLeft is the time it takes at most to see that the child left nothing behind, without looking at all
	// processes of the machine.
	nothingLeft = 2 * time.Millisecond

	sweepEvery = 20 * time.Millisecond
	sweepFor   = 5 * time.Second // after which what cannot be killed is reported and left
)

// ShimMain is `agentos shim`: the supervisor of one attempt, started by [Run] as a copy of the host's own program. It
// starts the child, waits for it, and makes sure that nothing of the attempt stays behind: when the child ends, when
// the host says stop, and when the host dies, which closes the control pipe. The program's main calls it before
// anything else when its first argument is "shim"; args, what follows, is only there to be seen in a list of processes.
//
// It returns the exit status: 0 when the attempt was reported, 2 when it was not started by Run.
func ShimMain(args []string) int {
	runtime.LockOSThread() // the child's parent-death signal is tied to the thread that forks it
	syscall.CloseOnExec(controlFD)
	syscall.CloseOnExec(reportFD)
	control, report := os.NewFile(controlFD, "control"), os.NewFile(reportFD, "report")
	if os.Getenv(shimMark) == "" || control == nil || report == nil {
		_, _ = io.WriteString(os.Stderr, "agentos shim is started by agentos itself, for each attempt\n")
		return 2
	}
	o, err := readOrder(control)
	if err != nil {
		return 1 // the host is gone
	}
	s := &shim{order: o, control: control, reports: json.NewEncoder(report)}
	return s.run()
}

type shim struct {
	order   order
	control *os.File
	reports *json.Encoder
	child   int
	exited  chan syscall.WaitStatus // the child's, once
	alone   chan struct{}           // closed when there is no child left, adopted ones included
}

func (s *shim) run() int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT) // to outlive the child
	becomeReaper(s.order.Name)
	if err := s.start(); err != nil {
		return s.send(failure(err))
	}
	_ = s.send(report{PID: s.child}) // should the host be gone, control says so
	s.exited, s.alone = make(chan syscall.WaitStatus, 1), make(chan struct{})
	go s.reap()
	status, stopped := s.supervise(s.watchHost(), signals)
	result := report{Ended: true, Code: status.ExitStatus(), Stopped: stopped}
	if status.Signaled() {
		result.Code, result.Signal = -1, int(status.Signal())
	}
	_ = s.send(result)
	return s.send(report{Swept: true, Left: s.sweep()})
}

// start forks the child and lets go of the three standard files, so that their other ends see when the child has.
func (s *shim) start() error {
	attr := &syscall.ProcAttr{
		Dir:   s.order.Dir,
		Env:   s.order.Env,
		Files: []uintptr{0, 1, 2},
		Sys:   childAttr(),
	}
	keepPrivate()
	pid, err := syscall.ForkExec(s.order.Program, s.order.Argv, attr)
	if err != nil {
		return err
	}
	s.child = pid
	if null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0); err == nil {
		for fd := range 3 {
			_ = replaceFD(null, fd)
		}
	}
	return nil
}

// reap collects every child until there is none. It ends with the last one, at the latest with the process.
func (s *shim) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil: // ECHILD
			close(s.alone)
			return
		case pid == s.child && (status.Exited() || status.Signaled()):
			s.exited <- status
		}
	}
}

// watchHost returns a channel that gets a value when the host says stop and is closed when it is gone.
func (s *shim) watchHost() <-chan struct{} {
	orders := make(chan struct{}, 1)
	go func() { // ends with the process
		defer close(orders)
		var b [1]byte
		for {
			if _, err := s.control.Read(b[:]); err != nil {
				return
			}
			if b[0] == stop {
				select {
				case orders <- struct{}{}:
				default:
				}
			}
		}
	}()
	return orders
}

// supervise waits for the child's end, bringing it about when the host says so or is gone.
func (s *shim) supervise(orders <-chan struct{}, signals <-chan os.Signal) (status syscall.WaitStatus, stopped bool) {
	var grace <-chan time.Time
	terminate := func() {
		if !stopped {
			stopped = true
			grace = time.After(s.order.Grace)
			_ = syscall.Kill(-s.child, syscall.SIGTERM)
			_ = syscall.Kill(-s.child, syscall.SIGCONT) // a stopped process would not see it
		}
	}
	for {
		select {
		case status = <-s.exited:
			return status, stopped
		case _, hostLives := <-orders:
			if hostLives {
				terminate()
				continue
			}
			orders, stopped = nil, true
			s.kill()
		case <-signals: // someone stops this attempt by hand
			terminate()
		case <-grace:
			s.kill()
		}
	}
}

// kill ends the child and everything that descends from it.
func (s *shim) kill() {
	_ = syscall.Kill(-s.child, syscall.SIGKILL)
	_ = syscall.Kill(s.child, syscall.SIGKILL) // it may have left its group
	killDescendants()
}

// sweep kills what the child left behind and returns how many processes it could not kill.
func (s *shim) sweep() int {
	_ = syscall.Kill(-s.child, syscall.SIGKILL)
	deadline := time.After(sweepFor)
	for wait := nothingLeft; ; wait = sweepEvery {
		select {
		case <-s.alone:
			return 0
		case <-time.After(wait):
			killDescendants()
		case <-deadline:
			return countDescendants()
		}
	}
}

func (s *shim) send(r report) int {
	if err := s.reports.Encode(r); err != nil {
		return 1
	}
	return 0
}

func failure(err error) report {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return report{Errno: int(errno)}
	}
	return report{Error: err.Error()}
}
