package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	startTimeout = 30 * time.Second
	stopTimeout  = 10 * time.Second
	lookEvery    = 10 * time.Millisecond
)

// Process is a program that can be stopped, killed, paused and started again; it is on the leash. Its fields are set
// before the first start and between runs. Its methods are called one at a time, but for Alive and PID.
type Process struct {
	Name  string
	Argv  []string
	Log   string // file of its output, to which each run appends
	Env   []string
	As    *syscall.Credential             // nil: who we are
	Ready func(ctx context.Context) error // nil once the program does its work; a nil Ready is not waited for
	Quit  syscall.Signal                  // asks it to end; 0 is SIGTERM
	// Alone sends signals to the process only: its children are meant to notice by themselves.
	Alone bool

	mu     sync.Mutex
	pid    int // 0 before the first start
	starts int
	ended  chan struct{}
}

// Start starts the program and waits until it is ready. It does nothing while the program runs.
func (p *Process) Start() error {
	if p.Alive() {
		return nil
	}
	output, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer output.Close()
	cmd := exec.Command(p.Argv[0], p.Argv[1:]...)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), p.Env...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: p.As}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	held := fmt.Sprint(cmd.Process.Pid)
	if p.Alone {
		held = "=" + held
	}
	release, err := Leash(held)
	if err != nil {
		return errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	ended := make(chan struct{})
	p.set(cmd.Process.Pid, ended)
	go func() { // ends with the server
		_ = cmd.Wait()
		release()
		close(ended)
	}()
	return p.await()
}

// await waits until the server that was just started answers.
func (p *Process) await() error {
	if p.Ready == nil {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), startTimeout, errors.New("it does not answer"))
	defer cancel()
	for {
		err := p.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended at once:\n%s", p.Name, p.lastWords())
		case <-ctx.Done():
			p.Kill()
			return fmt.Errorf("start %s: %w: %w:\n%s", p.Name, context.Cause(ctx), err, p.lastWords())
		case <-time.After(lookEvery):
		}
	}
}

func (p *Process) set(pid int, ended chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pid, p.ended = pid, ended
	p.starts++
}

// PID is the process id of the present or last run, and which run that is, from 1.
func (p *Process) PID() (pid, run int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pid, p.starts
}

// lastWords is the end of the log.
func (p *Process) lastWords() string {
	text, _ := os.ReadFile(p.Log)
	return string(text[max(0, len(text)-2000):])
}

// Alive says whether the program runs, frozen or not.
func (p *Process) Alive() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid == 0 {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// family are those that signals are for.
func (p *Process) family() []int {
	if !p.Alive() {
		return nil
	}
	if p.Alone {
		return []int{p.pid}
	}
	return append([]int{p.pid}, children(p.pid)...)
}

func children(pid int) []int {
	id := strconv.Itoa(pid)
	text, err := os.ReadFile(filepath.Join("/proc", id, "task", id, "children"))
	if err != nil {
		return nil
	}
	var list []int
	for _, field := range bytes.Fields(text) {
		if child, err := strconv.Atoi(string(field)); err == nil {
			list = append(list, child)
		}
	}
	return list
}

func signalAll(family []int, signal syscall.Signal) {
	for _, pid := range family {
		_ = syscall.Kill(pid, signal)
	}
}

// Pause freezes the program and its children.
func (p *Process) Pause() {
	signalAll(p.family(), syscall.SIGSTOP)
	signalAll(p.family(), syscall.SIGSTOP) // one that was being born
}

// Resume ends a pause.
func (p *Process) Resume() { signalAll(p.family(), syscall.SIGCONT) }

// Kill ends the program and its children without asking them.
func (p *Process) Kill() {
	family := p.family()
	if len(family) == 0 {
		return
	}
	signalAll(family, syscall.SIGKILL)
	<-p.ended
	// Its children hold on to the memory that the next server wants.
	_ = until(stopTimeout, "its children end", func() error {
		if slices.ContainsFunc(family[1:], isAlive) {
			return errors.New("one is alive")
		}
		return nil
	})
}

func isAlive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := bytes.Cut(stat, []byte(") "))
	return !bytes.HasPrefix(state, []byte("Z"))
}

// Stop asks the program to end, and kills it after a while.
func (p *Process) Stop() {
	if !p.Alive() {
		return
	}
	p.Resume()
	quit := p.Quit
	if quit == 0 {
		quit = syscall.SIGTERM
	}
	_ = syscall.Kill(p.pid, quit)
	select {
	case <-p.ended:
	case <-time.After(stopTimeout):
		p.Kill()
	}
}

// until waits until check gives nil.
func until(timeout time.Duration, what string, check func() error) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %v: %w", what, timeout, err)
		case <-time.After(lookEvery):
		}
	}
}
