package supervisor

import (
	"errors"
	"syscall"
	"time"
)

const (
	// nothingLeft is the time it takes at most to see that the program left nothing behind, without looking at all
	// processes of the machine.
	nothingLeft = 2 * time.Millisecond

	sweepEvery = 20 * time.Millisecond

	// SweepFor is the time after which what cannot be killed is reported. It is waited for, however long that takes.
	SweepFor = 5 * time.Second

	// lookEvery is how often what was killed and lives is killed again, and looked at: one that runs as another user
	// is reported at the first look.
	lookEvery = 500 * time.Millisecond

	// secondLook is how long the host has, after the fence has passed, to say something after all: on a machine that was
	// suspended as a whole its heartbeat may be on its way.
	secondLook = 500 * time.Millisecond

	// brief is how long a program may run before a thread is spent on collecting what ends of it, and what it leaves behind.
	brief = 100 * time.Millisecond
)

// attempt is the one that runs. When it is over this process has no child, and no file of it is open.
type attempt struct {
	*supervisor
	order     Order
	files     []int
	child     int
	pidfd     int
	exited    chan syscall.WaitStatus // the program's, once
	childless chan struct{}           // closed when there is no child left, adopted ones included

	stopped, fenced bool
	killed          time.Time // when the attempt was killed first
	kept            bool      // it is reported that something of it could not be
}

// run makes the attempt; it returns when nothing of it is left. It is false when the host is gone.
func (a *attempt) run() (hostLives bool) {
	var err error
	begun := make(chan struct{})
	a.starts <- func() {
		err = a.start()
		close(begun)
	}
	<-begun
	if err == nil {
		_ = a.send(Report{Step: Started, PID: a.child}) // should the host be gone, the messages end
	}
	for _, fd := range a.files[:leastFiles] { // so that their other ends see when the program lets go of them
		_ = syscall.Close(fd)
	}
	if err != nil {
		a.release()
		return a.send(failure(err))
	}
	a.exited, a.childless = make(chan syscall.WaitStatus, 1), make(chan struct{})
	go a.reap()
	status := a.supervise()
	ended := Report{Step: Ended, Code: status.ExitStatus(), Stopped: a.stopped, Fenced: a.fenced}
	if status.Signaled() {
		ended.Code, ended.Signal = -1, int(status.Signal())
	}
	_ = syscall.Kill(-a.child, syscall.SIGKILL)
	select {
	case <-a.childless: // as a rule
		a.release()
		return a.send(ended, Report{Step: Swept})
	default:
	}
	_ = a.send(ended)
	a.sweep()
	a.release()
	return a.send(Report{Step: Swept})
}

// release lets go of what the host wants to be held until the attempt is over.
func (a *attempt) release() {
	for _, fd := range a.files[leastFiles:] {
		_ = syscall.Close(fd)
	}
}

// start forks the program.
func (a *attempt) start() error {
	a.pidfd = -1
	pid, err := syscall.ForkExec(a.order.Program, a.order.Argv, &syscall.ProcAttr{
		Dir:   a.order.Dir,
		Env:   a.order.Env,
		Files: []uintptr{uintptr(a.files[0]), uintptr(a.files[1]), uintptr(a.files[2])},
		Sys:   childAttr(&a.pidfd),
	})
	a.child = pid
	return err
}

// reap collects every child until there is none. It ends with the last one, at the latest with the process.
func (a *attempt) reap() {
	waitBriefly(a.pidfd)
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil: // ECHILD
			close(a.childless)
			return
		case pid == a.child && (status.Exited() || status.Signaled()):
			a.exited <- status
		}
	}
}

// supervise waits for the program's end, bringing it about when the host says so, is silent for too long, or is gone.
func (a *attempt) supervise() syscall.WaitStatus {
	var grace, fence, look <-chan time.Time
	kill := func() {
		a.kill()
		look = time.After(lookEvery)
	}
	terminate := func() {
		if !a.stopped {
			a.stopped = true
			grace = time.After(a.order.Grace)
			_ = syscall.Kill(-a.child, syscall.SIGTERM)
			_ = syscall.Kill(-a.child, syscall.SIGCONT) // a stopped process would not see it
		}
	}
	if a.order.Fence > 0 {
		fence = time.After(a.order.Fence)
	}
	messages := a.messages
	for suspect := false; ; {
		select {
		case status := <-a.exited:
			return status
		case m := <-messages: // a zero one when the host is gone
			switch m.word {
			case Stop:
				terminate()
			case Kill:
				fence, a.stopped = nil, true
				kill()
			default:
				messages, fence, a.stopped = nil, nil, true
				kill()
			}
		case <-fence:
			silent := a.silence()
			switch {
			case silent < a.order.Fence:
				suspect, fence = false, time.After(a.order.Fence-silent)
			case !suspect:
				suspect, fence = true, time.After(secondLook)
			default:
				fence, a.stopped, a.fenced = nil, true, true
				kill()
			}
		case <-a.signals: // someone stops this attempt by hand
			terminate()
		case <-grace:
			kill()
		case <-look:
			a.reportKept(a.survivors())
			kill()
		}
	}
}

// kill ends the program and everything that descends from it.
func (a *attempt) kill() {
	_ = syscall.Kill(-a.child, syscall.SIGKILL)
	_ = syscall.Kill(a.child, syscall.SIGKILL) // it may have left its group
	killDescendants()
	if a.killed.IsZero() {
		a.killed = time.Now()
	}
}

// survivors lists the processes of the attempt that live.
func (a *attempt) survivors() []int {
	if found := descendants(); found != nil {
		return found
	}
	return []int{a.child}
}

// reportKept says, once, that something of the attempt could not be killed: it runs as another user, which only root may
// end, or the system holds it.
func (a *attempt) reportKept(living []int) {
	if a.kept || len(living) == 0 {
		return
	}
	r := Report{Step: Kept, PID: living[0], Left: len(living)}
	for _, pid := range living {
		if errors.Is(syscall.Kill(pid, 0), syscall.EPERM) {
			r.PID, r.Errno = pid, int(syscall.EPERM)
			break
		}
	}
	if r.Errno == 0 && time.Since(a.killed) < SweepFor {
		return
	}
	a.kept = true
	_ = a.send(r)
}

// sweep kills what the program left behind, and returns when nothing is left.
func (a *attempt) sweep() {
	if a.killed.IsZero() {
		a.killed = time.Now()
	}
	began := time.Now()
	for wait := nothingLeft; ; wait = sweepEvery { // ends when the last one does
		if time.Since(began) > lookEvery {
			wait = lookEvery
			a.reportKept(descendants())
		}
		select {
		case <-a.childless:
			return
		case <-time.After(wait):
			killDescendants()
		}
	}
}

func failure(err error) Report {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return Report{Step: Failed, Errno: int(errno)}
	}
	return Report{Step: Failed, Error: err.Error()}
}
