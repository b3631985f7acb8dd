package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/agentos/agentos/internal/agent/shim"
)

const (
	maxStdout = 256 << 10

	// What one attempt may ask to be enqueued: it is inserted in one transaction.
	maxEnqueue      = 1000
	maxEnqueueBytes = 4 << 20

	// startFor bounds the wait for the shim to say that the program runs.
	startFor = 30 * time.Second

	// drainFor bounds the wait for output that a process out of our reach holds open.
	drainFor = 2 * time.Second

	beatEvery = time.Second // so often the shim hears that this process lives
)

// process is an attempt under way, as the host sees it.
type process struct {
	attempt *Attempt
	shim    *exec.Cmd
	pipes   *pipes
	reports chan shim.Report // closed when the shim has ended
	streams sync.WaitGroup
	result  Result

	pid  int
	left bool // processes of it live, and this process has to go

	lines   sync.Mutex // guards what follows: lines come from the program, and some from here
	refused string     // the first enqueue request that cannot be honoured
	last    []Line     // the last messages
	why     diagnosis  // that it failed, if it did
	queued  int        // bytes of arguments in result.Enqueue
}

// start starts the shim, which starts the program.
func (p *process) start(o shim.Order) error {
	if len(p.attempt.Shim) == 0 {
		return errors.New("no shim is set")
	}
	if shim.Expected() {
		return errors.New("the shim runs the host's own main: call agent.ShimMain before anything else")
	}
	pipes, err := newPipes()
	if err != nil {
		return err
	}
	p.pipes = pipes
	args := slices.Concat(p.attempt.Shim[1:], []string{o.Name, "job", strconv.FormatInt(p.attempt.JobID, 10)})
	p.shim = exec.Command(p.attempt.Shim[0], args...)
	p.shim.Env = []string{
		shim.Mark + "=1", "GOMAXPROCS=1", "GOGC=off",
		"GORACE=atexit_sleep_ms=0", // built with the race detector it would take a second to exit
	}
	p.shim.Stdin, p.shim.Stdout, p.shim.Stderr = pipes.stdin.theirs, pipes.stdout.theirs, pipes.stderr.theirs
	p.shim.ExtraFiles = []*os.File{pipes.control.theirs, pipes.reports.theirs}
	if p.attempt.Hold != nil {
		p.shim.ExtraFiles = append(p.shim.ExtraFiles, p.attempt.Hold)
	}
	p.shim.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal, so that Ctrl-C reaches only the host
	adoptOrphans()
	err = p.shim.Start()
	pipes.closeTheirs()
	if err != nil {
		pipes.closeOurs()
		return fmt.Errorf("start the shim: %w", err)
	}
	p.reports = make(chan shim.Report, 4)
	go p.readReports()
	_ = pipes.control.ours.SetWriteDeadline(time.Now().Add(startFor)) // pipes have deadlines
	err = shim.WriteOrder(pipes.control.ours, o)
	_ = pipes.control.ours.SetWriteDeadline(time.Time{})
	if err == nil || errors.Is(err, syscall.EPIPE) { // EPIPE: the shim is gone, and its reports tell
		err = p.started()
	}
	if err != nil {
		p.abandon()
		pipes.closeOurs()
	}
	return err
}

// started waits for the first report and starts moving data.
func (p *process) started() error {
	first, err := p.firstReport()
	switch {
	case err != nil:
		p.abandon()
		_ = p.pipes.stderr.ours.SetReadDeadline(time.Now().Add(drainFor))
		text, _ := io.ReadAll(io.LimitReader(p.pipes.stderr.ours, 1000))
		return fmt.Errorf("%w: %s", err, cleanText(string(text)))
	case first.Step == shim.Failed && first.Errno != 0:
		return startFailure(syscall.Errno(first.Errno), p.attempt.Spec)
	case first.Step != shim.Started:
		return errors.New(cleanText(first.Error))
	}
	p.pid = first.PID
	p.result.Started = time.Now()
	p.move()
	return nil
}

// move starts moving data; drain waits for it.
func (p *process) move() {
	p.streams.Go(p.feed)
	p.streams.Go(p.collect)
	p.streams.Go(func() { readLines(&output{pipe: p.pipes.stderr.ours}, p.line) })
}

// firstReport waits for the shim to say that the program runs or cannot.
func (p *process) firstReport() (shim.Report, error) {
	select {
	case first, ok := <-p.reports:
		if !ok {
			if signal := p.shimSignal(); signal != 0 { // its program may have done that as it began, and would again
				return shim.Report{}, fmt.Errorf("the shim %q was ended by %s before it could report that the program runs", p.attempt.Shim[0], unix.SignalName(signal))
			}
			return shim.Report{}, &HostError{fmt.Errorf("the shim %q ended before it started the program", p.attempt.Shim[0])}
		}
		return first, nil
	case <-time.After(startFor):
		return shim.Report{}, &HostError{fmt.Errorf("the shim %q did not start the program within %s", p.attempt.Shim[0], startFor)}
	}
}

// shimSignal is what ended a shim that has closed its reports; 0 when it exited.
func (p *process) shimSignal() syscall.Signal {
	late := time.AfterFunc(drainFor, func() { _ = p.shim.Process.Kill() })
	_ = p.shim.Wait()
	if !late.Stop() {
		return 0
	}
	if status, ok := p.shim.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return status.Signal()
	}
	return 0
}

// finish waits until nothing of the attempt is left.
func (p *process) finish(ctx context.Context) (Result, error) {
	defer p.pipes.closeOurs()
	end, done := p.await(ctx)
	if !done {
		p.abandon()
	}
	p.drain()
	if end.Step != shim.Ended {
		p.result.Ended = time.Now()
	}
	p.result.ExitCode, p.result.Signal = end.Code, signalName(end.Signal)
	for _, l := range p.last {
		p.result.LastLines = append(p.result.LastLines, l.Msg)
	}
	return p.result, p.outcome(ctx, end)
}

// await follows the reports up to the last. Not done means that the shim was lost or hangs.
func (p *process) await(ctx context.Context) (end shim.Report, done bool) {
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
		case r, ok := <-p.reports:
			switch {
			case !ok:
				return end, done
			case r.Step == shim.Ended:
				end, p.result.Ended = r, time.Now()
			case r.Step == shim.Kept: // the shim waits, and so do we: nothing else of the job may begin beside it
				kept, hung, leave = true, nil, p.attempt.Leave
				p.tellKept(r.PID, r.Errno == int(syscall.EPERM))
			case r.Step == shim.Swept:
				done = true
			}
		case <-beat:
			p.say(shim.Beat)
		case <-cancelled:
			cancelled = nil
			p.say(shim.Stop)
			grace := p.attempt.Spec.KillGrace
			if h := new(hurry); errors.As(context.Cause(ctx), &h) && h.grace < grace {
				grace, kill = h.grace, time.After(h.grace)
			}
			if !kept {
				hung = time.After(grace + shim.SweepFor + drainFor)
			}
		case <-kill:
			_ = p.pipes.control.ours.Close() // the shim then kills, as if this process had died
		case <-hung:
			return end, false
		case <-leave:
			p.left = true
			return end, true
		}
	}
}

// tellKept puts into the log that a process of the attempt could not be ended.
func (p *process) tellKept(pid int, otherUser bool) {
	why := "could not be ended"
	if otherUser {
		why = "runs as another user and could not be ended"
	}
	text := fmt.Sprintf("a process of this attempt, PID %d, %s: end it by hand. Until it ends the attempt goes on and keeps its slot, so that no other attempt runs beside it", pid, why)
	p.line(Line{At: time.Now(), Level: "error", Msg: text, HasMsg: true, ours: true})
}

// say sends the shim a word. It fails when the shim is gone, which the reports tell, and when the shim hangs and has
// not listened for so long that the pipe is full.
func (p *process) say(word byte) {
	_ = p.pipes.control.ours.SetWriteDeadline(time.Now().Add(beatEvery))
	_, _ = p.pipes.control.ours.Write([]byte{word})
}

// abandon ends an attempt whose shim cannot do it.
func (p *process) abandon() {
	_ = p.shim.Process.Kill() // the program then gets SIGKILL too, on Linux
	if p.pid > 0 {
		_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	}
	for range p.reports { // until the shim has ended
	}
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
func (p *process) outcome(ctx context.Context, end shim.Report) error {
	switch {
	case p.left:
		return ErrLeft
	case end.Step == shim.Ended && end.Code == 0 && !end.Stopped:
		if p.refused != "" {
			return &EnqueueError{Text: p.refused}
		}
		return nil
	case end.Fenced: // first: ctx may have ended while this process stood still
		return ErrFenced
	case ctx.Err() != nil && (end.Stopped || end.Step != shim.Ended):
		return fmt.Errorf("stopped: %w", context.Cause(ctx))
	case end.Step != shim.Ended:
		return ErrShimLost
	case end.Code == 0:
		return errors.New("stopped by a signal to the attempt's supervisor process")
	}
	return &ExitError{Code: end.Code, Signal: p.result.Signal, Tail: p.why.text()}
}

// readReports passes on what the shim says until it ends, and collects it.
func (p *process) readReports() {
	defer close(p.reports)
	for range 4 { // started, kept perhaps, ended, swept
		next, err := shim.ReadReport(p.pipes.reports.ours)
		if err != nil {
			break
		}
		p.reports <- next
	}
	_ = p.shim.Wait()
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
			p.why.add(l)
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
