package runner

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestADaemonDoesNotEscape(t *testing.T) {
	life := newLifeline(t)
	ready := life.path + ".ready"
	if err := syscall.Mkfifo(ready, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		life.wait("up")
		_ = os.WriteFile(ready, []byte("go\n"), 0)
	}()
	_, err := run(t, attempt(t, spec(t, life.hold()+`
		setsid sh -c 'setsid sh -c "trap \"\" TERM HUP; echo up >&9; sleep 1000; true" >/dev/null 2>&1 </dev/null &' &
		read -r line <`+ready)))
	if err != nil {
		t.Error(err)
	}
	life.gone(time.Second)
}

func TestADaemonDoesNotSurviveTheHost(t *testing.T) {
	life := newLifeline(t)
	host := startHost(t, life.hold()+`setsid sh -c 'setsid sh -c "trap \"\" TERM HUP; echo up >&9; sleep 1000; true" &' & sleep 1000`)
	life.wait("up")
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	life.gone(2 * time.Second)
}

// A process that forks itself into a new session and ends, as fast as it can: no list of processes is ever complete.
func TestAHoppingProcessIsCaught(t *testing.T) {
	life := newLifeline(t)
	hop := filepath.Join(t.TempDir(), "hop")
	if err := os.WriteFile(hop, []byte("#!/bin/sh\ntrap '' TERM\nsetsid "+hop+" &\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := run(t, attempt(t, spec(t, life.hold()+"for i in 1 2 3 4; do setsid "+hop+" & done; sleep 0.1")))
	if err != nil {
		t.Error(err)
	}
	life.gone(time.Second)
}

// supervisorOf returns the process id of the supervisor of the only attempt of this process.
func supervisorOf(t *testing.T, parent int) int {
	t.Helper()
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		stat, _ := os.ReadFile(path)
		if fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]); len(fields) > 1 && string(fields[0]) != "Z" && string(fields[1]) == strconv.Itoa(parent) && bytes.Contains(stat, []byte("(run test)")) {
			pid, _ := strconv.Atoi(strings.Split(path, "/")[2])
			return pid
		}
	}
	t.Fatal("no supervisor is running")
	return 0
}

func TestKillingTheSupervisorKillsTheProgram(t *testing.T) {
	life := newLifeline(t)
	a := attempt(t, spec(t, life.hold()+`trap '' TERM; (trap '' TERM; sleep 1000) & echo up >&2; echo up >&9; sleep 1000`))
	begun := up(&a) // and this process knows it
	go func() {
		life.wait("up")
		<-begun
		_ = syscall.Kill(supervisorOf(t, os.Getpid()), syscall.SIGKILL)
	}()
	_, err := run(t, a)
	if !errors.Is(err, ErrSupervisorLost) {
		t.Error(err)
	}
	life.gone(2 * time.Second)
}

func TestASupervisorThatHangsIsGivenUp(t *testing.T) {
	life := newLifeline(t)
	a := attempt(t, spec(t, life.hold()+`echo up >&9; sleep 1000`))
	a.Spec.Timeout, a.Spec.KillGrace = time.Second, time.Millisecond
	go func() {
		life.wait("up")
		_ = syscall.Kill(supervisorOf(t, os.Getpid()), syscall.SIGSTOP)
	}()
	if _, err := run(t, a); !errors.Is(err, ErrTimeout) {
		t.Error(err)
	}
	life.gone(2 * time.Second)
}

func TestASignalToTheSupervisorEndsTheAttempt(t *testing.T) {
	life := newLifeline(t)
	go func() {
		life.wait("up")
		_ = syscall.Kill(supervisorOf(t, os.Getpid()), syscall.SIGTERM)
	}()
	result, err := run(t, attempt(t, spec(t, life.hold()+`trap 'exit 0' TERM; echo up >&9; while :; do sleep 0.01; done`)))
	if err == nil || result.ExitCode != 0 || !strings.Contains(err.Error(), "stopped by a signal to the attempt's supervisor process") {
		t.Errorf("%v, %+v", err, result)
	}
	life.gone(time.Second)
}

// The program sees three files and none of its host's or of the supervisor's.
func TestTheProgramInheritsOnlyTheStandardFiles(t *testing.T) {
	leak, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer leak.Close()
	fd, err := syscall.Dup(int(leak.Fd())) // without close-on-exec: what a careless library does
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	a := attempt(t, spec(t, ""))
	a.Hold = leak
	a.Spec.Command[2] = `for fd in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do [ -e /proc/$$/fd/$fd ] && echo $fd; done; true`
	result, err := run(t, a)
	if err != nil || string(result.Stdout) != "0\n1\n2\n" {
		t.Errorf("%q, %v", result.Stdout, err)
	}
}

func TestTheProgramHasNoTerminalAndDefaultSignals(t *testing.T) {
	result, err := run(t, attempt(t, spec(t, `cat /proc/self/status; : </dev/tty`)))
	if err == nil {
		t.Error("it has a terminal")
	}
	// The C library keeps the signals 32 and 33 for itself, and its posix_spawn, which make uses, leaves them ignored.
	const kept = 1<<31 | 1<<32
	for line := range strings.Lines(string(result.Stdout)) {
		name, mask, _ := strings.Cut(line, ":")
		if !slices.Contains([]string{"SigBlk", "SigIgn", "SigCgt"}, name) {
			continue
		}
		if set, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64); err != nil || set&^kept != 0 {
			t.Errorf("not the default: %q, %v", line, err)
		}
	}
}

func TestRunLeaksNoFiles(t *testing.T) {
	count := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	once := func() {
		for _, script := range []string{"exit 0", "exit 1", "sleep 1000"} {
			a := attempt(t, spec(t, script))
			a.Spec.Timeout = 100 * time.Millisecond
			Run(t.Context(), a)
		}
		missing := attempt(t, spec(t, ""))
		missing.Spec.Command = []string{"sh", strings.Repeat("x", 1<<20)}
		Run(t.Context(), missing)
		New("/no/such/program").Run(t.Context(), missing)
	}
	once() // opens what the runtime keeps
	before := count()
	for range 10 {
		once()
	}
	if after := count(); after > before {
		links, _ := filepath.Glob("/proc/self/fd/*")
		for i, l := range links {
			links[i], _ = os.Readlink(l)
		}
		t.Errorf("%d files before, %d after: %s", before, after, fmt.Sprint(links))
	}
}
