package runner

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const testFence = 3 * time.Second

func signalTo(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}

func TestTheFenceEndsTheAttemptOfAHostThatStandsStill(t *testing.T) {
	t.Parallel()
	life := newLifeline(t)
	host := startHostWith(t, life.hold()+`trap '' TERM; (setsid sleep 1000 &) ; echo up >&9; sleep 1000`, testFence, "")
	life.wait("up")
	signalTo(t, host.Process.Pid, syscall.SIGSTOP)
	life.gone(testFence + time.Second)
	signalTo(t, host.Process.Pid, syscall.SIGCONT)
	if said := host.said(t); !strings.Contains(said, ErrFenced.Error()) {
		t.Errorf("the host woke up to %q", said)
	}
}

func TestWithoutAFenceTheHostMayStandStill(t *testing.T) {
	t.Parallel()
	life := newLifeline(t)
	host := startHost(t, life.hold()+`echo up >&9; sleep 4; exit 7`)
	life.wait("up")
	signalTo(t, host.Process.Pid, syscall.SIGSTOP)
	life.gone(10 * time.Second)
	signalTo(t, host.Process.Pid, syscall.SIGCONT)
	if said := host.said(t); !strings.Contains(said, "exit status 7") {
		t.Errorf("the host woke up to %q", said)
	}
}

func TestTheFenceLetsAHostThatLivesGoOn(t *testing.T) {
	t.Parallel()
	a := attempt(t, spec(t, "sleep 5"))
	a.Fence = testFence
	if _, err := run(t, a); err != nil {
		t.Error(err)
	}
}

func TestTheFenceAllowsAStopOfTheWholeMachine(t *testing.T) {
	t.Parallel()
	life := newLifeline(t)
	gate := filepath.Join(t.TempDir(), "gate")
	if err := syscall.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	host := startHostWith(t, life.hold()+`echo up >&9; read -r word <'`+gate+`'; exit 7`, testFence, "")
	life.wait("up")
	supervisor := supervisorOf(t, host.Process.Pid)
	signalTo(t, host.Process.Pid, syscall.SIGSTOP)
	signalTo(t, supervisor, syscall.SIGSTOP)
	<-time.After(testFence + time.Second)
	signalTo(t, supervisor, syscall.SIGCONT)
	signalTo(t, host.Process.Pid, syscall.SIGCONT)
	<-time.After(testFence) // by now it would have been ended
	if err := os.WriteFile(gate, []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	if said := host.said(t); !strings.Contains(said, "exit status 7") {
		t.Errorf("the host says %q", said)
	}
	life.gone(time.Second)
}

func TestTheHeldFileIsFreeWhenNothingRunsAnyMore(t *testing.T) {
	t.Parallel()
	life, path := newLifeline(t), filepath.Join(t.TempDir(), "lock")
	host := startHostWith(t, life.hold()+`trap '' TERM; echo up >&9; sleep 1000`, 0, path)
	life.wait("up")
	supervisor := supervisorOf(t, host.Process.Pid)
	signalTo(t, supervisor, syscall.SIGSTOP) // so that the end takes its time
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = host.Wait()
	lock, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
		t.Fatalf("the lock of a host whose program still runs: %v", err)
	}
	signalTo(t, supervisor, syscall.SIGCONT)
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil { // waits
		t.Fatal(err)
	}
	life.gone(100 * time.Millisecond) // the pipe's reader needs a moment to notice
}

func TestTheHeldFileStaysOpenHere(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	a := attempt(t, spec(t, "true"))
	a.Hold = file
	if _, err := run(t, a); err != nil {
		t.Error(err)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
}
