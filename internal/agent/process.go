package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
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

	// shimMark is set in the environment of a shim, and of a shim only.
	shimMark = "AGENTOS_SHIM"
)

// Attempt is one try at one job.
type Attempt struct {
	Spec        *Spec
	JobID       int64
	RunID       int64
	Number      int // from 1
	MaxAttempts int
	Args        json.RawMessage // goes to standard input; empty means {}
	WorkDir     string          // AGENTOS_DATA; made when it is not there
	Shim        []string        // argv that runs ShimMain, see SelfShim
	OnLine      func(Line)      // called for each line, in order, from one goroutine; it may block; nil drops them
}

// Result is what is known of an attempt when nothing of it runs any more.
type Result struct {
	ExitCode      int    // -1 when a signal ended it or it never started
	Signal        string // for example "SIGKILL"; empty when it exited
	Stdout        []byte // at most 256 KiB, as written
	StdoutDropped int64  // bytes of standard output beyond
	Enqueue       []EnqueueRequest
	LastLines     []string  // the last 20 messages, oldest first
	Started       time.Time // zero when it never started
	Ended         time.Time // of the program itself, before what it left behind was cleared away
}

// SelfShim is the shim of a program that calls [ShimMain] when its first argument is "shim".
func SelfShim() []string {
	if runtime.GOOS == "linux" {
		return []string{"/proc/self/exe", "shim"} // also when the file was replaced by an upgrade
	}
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	return []string{self, "shim"}
}

// Run makes one attempt and returns when no process of it is left.
//
// The error is nil only for exit status 0. Otherwise it is a [*StartError], an [*ExitError], an [*EnqueueError],
// [ErrShimLost], or, when ctx ended or the agent's timeout passed before the program did, the cause of that
// ([ErrTimeout] for the timeout).
// The result is filled in as far as it is known, in each case.
func Run(ctx context.Context, a Attempt) (Result, error) {
	if a.Spec.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, a.Spec.Timeout, ErrTimeout)
		defer cancel()
	}
	p := &process{attempt: &a, result: Result{ExitCode: -1}}
	if ctx.Err() != nil {
		return p.result, fmt.Errorf("not started: %w", context.Cause(ctx))
	}
	o, err := a.order()
	if err == nil {
		err = p.start(o)
	}
	if err != nil {
		return p.result, &StartError{Program: a.Spec.Command[0], Err: err}
	}
	return p.finish(ctx)
}

// order works out what to start; its errors say what to change.
func (a *Attempt) order() (order, error) {
	s := a.Spec
	program, err := findProgram(s.Command[0], s.Dir, searchPath(s))
	if err != nil {
		return order{}, err
	}
	if err := checkDir(s.Dir); err != nil {
		return order{}, err
	}
	if a.WorkDir != "" {
		if a.WorkDir, err = filepath.Abs(a.WorkDir); err != nil {
			return order{}, err
		}
		if err := os.MkdirAll(a.WorkDir, 0o700); err != nil {
			return order{}, fmt.Errorf("make the work folder: %w", err)
		}
	}
	return order{
		Program: program, Argv: s.Command, Env: a.environ(), Dir: s.Dir, Grace: s.KillGrace, Name: s.Name,
	}, nil
}

// process is an attempt under way, as the host sees it.
type process struct {
	attempt *Attempt
	shim    *exec.Cmd
	control *os.File
	reports chan report // closed when the shim has ended
	files   []*os.File  // our ends of the pipes
	streams sync.WaitGroup
	result  Result

	pid     int
	refused string // the first enqueue request that cannot be honoured
	last    []Line // the last messages
	queued  int    // bytes of arguments in result.Enqueue
}

// start starts the shim, which starts the program.
func (p *process) start(o order) error {
	if len(p.attempt.Shim) == 0 {
		return errors.New("no shim is set")
	}
	if os.Getenv(shimMark) != "" {
		return errors.New("the shim runs the host's own main: call agent.ShimMain before anything else")
	}
	var theirs []*os.File
	defer func() { closeAll(theirs) }()
	pipe := func(ours, their **os.File, weWrite bool) error {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		if weWrite {
			*ours, *their = w, r
		} else {
			*ours, *their = r, w
		}
		p.files, theirs = append(p.files, *ours), append(theirs, *their)
		return nil
	}
	var stdin, stdout, stderr, control, reports struct{ ours, theirs *os.File }
	err := errors.Join(
		pipe(&stdin.ours, &stdin.theirs, true),
		pipe(&stdout.ours, &stdout.theirs, false),
		pipe(&stderr.ours, &stderr.theirs, false),
		pipe(&control.ours, &control.theirs, true),
		pipe(&reports.ours, &reports.theirs, false),
	)
	if err != nil {
		closeAll(p.files)
		return fmt.Errorf("make pipes: %w", err)
	}
	argv := append(p.attempt.Shim[1:len(p.attempt.Shim):len(p.attempt.Shim)], o.Name, "job", strconv.FormatInt(p.attempt.JobID, 10))
	p.shim = exec.Command(p.attempt.Shim[0], argv...)
	p.shim.Env = []string{shimMark + "=1", "GOMAXPROCS=1", "GOGC=off"}
	p.shim.Stdin, p.shim.Stdout, p.shim.Stderr = stdin.theirs, stdout.theirs, stderr.theirs
	p.shim.ExtraFiles = []*os.File{control.theirs, reports.theirs}
	p.shim.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal, so that Ctrl-C reaches only the host
	if err := p.shim.Start(); err != nil {
		closeAll(p.files)
		return fmt.Errorf("start the shim: %w", err)
	}
	closeAll(theirs)
	theirs = nil
	p.control = control.ours
	p.reports = make(chan report, 4)
	go p.readReports(reports.ours)
	if err := writeOrder(p.control, o); err != nil && !errors.Is(err, syscall.EPIPE) { // EPIPE: the shim is gone, its end tells
		p.abandon()
		closeAll(p.files)
		return err
	}
	return p.started(stdin.ours, stdout.ours, stderr.ours)
}

// started waits for the first report and starts moving data.
func (p *process) started(stdin, stdout, stderr *os.File) error {
	first, err := p.firstReport()
	switch {
	case err != nil:
		text, _ := io.ReadAll(io.LimitReader(stderr, 1000))
		err = fmt.Errorf("%w: %s", err, cleanText(string(text)))
	case first.Errno != 0:
		err = startFailure(syscall.Errno(first.Errno), p.attempt.Spec)
	case first.Error != "":
		err = errors.New(first.Error)
	}
	if err != nil {
		p.abandon()
		closeAll(p.files)
		return err
	}
	p.result.Started = time.Now()
	p.streams.Go(func() { p.feed(stdin) })
	p.streams.Go(func() { p.collect(stdout) })
	p.streams.Go(func() { readLines(stderr, p.line) })
	return nil
}

// firstReport waits for the shim to say that the program runs or cannot; it leaves no shim behind when it fails.
func (p *process) firstReport() (report, error) {
	select {
	case first, ok := <-p.reports:
		if !ok {
			return report{}, fmt.Errorf("the shim %q ended before it started the program", p.attempt.Shim[0])
		}
		p.pid = first.PID
		return first, nil
	case <-time.After(startFor):
		p.abandon()
		return report{}, fmt.Errorf("the shim %q did not start the program within %s", p.attempt.Shim[0], startFor)
	}
}

// finish waits until nothing of the attempt is left.
func (p *process) finish(ctx context.Context) (Result, error) {
	defer closeAll(p.files)
	end, done := p.await(ctx)
	if !done {
		p.abandon()
	}
	p.drain()
	if end.Left > 0 {
		text := fmt.Sprintf("%d processes of this attempt could not be killed and still run", end.Left)
		p.line(Line{At: time.Now(), Level: "error", Msg: text, HasMsg: true})
	}
	if !end.Ended {
		p.result.Ended = time.Now()
	}
	p.result.ExitCode, p.result.Signal = end.Code, signalName(end.Signal)
	for _, l := range p.last {
		p.result.LastLines = append(p.result.LastLines, l.Msg)
	}
	return p.result, p.outcome(ctx, end)
}

// await follows the reports up to the last. Not done means that the shim was lost or hangs.
func (p *process) await(ctx context.Context) (end report, done bool) {
	end.Code = -1
	cancelled := ctx.Done()
	var hung <-chan time.Time
	for {
		select {
		case r, ok := <-p.reports:
			switch {
			case !ok:
				return end, done
			case r.Ended:
				end, p.result.Ended = r, time.Now()
			case r.Swept:
				done = true
				end.Left = r.Left
			}
		case <-cancelled:
			cancelled = nil
			_, _ = p.control.Write([]byte{stop}) // fails when the shim is gone, which the reports tell
			hung = time.After(p.attempt.Spec.KillGrace + sweepFor + drainFor)
		case <-hung:
			return end, false
		}
	}
}

// abandon ends an attempt whose shim cannot do it.
func (p *process) abandon() {
	_ = p.shim.Process.Kill() // the program then gets SIGKILL too, on Linux
	if p.pid > 0 {
		_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	}
	for range p.reports { // until the shim has ended
	}
}

// drain waits for the rest of the output and closes our ends.
func (p *process) drain() {
	done := make(chan struct{})
	go func() { // ends with the streams
		p.streams.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(drainFor):
		closeAll(p.files) // ends every read and write
		<-done
	}
}

// outcome is the error of Run.
func (p *process) outcome(ctx context.Context, end report) error {
	exit := &ExitError{Code: end.Code, Signal: p.result.Signal, Tail: p.tail()}
	switch {
	case end.Ended && end.Code == 0 && !end.Stopped && p.refused != "":
		return &EnqueueError{Text: p.refused}
	case end.Ended && !end.Stopped && end.Code == 0:
		return nil
	case ctx.Err() != nil && (end.Stopped || !end.Ended):
		return fmt.Errorf("stopped: %w", context.Cause(ctx))
	case !end.Ended:
		return ErrShimLost
	case end.Code == 0:
		return errors.New("stopped by a signal to the attempt's supervisor process")
	}
	return exit
}

// tail picks the last message of level error, else the last one.
func (p *process) tail() string {
	for i := len(p.last) - 1; i >= 0; i-- {
		if p.last[i].Level == "error" {
			return p.last[i].Msg
		}
	}
	if len(p.last) == 0 {
		return ""
	}
	return p.last[len(p.last)-1].Msg
}

// readReports passes on what the shim says until it ends, and collects it.
func (p *process) readReports(r io.Reader) {
	defer close(p.reports)
	decoder := json.NewDecoder(io.LimitReader(r, 1<<20))
	for range 3 { // started, ended, swept
		var next report
		if decoder.Decode(&next) != nil {
			break
		}
		p.reports <- next
	}
	_ = p.shim.Wait()
}

// feed writes the arguments. A program that does not read them is in its right.
func (p *process) feed(stdin *os.File) {
	args := p.attempt.Args
	if len(args) == 0 {
		args = json.RawMessage("{}")
	}
	_, _ = stdin.Write(args)
	_ = stdin.Close()
}

func (p *process) collect(stdout io.Reader) {
	kept, _ := io.ReadAll(io.LimitReader(stdout, maxStdout))
	dropped, _ := io.Copy(io.Discard, stdout)
	p.result.Stdout, p.result.StdoutDropped = kept, dropped
}

func (p *process) line(l Line) {
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
		if len(p.last) == lastLines {
			p.last = p.last[1:]
		}
		p.last = append(p.last, l)
	}
	if p.attempt.OnLine != nil {
		p.attempt.OnLine(l)
	}
}

// startFailure says what an error number means for this agent.
func startFailure(errno syscall.Errno, s *Spec) error {
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

func signalName(number int) string {
	if number == 0 {
		return ""
	}
	if name := unix.SignalName(syscall.Signal(number)); name != "" {
		return name
	}
	return "signal " + strconv.Itoa(number)
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}
