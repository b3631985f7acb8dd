package runner

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const nobody = 65534

// unprivileged is a host that runs a script as nobody, beside a copy of this binary that becomes root.
type unprivileged struct {
	host
	life *lifeline
	lock string
}

// startUnprivileged needs root, which alone can make such a program; where the tests run as somebody else nothing can be
// tried.
func startUnprivileged(t *testing.T, script string, env ...string) *unprivileged {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can make a program that changes its user")
	}
	life := newLifeline(t)
	dir := filepath.Dir(life.path)
	for _, folder := range []string{dir, filepath.Dir(dir)} { // others may enter
		if err := os.Chmod(folder, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(life.path, 0o666); err != nil {
		t.Fatal(err)
	}
	changer := filepath.Join(dir, "changer")
	copyFile(t, "/proc/self/exe", changer)
	if err := os.Chmod(changer, 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	lock := filepath.Join(dir, "lock")
	cmd := exec.Command("/proc/self/exe", "host", dir, strings.ReplaceAll(script, "CHANGER", "'"+changer+"' change-user '"+life.path+"'"), "0", lock)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return &unprivileged{host{cmd, bufio.NewScanner(stderr)}, life, lock}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

var keptForm = regexp.MustCompile(`^error a process of this attempt, PID (\d+), runs as another user and could not be ended`)

// kept waits for the line that reports a process, and returns its id. It ends with the test. With stop, the supervisor gets a
// SIGTERM first.
func (u *unprivileged) kept(t *testing.T, stop bool) int {
	t.Helper()
	u.life.wait("up")
	if stop {
		signalTo(t, supervisorOf(t, u.Process.Pid), syscall.SIGTERM)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(u.lock), "up"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	m := keptForm.FindStringSubmatch(u.said(t))
	if m == nil {
		t.Fatalf("the host says %q", u.errors.Text())
	}
	pid, _ := strconv.Atoi(m[1])
	t.Cleanup(func() { syscall.Kill(pid, syscall.SIGKILL) })
	return pid
}

// locked reports whether anything still holds the lock.
func (u *unprivileged) locked(t *testing.T) bool {
	t.Helper()
	file, err := os.Open(u.lock)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	return errors.Is(syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

func TestAProcessOfAnotherUserIsReportedAndWaitedFor(t *testing.T) {
	for name, test := range map[string]struct {
		script, timeout, want string
	}{
		"the program itself":   {"exec CHANGER", "6s", "the host's Run returned: stopped: the agent's timeout passed"}, // time to start
		"what it left behind":  {"setsid CHANGER & while [ ! -e up ]; do sleep 0.01; done; exit 3", "1m", "exit status 3"},
		"what it started last": {"CHANGER & wait", "1m", "ended by SIGTERM"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := startUnprivileged(t, test.script, "HOST_TIMEOUT="+test.timeout)
			pid := u.kept(t, test.want == "ended by SIGTERM")
			if !u.locked(t) || syscall.Kill(pid, 0) != nil {
				t.Error("the attempt is over while its process lives")
			}
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if said := u.said(t); !strings.Contains(said, test.want) {
				t.Errorf("then the host says %q", said)
			}
			u.life.gone(5 * time.Second)
		})
	}
}

// A host that has to go leaves the process to the supervisor, which holds the host's lock as long as it lives: others see by it
// that nothing else of the job may begin.
func TestAProcessOfAnotherUserHoldsTheLockOfAHostThatIsGone(t *testing.T) {
	t.Parallel()
	for name, leaves := range map[string]string{"ended": "1s", "killed": "1h"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := startUnprivileged(t, "exec CHANGER", "HOST_LEAVES_AFTER="+leaves)
			pid := u.kept(t, true)
			if leaves == "1h" {
				if err := u.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			} else if said := u.said(t); !strings.Contains(said, ErrLeft.Error()) {
				t.Errorf("the host says %q", said)
			}
			_ = u.Wait()
			if !u.locked(t) {
				t.Error("the lock is free while the process lives")
			}
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			lock, err := os.Open(u.lock)
			if err != nil {
				t.Fatal(err)
			}
			defer lock.Close()
			if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil { // waits
				t.Fatal(err)
			}
			u.life.gone(5 * time.Second)
		})
	}
}

// What left the session of its program is still found when the supervisor itself is killed.
func TestKillingTheSupervisorKillsDaemonsToo(t *testing.T) {
	life := newLifeline(t)
	host := startHost(t, life.hold()+`echo begun >&2; setsid sh -c 'setsid sh -c "trap \"\" TERM HUP; cd /; echo up >&9; sleep 1000; true" </dev/null >/dev/null 2>&1 &' & sleep 1000`)
	life.wait("up")
	if said := host.said(t); said != "info begun" { // it knows that the program runs
		t.Fatal(said)
	}
	signalTo(t, supervisorOf(t, host.Process.Pid), syscall.SIGKILL)
	life.gone(10 * time.Second)
	if said := host.said(t); !strings.Contains(said, ErrSupervisorLost.Error()) {
		t.Errorf("the host says %q", said)
	}
}

// The daemons of one attempt are ended with its supervisor, and those of another one go on.
func TestKillingASupervisorSparesOtherAttempts(t *testing.T) {
	doomed, spared := newLifeline(t), newLifeline(t)
	script := func(l *lifeline) string {
		return l.hold() + `echo up >&2; setsid sh -c 'echo up >&9; sleep 1000; true' & wait`
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		a := attempt(t, spec(t, script(spared)))
		a.RunID, a.Spec.Name, a.Spec.KillGrace = 99, "spared", 0
		_, err := Run(ctx, a)
		ended <- err
	}()
	spared.wait("up")
	a := attempt(t, spec(t, script(doomed)))
	begun := up(&a) // and this process knows it
	go func() {
		doomed.wait("up")
		<-begun
		_ = syscall.Kill(supervisorOf(t, os.Getpid()), syscall.SIGKILL)
	}()
	if _, err := run(t, a); !errors.Is(err, ErrSupervisorLost) {
		t.Error(err)
	}
	doomed.gone(5 * time.Second)
	select {
	case <-spared.dead:
		t.Error("the other attempt's process is dead")
	case err := <-ended:
		t.Errorf("the other attempt ended: %v", err)
	default:
	}
	cancel()
	<-ended
	spared.gone(5 * time.Second)
}

// A supervisor may still hold the environments of programs that it served before.
func TestAProgramCannotReadItsSupervisor(t *testing.T) {
	t.Parallel()
	u := startUnprivileged(t, "cat /proc/self/environ >/dev/null && echo own >&2; cat /proc/$PPID/environ /proc/$PPID/mem >/dev/null")
	if said := u.said(t); said != "info own" {
		t.Fatal(said)
	}
	for range 2 {
		if said := u.said(t); !strings.Contains(said, "ermission denied") {
			t.Errorf("the program reads: %q", said)
		}
	}
}
