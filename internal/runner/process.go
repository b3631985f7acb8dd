package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/agentos/agentos/internal/supervisor"
)

const (
	maxStdout = 256 << 10

	// What one attempt may ask to be enqueued: it is inserted in one transaction.
	maxEnqueue      = 1000
	maxEnqueueBytes = 4 << 20

	// startFor bounds the wait for the supervisor to say that the program runs.
	startFor = 30 * time.Second

	// drainFor bounds the wait for output that a process out of our reach holds open.
	drainFor = 2 * time.Second

	beatEvery = time.Second // how often a supervisor gets this process's heartbeat

	// largeOrder is the size of an order that a supervisor is not kept after, so that those that are stay small.
	largeOrder = 1 << 20
)

// process is an attempt under way, as the host sees it.
type process struct {
	attempt    *Attempt
	runner     *Runner
	supervisor *child
	large      bool // the supervisor took much memory for it
	pipes      *pipes
	streams    sync.WaitGroup
	result     Result

	pid  int
	left bool // processes of it live, and this process has to go

	lines   sync.Mutex // guards what follows: lines come from the program, and some from here
	refused string     // the first enqueue request that cannot be honoured
	last    []Line     // the last messages
	why     diagnosis  // that it failed, if it did
	stack   stackLog   // what the runtime of its language printed about that
	queued  int        // bytes of arguments in result.Enqueue
}

// start gives the attempt to a supervisor, which starts the program.
func (p *process) start(o supervisor.Order) error {
	if supervisor.Expected() {
		return errors.New("the supervisor runs the host's own main: call runner.SupervisorMain before anything else")
	}
	frame, err := o.Encode()
	if err != nil {
		return err
	}
	p.large = len(frame) > largeOrder
	if p.pipes, err = newPipes(); err != nil {
		return err
	}
	if err = p.send(frame); err == nil {
		err = p.started()
	}
	p.pipes.closeTheirs()
	if err != nil {
		p.pipes.closeOurs()
	}
	return err
}

// send finds a supervisor that takes the order.
func (p *process) send(frame []byte) error {
	files := []*os.File{p.pipes.stdin.theirs, p.pipes.stdout.theirs, p.pipes.stderr.theirs}
	if p.attempt.Hold != nil {
		files = append(files, p.attempt.Hold)
	}
	for {
		var fresh bool
		var err error
		if p.supervisor, fresh, err = p.runner.take(); err != nil {
			return err
		}
		err = p.supervisor.order(frame, files)
		switch {
		case err == nil, fresh && (errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed)): // it is gone, and its end shows why
			return nil
		case fresh:
			p.abandon()
			return fmt.Errorf("order the supervisor: %w", err)
		}
		p.supervisor.kill() // it had ended while it was idle, or hangs: nothing of the attempt has begun
		p.supervisor.wait()
	}
}

// started waits for the first report and starts moving data.
func (p *process) started() error {
	first, err := p.firstReport()
	switch {
	case err != nil:
		p.abandon()
		return fmt.Errorf("%w: %s", err, cleanText(p.supervisor.stderr.String()))
	case first.Step == supervisor.Failed:
		p.release()
		if first.Errno != 0 {
			return startFailure(syscall.Errno(first.Errno), p.attempt.Spec)
		}
		return errors.New(cleanText(first.Error))
	case first.Step != supervisor.Started:
		p.abandon()
		return fmt.Errorf("the supervisor reports %q first", first.Step)
	}
	p.pid = first.PID
	p.result.Started = time.Now()
	p.move()
	return nil
}

// release gives the supervisor back when it has reported the attempt's end.
func (p *process) release() {
	if p.large {
		p.supervisor.kill() // so that those that are kept stay small
		p.supervisor.wait()
		return
	}
	p.runner.put(p.supervisor)
}

// move starts moving data; drain waits for it.
func (p *process) move() {
	p.streams.Go(p.feed)
	p.streams.Go(p.collect)
	p.streams.Go(func() { readLines(&output{pipe: p.pipes.stderr.ours}, p.line) })
}

// firstReport waits for the supervisor to say that the program runs or cannot.
func (p *process) firstReport() (supervisor.Report, error) {
	name := p.runner.argv[0]
	select {
	case first, ok := <-p.supervisor.reports:
		if !ok {
			if signal := p.supervisor.signal(); signal != 0 { // its program may have done that as it began, and would again
				return supervisor.Report{}, fmt.Errorf("the supervisor %q was ended by %s before it could report that the program runs", name, unix.SignalName(signal))
			}
			return supervisor.Report{}, &HostError{fmt.Errorf("the supervisor %q ended before it started the program", name)}
		}
		return first, nil
	case <-time.After(startFor):
		return supervisor.Report{}, &HostError{fmt.Errorf("the supervisor %q did not start the program within %s", name, startFor)}
	}
}

// finish waits until nothing of the attempt is left.
func (p *process) finish(ctx context.Context) (Result, error) {
	defer p.pipes.closeOurs()
	end, done := p.await(ctx)
	switch {
	case !done:
		p.abandon()
	case p.left:
		p.supervisor.disown()
	default:
		p.release()
	}
	p.drain()
	if end.Step != supervisor.Ended {
		p.result.Ended = time.Now()
	}
	p.result.ExitCode, p.result.Signal = end.Code, signalName(end.Signal)
	switch {
	case end.Code == 0:
		p.result.Fingerprint = ""
	case p.why.reported():
		p.result.Stack = p.stack.text()
	}
	for _, l := range p.last {
		p.result.LastLines = append(p.result.LastLines, l.Msg)
	}
	return p.result, p.outcome(ctx, end)
}

// await follows the reports up to the last. Not done means that the supervisor was lost or hangs.
func (p *process) await(ctx context.Context) (end supervisor.Report, done bool) {
	end.Code = -1
	cancelled := ctx.Done()
	var hung, beat, kill <-chan time.Time
	var leave <-chan struct{}
	kept := false
	if p.attempt.Fence > 0 {
		ticker := time.NewTicker(beatEvery)
		defer ticker.Stop()
		beat = ticker.C
	}
	for {
		select {
		case r, ok := <-p.supervisor.reports:
			switch {
			case !ok:
				return end, false
			case r.Step == supervisor.Ended:
				end, p.result.Ended = r, time.Now()
			case r.Step == supervisor.Kept: // the supervisor waits, and so do we: nothing else of the job may begin beside it
				kept, hung, leave = true, nil, p.attempt.Leave
				p.logKept(r.PID, r.Errno == int(syscall.EPERM))
			case r.Step == supervisor.Swept:
				return end, true
			}
		case <-beat:
			p.supervisor.say(supervisor.Beat)
		case <-cancelled:
			cancelled = nil
			p.supervisor.say(supervisor.Stop)
			grace := p.attempt.Spec.KillGrace
			if s := new(stopWithin); errors.As(context.Cause(ctx), &s) && s.grace < grace {
				grace, kill = s.grace, time.After(s.grace)
			}
			if !kept {
				hung = time.After(grace + supervisor.SweepFor + drainFor)
			}
		case <-kill:
			p.supervisor.say(supervisor.Kill)
		case <-hung:
			return end, false
		case <-leave:
			p.left = true
			return end, true
		}
	}
}

// logKept puts into the log that a process of the attempt could not be ended.
func (p *process) logKept(pid int, otherUser bool) {
	why := "could not be ended"
	if otherUser {
		why = "runs as another user and could not be ended"
	}
	text := fmt.Sprintf("a process of this attempt, PID %d, %s: end it by hand. Until it ends the attempt goes on and keeps its slot, so that no other attempt runs beside it", pid, why)
	p.line(Line{At: time.Now(), Level: "error", Msg: text, HasMsg: true, ours: true})
}

// abandon ends an attempt whose supervisor cannot do it.
func (p *process) abandon() {
	p.supervisor.kill()
	if p.pid > 0 {
		_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	}
	p.supervisor.wait()
	p.endOrphans()
}

// drain waits for the rest of the output: for what has been written however long that takes, for what may still come not for long.
func (p *process) drain() {
	done := make(chan struct{})
	go func() { // ends with the streams
		p.streams.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(drainFor):
		now := time.Now() // ends every write, and every read that waits; what the pipes hold is still read
		_ = p.pipes.stdin.ours.SetWriteDeadline(now)
		_ = p.pipes.stdout.ours.SetReadDeadline(now)
		_ = p.pipes.stderr.ours.SetReadDeadline(now)
		<-done
	}
}

// outcome is the error of Run.
func (p *process) outcome(ctx context.Context, end supervisor.Report) error {
	switch {
	case p.left:
		return ErrLeft
	case end.Step == supervisor.Ended && end.Code == 0 && !end.Stopped:
		if p.refused != "" {
			return &EnqueueError{Text: p.refused}
		}
		return nil
	case end.Fenced: // first: ctx may have ended while this process was suspended
		return ErrFenced
	case ctx.Err() != nil && (end.Stopped || end.Step != supervisor.Ended):
		return fmt.Errorf("stopped: %w", context.Cause(ctx))
	case end.Step != supervisor.Ended:
		return ErrSupervisorLost
	case end.Code == 0:
		return errors.New("stopped by a signal to the attempt's supervisor process")
	}
	return &ExitError{Code: end.Code, Signal: p.result.Signal, Tail: p.why.text()}
}

// feed writes the arguments. A program that does not read them is in its right.
func (p *process) feed() {
	stdin := p.pipes.stdin.ours
	args := p.attempt.Args
	if len(args) == 0 {
		args = json.RawMessage("{}")
	}
	_, _ = stdin.Write(args)
	_ = stdin.Close()
}

func (p *process) collect() {
	stdout := &output{pipe: p.pipes.stdout.ours}
	kept, _ := io.ReadAll(io.LimitReader(stdout, maxStdout))
	dropped, _ := io.Copy(io.Discard, stdout)
	p.result.Stdout, p.result.StdoutDropped = kept, dropped
}

func (p *process) line(l Line) {
	p.lines.Lock()
	defer p.lines.Unlock()
	if l.Retry != nil {
		p.result.RetryAfter = l.Retry
	}
	if l.Fingerprint != "" {
		p.result.Fingerprint = l.Fingerprint
	}
	if l.Enqueue != nil {
		p.queued += len(l.Enqueue.Args)
		if len(p.result.Enqueue) == maxEnqueue || p.queued > maxEnqueueBytes {
			l.Enqueue = nil
			l.Refused = fmt.Sprintf("enqueue refused: one attempt may ask for at most %d jobs with %d MiB of arguments", maxEnqueue, maxEnqueueBytes>>20)
			l.Level, l.Msg, l.HasMsg = "error", l.Refused, p.refused != l.Refused
		} else {
			p.result.Enqueue = append(p.result.Enqueue, *l.Enqueue)
		}
	}
	if l.Refused != "" && p.refused == "" {
		p.refused = l.Refused
	}
	if l.HasMsg {
		if !l.ours {
			before := p.why.reports
			p.why.add(l)
			p.stack.add(l.Msg, p.why.reports != before)
		}
		if len(p.last) == lastLines {
			p.last = p.last[1:]
		}
		p.last = append(p.last, l)
	}
	if p.attempt.OnLine != nil {
		p.attempt.OnLine(l)
	}
}

func signalName(number int) string {
	if number == 0 {
		return ""
	}
	if name := unix.SignalName(syscall.Signal(number)); name != "" {
		return name
	}
	return "signal " + strconv.Itoa(number)
}
