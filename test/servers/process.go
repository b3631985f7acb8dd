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
	startPatience = 30 * time.Second
	stopPatience  = 10 * time.Second
	lookEvery     = 10 * time.Millisecond
)

// process is a server that can be stopped, killed, paused and started again. Its methods are called one at a time,
// but for alive.
type process struct {
	name    string
	argv    []string
	log     string // file of its output
	as      *syscall.Credential
	env     []string
	ready   func(ctx context.Context) error // nil once the server answers
	quit    syscall.Signal                  // asks it to end
	mu      sync.Mutex
	pid     int // 0 while it does not run
	ended   chan struct{}
	release func()
}

// start starts the server and waits until it answers.
func (p *process) start() error {
	if p.alive() {
		return nil
	}
	output, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer output.Close()
	cmd := exec.Command(p.argv[0], p.argv[1:]...)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: p.as}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	release, err := Leash(cmd.Process.Pid)
	if err != nil {
		return errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	ended := make(chan struct{})
	p.set(cmd.Process.Pid, ended, release)
	go func() { // ends with the server
		_ = cmd.Wait()
		release()
		close(ended)
	}()
	return p.await()
}

// await waits until the server that was just started answers.
func (p *process) await() error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), startPatience, errors.New("it does not answer"))
	defer cancel()
	for {
		err := p.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended at once:\n%s", p.name, p.lastWords())
		case <-ctx.Done():
			p.kill()
			return fmt.Errorf("start %s: %w: %w:\n%s", p.name, context.Cause(ctx), err, p.lastWords())
		case <-time.After(lookEvery):
		}
	}
}

func (p *process) set(pid int, ended chan struct{}, release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pid, p.ended, p.release = pid, ended, release
}

// lastWords is the end of the log.
func (p *process) lastWords() string {
	text, _ := os.ReadFile(p.log)
	return string(text[max(0, len(text)-2000):])
}

// alive says whether the server runs, paused or not.
func (p *process) alive() bool {
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

// family are the process and its children.
func (p *process) family() []int {
	if !p.alive() {
		return nil
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

// pause freezes the server and its children.
func (p *process) pause() {
	signalAll(p.family(), syscall.SIGSTOP)
	signalAll(p.family(), syscall.SIGSTOP) // one that was being born
}

func (p *process) resume() { signalAll(p.family(), syscall.SIGCONT) }

// kill ends the server and its children without asking them.
func (p *process) kill() {
	family := p.family()
	if len(family) == 0 {
		return
	}
	signalAll(family, syscall.SIGKILL)
	<-p.ended
	// Its children hold on to the memory that the next server wants.
	_ = until(stopPatience, "its children end", func() error {
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

// stop asks the server to end, and insists after a while.
func (p *process) stop() {
	if !p.alive() {
		return
	}
	p.resume()
	_ = syscall.Kill(p.pid, p.quit)
	select {
	case <-p.ended:
	case <-time.After(stopPatience):
		p.kill()
	}
}

// until waits until check gives nil.
func until(patience time.Duration, what string, check func() error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %v: %w", what, patience, err)
		case <-time.After(lookEvery):
		}
	}
}
