package shim

import (
	"errors"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// nothingLeft is the time it takes at most to see that the child left nothing behind, without looking at all
	// processes of the machine.
	nothingLeft = 2 * time.Millisecond

	sweepEvery = 20 * time.Millisecond

	// SweepFor is the time after which what cannot be killed is reported. It is waited for, however long that takes.
	SweepFor = 5 * time.Second

	// lookEvery is how often what was killed and lives is killed again, and looked at: one that runs as another user
	// is reported at the first look.
	lookEvery = 500 * time.Millisecond

	// secondLook is how long the host has, after the fence has passed, to be heard after all: on a machine that stood
	// still altogether its word may be on its way.
	secondLook = 500 * time.Millisecond
)

type supervisor struct {
	order   Order
	control *os.File
	report  *os.File
	child   int
	exited  chan syscall.WaitStatus // the child's, once
	alone   chan struct{}           // closed when there is no child left, adopted ones included
	heard   atomic.Int64            // when the host was heard last, since began
	began   time.Time

	stopped, fenced bool
	killed          time.Time // when the attempt was killed first
	kept            bool      // it is reported that something of it could not be
}

func (s *supervisor) run() int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT) // to outlive the child
	becomeReaper(s.order.Name)
	if err := s.start(); err != nil {
		return s.send(failure(err))
	}
	_ = s.send(Report{Step: Started, PID: s.child}) // should the host be gone, control says so
	s.exited, s.alone = make(chan syscall.WaitStatus, 1), make(chan struct{})
	s.began = time.Now()
	go s.reap()
	status := s.supervise(s.watchHost(), signals)
	result := Report{Step: Ended, Code: status.ExitStatus(), Stopped: s.stopped, Fenced: s.fenced}
	if status.Signaled() {
		result.Code, result.Signal = -1, int(status.Signal())
	}
	_ = s.send(result)
	s.sweep()
	return s.send(Report{Step: Swept})
}

// start forks the child and lets go of the three standard files, so that their other ends see when the child has.
func (s *supervisor) start() error {
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
	if null, err := syscall.Open(os.DevNull, syscall.O_RDWR|syscall.O_CLOEXEC, 0); err == nil {
		for fd := range 3 {
			_ = replaceFD(null, fd)
		}
	}
	return nil
}

// reap collects every child until there is none. It ends with the last one, at the latest with the process.
func (s *supervisor) reap() {
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
func (s *supervisor) watchHost() <-chan struct{} {
	orders := make(chan struct{}, 1)
	go func() { // ends with the process
		defer close(orders)
		var b [16]byte
		for {
			n, err := s.control.Read(b[:])
			if err != nil {
				return
			}
			s.heard.Store(int64(time.Since(s.began)))
			for _, word := range b[:n] {
				if word == Stop {
					select {
					case orders <- struct{}{}:
					default:
					}
				}
			}
		}
	}()
	return orders
}

// supervise waits for the child's end, bringing it about when the host says so, is silent for too long, or is gone.
func (s *supervisor) supervise(orders <-chan struct{}, signals <-chan os.Signal) syscall.WaitStatus {
	var grace, fence, look <-chan time.Time
	kill := func() {
		s.kill()
		look = time.After(lookEvery)
	}
	terminate := func() {
		if !s.stopped {
			s.stopped = true
			grace = time.After(s.order.Grace)
			_ = syscall.Kill(-s.child, syscall.SIGTERM)
			_ = syscall.Kill(-s.child, syscall.SIGCONT) // a stopped process would not see it
		}
	}
	if s.order.Fence > 0 {
		fence = time.After(s.order.Fence)
	}
	for suspect := false; ; {
		select {
		case status := <-s.exited:
			return status
		case _, hostLives := <-orders:
			if hostLives {
				terminate()
				continue
			}
			orders, fence, s.stopped = nil, nil, true
			kill()
		case <-fence:
			silent := time.Since(s.began) - time.Duration(s.heard.Load())
			switch {
			case silent < s.order.Fence:
				suspect, fence = false, time.After(s.order.Fence-silent)
			case !suspect:
				suspect, fence = true, time.After(secondLook)
			default:
				fence, s.stopped, s.fenced = nil, true, true
				kill()
			}
		case <-signals: // someone stops this attempt by hand
			terminate()
		case <-grace:
			kill()
		case <-look:
			s.reportKept(s.survivors())
			kill()
		}
	}
}

// kill ends the child and everything that descends from it.
func (s *supervisor) kill() {
	_ = syscall.Kill(-s.child, syscall.SIGKILL)
	_ = syscall.Kill(s.child, syscall.SIGKILL) // it may have left its group
	killDescendants()
	if s.killed.IsZero() {
		s.killed = time.Now()
	}
}

// survivors lists the processes of the attempt that live.
func (s *supervisor) survivors() []int {
	if found := descendants(); found != nil {
		return found
	}
	return []int{s.child}
}

// reportKept says, once, that something of the attempt could not be killed: it runs as another user, which only root may
// end, or the system holds it.
func (s *supervisor) reportKept(living []int) {
	if s.kept || len(living) == 0 {
		return
	}
	r := Report{Step: Kept, PID: living[0], Left: len(living)}
	for _, pid := range living {
		if errors.Is(syscall.Kill(pid, 0), syscall.EPERM) {
			r.PID, r.Errno = pid, int(syscall.EPERM)
			break
		}
	}
	if r.Errno == 0 && time.Since(s.killed) < SweepFor {
		return
	}
	s.kept = true
	_ = s.send(r)
}

// sweep kills what the child left behind, and returns when nothing is left.
func (s *supervisor) sweep() {
	_ = syscall.Kill(-s.child, syscall.SIGKILL)
	if s.killed.IsZero() {
		s.killed = time.Now()
	}
	began := time.Now()
	for wait := nothingLeft; ; wait = sweepEvery { // ends when the last one does
		if time.Since(began) > lookEvery {
			wait = lookEvery
			s.reportKept(descendants())
		}
		select {
		case <-s.alone:
			return
		case <-time.After(wait):
			killDescendants()
		}
	}
}

func (s *supervisor) send(r Report) int {
	if err := WriteReport(s.report, r); err != nil {
		return 1
	}
	return 0
}

func failure(err error) Report {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return Report{Step: Failed, Errno: int(errno)}
	}
	return Report{Step: Failed, Error: err.Error()}
}
