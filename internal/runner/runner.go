package runner

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/supervisor"
)

// idleFor is how long a supervisor process that has nothing to do is kept.
const idleFor = 10 * time.Second

// Runner runs attempts. Each has a supervisor process to itself, which a Runner keeps for the attempts that follow: starting one costs
// more than all else in an attempt at a job that does little. Methods may be called concurrently. A Runner that is not
// closed leaves its idle supervisors to end by themselves, at the latest with this process.
type Runner struct {
	argv    []string
	idleFor time.Duration
	temps   temps

	mu     sync.Mutex
	idle   []*child // the one used last at the end
	closed bool
	expiry *time.Timer // runs while there are idle ones
}

// New returns a Runner that needs to be closed. The program argv calls [SupervisorMain] when its first argument is
// "supervisor". Empty means this program, which has to do that.
func New(argv ...string) *Runner {
	if len(argv) == 0 {
		argv = self()
	}
	return &Runner{argv: argv, idleFor: idleFor}
}

// self is the command of this program.
func self() []string {
	if runtime.GOOS == "linux" {
		return []string{"/proc/self/exe"} // also when the file was replaced by an upgrade
	}
	path, err := os.Executable()
	if err != nil {
		path = os.Args[0]
	}
	return []string{path}
}

// Run makes one attempt by a Runner of its own.
func Run(ctx context.Context, a Attempt) (Result, error) {
	r := New()
	defer r.Close()
	return r.Run(ctx, a)
}

// Run makes one attempt and returns when no process of it is left, except when [Attempt.Leave] says to leave one.
//
// The error is nil only for exit status 0. Otherwise it is a [*StartError], perhaps with a [*HostError] in it, an [*ExitError], an [*EnqueueError],
// [ErrSupervisorLost], [ErrFenced], [ErrLeft], or, when ctx ended or the agent's timeout passed before the program did, the cause of that
// ([ErrTimeout] for the timeout).
// The result is filled in as far as it is known, in each case.
func (r *Runner) Run(ctx context.Context, a Attempt) (Result, error) {
	if a.Spec.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, a.Spec.Timeout, ErrTimeout)
		defer cancel()
	}
	p := &process{attempt: &a, runner: r, result: Result{ExitCode: -1}}
	if ctx.Err() != nil {
		return p.result, fmt.Errorf("not started: %w", context.Cause(ctx))
	}
	defer p.removeTemp()
	o, err := a.order(&r.temps)
	if err == nil {
		err = p.start(o)
	}
	if err != nil {
		return p.result, &StartError{Program: a.Spec.Command[0], Err: blame(err)}
	}
	return p.finish(ctx)
}

// Close ends the supervisors that are idle, and makes those of attempts under way end with their attempts.
func (r *Runner) Close() {
	r.mu.Lock()
	idle := r.idle
	r.idle, r.closed = nil, true
	if r.expiry != nil {
		r.expiry.Stop()
	}
	r.mu.Unlock()
	for _, c := range idle {
		c.kill()
	}
	for _, c := range idle {
		c.wait()
	}
	r.temps.end()
}

// take returns an idle supervisor, or one that it starts.
func (r *Runner) take() (c *child, fresh bool, err error) {
	r.mu.Lock()
	if last := len(r.idle) - 1; last >= 0 {
		c = r.idle[last]
		r.idle = slices.Delete(r.idle, last, last+1)
	}
	r.mu.Unlock()
	if c != nil {
		return c, false, nil
	}
	c, err = startChild(r.argv, r.forget)
	return c, true, err
}

// put keeps a supervisor whose attempt is over.
func (r *Runner) put(c *child) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || c.lost() {
		c.kill()
		return
	}
	c.since = time.Now()
	r.idle = append(r.idle, c)
	switch {
	case r.expiry == nil:
		r.expiry = time.AfterFunc(r.idleFor, r.expire)
	case len(r.idle) == 1:
		r.expiry.Reset(r.idleFor)
	}
}

// forget drops a supervisor that ended by itself.
func (r *Runner) forget(c *child) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.idle, c); i >= 0 {
		r.idle = slices.Delete(r.idle, i, i+1)
	}
}

// expire ends the supervisors that were not needed for a while.
func (r *Runner) expire() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.idle) > 0 && time.Since(r.idle[0].since) >= r.idleFor {
		r.idle[0].kill()
		r.idle = slices.Delete(r.idle, 0, 1)
	}
	if len(r.idle) > 0 && !r.closed {
		r.expiry.Reset(r.idleFor - time.Since(r.idle[0].since))
	}
}

// SupervisorMain is `agentos supervisor`, started by a [Runner] as a copy of the host's own program, see package supervisor. The program's
// main calls it before anything else when its first argument is "supervisor": a process that was started to be one
// has become one before main begins, so this only says what a person who tries the command has to know.
func SupervisorMain() int {
	status := supervisor.Main()
	if status == 2 {
		_, _ = os.Stderr.WriteString("agentos supervisor is started by agentos itself, to run attempts\n")
	}
	return status
}
