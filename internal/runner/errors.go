package runner

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/agentos/agentos/internal/agent"
)

// ErrTimeout is the cause when an attempt ran longer than its agent's timeout. It is a context.DeadlineExceeded.
var ErrTimeout error = timeoutError{}

type timeoutError struct{}

func (timeoutError) Error() string        { return "the agent's timeout passed" }
func (timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// ErrSupervisorLost means that the supervisor of an attempt was killed. The agent's program was ended too; how far it had
// come is not known.
var ErrSupervisorLost = errors.New("the attempt's supervisor process was killed")

// ErrLeft means that a process of the attempt could not be ended and that [Attempt.Leave] said to wait for it no longer. The
// supervisor process goes on waiting, and holds [Attempt.Hold] open.
var ErrLeft = errors.New("a process of the attempt could not be ended and still runs")

// ErrFenced means that this process was suspended for longer than [Attempt.Fence], and that the attempt was ended meanwhile
// without SIGTERM: its job may have been given to another.
var ErrFenced = errors.New("this worker was suspended for too long, so the attempt's supervisor process ended it")

// StopWithin is a cause to end the context of Run with: the program gets at most that time between SIGTERM and SIGKILL,
// whatever its agent's kill_grace.
func StopWithin(grace time.Duration, cause error) error { return &stopWithin{cause, grace} }

type stopWithin struct {
	cause error
	grace time.Duration
}

func (s *stopWithin) Error() string { return s.cause.Error() }
func (s *stopWithin) Unwrap() error { return s.cause }

// StartError means that the agent's program never ran. Trying again without a change will rarely help.
type StartError struct {
	Program string
	Err     error
}

func (e *StartError) Error() string { return "start failed: " + e.Err.Error() }
func (e *StartError) Unwrap() error { return e.Err }

// HostError means that this host could not start the attempt, for a lack that has nothing to do with the agent: of open files,
// processes, memory or room on its disk. It may be over soon, and another host may not have it.
type HostError struct{ Err error }

func (e *HostError) Error() string {
	first, _, _ := strings.Cut(e.Err.Error(), "\n") // the same for each of several pipes
	return "this host could not start it: " + first
}

func (e *HostError) Unwrap() error { return e.Err }

// lacks are the error numbers of a host that lacks something.
var lacks = []error{
	syscall.EMFILE, syscall.ENFILE, syscall.ETOOMANYREFS, syscall.ENOMEM, syscall.EAGAIN, syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO,
}

// blame marks an error of the host, as opposed to one of the agent.
func blame(err error) error {
	for _, lack := range lacks {
		if errors.Is(err, lack) {
			return &HostError{err}
		}
	}
	return err
}

// startFailure says what an error number means for this agent.
func startFailure(errno syscall.Errno, s *agent.Spec) error {
	hint := ""
	switch errno {
	case syscall.E2BIG:
		hint = "command and environment together are too long: pass data on standard input"
	case syscall.ENOENT:
		hint = "the interpreter named in its first line (#!) is not there"
	case syscall.ENOEXEC:
		hint = "it is neither a program of this machine nor a script with #!/bin/sh as its first line"
	case syscall.EACCES:
		hint = "no permission to execute it"
	case syscall.EAGAIN, syscall.ENOMEM:
		hint = "the machine has no more processes or memory to give"
	case syscall.ETXTBSY:
		hint = "the file is being written"
	default:
		return fmt.Errorf("run %s: %w", s.Command[0], errno)
	}
	return fmt.Errorf("run %s: %s: %w", s.Command[0], hint, errno)
}

// ExitError means that the agent's program ended with something else than status 0.
type ExitError struct {
	Code   int    // -1 when a signal ended it
	Signal string // for example "SIGSEGV"; empty when it exited
	Tail   string // the one of its last log lines that says why; may be empty
}

func (e *ExitError) Error() string {
	text := fmt.Sprintf("exit status %d", e.Code)
	if e.Signal != "" {
		text = "ended by " + e.Signal
	}
	if e.Tail != "" {
		text += ": " + e.Tail
	}
	return text
}

// EnqueueError means that the agent ended well but asked for work in a way that cannot be honoured. The attempt
// counts as failed: to drop the work in silence would be worse.
type EnqueueError struct{ Text string }

func (e *EnqueueError) Error() string { return e.Text }
