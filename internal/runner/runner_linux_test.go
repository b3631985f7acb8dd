package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func newTestRunner(t *testing.T) *Runner {
	t.Helper()
	r := New()
	t.Cleanup(r.Close)
	return r
}

// parentOf runs an attempt that says what its parent is, the supervisor.
func parentOf(t *testing.T, r *Runner) int {
	t.Helper()
	result, err := r.Run(t.Context(), attempt(t, spec(t, "echo $PPID")))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(result.Stdout)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// pidfd is a file by which the end of a process can be waited for.
type pidfd struct {
	*testing.T
	fd, pid int
}

func openPid(t *testing.T, pid int) pidfd {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return pidfd{t, fd, pid}
}

// ended waits for the end of the process.
func (p pidfd) ended() {
	p.Helper()
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}, 20_000)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n != 1 || err != nil {
			p.Fatalf("process %d lives: %v", p.pid, err)
		}
		return
	}
}

func argumentsOf(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.TrimRight(strings.ReplaceAll(string(text), "\x00", " "), " ")
}

func TestASupervisorServesOneAttemptAfterAnother(t *testing.T) {
	r := newTestRunner(t)
	first := parentOf(t, r)
	for name, test := range map[string]struct {
		script, command string
		timeout         time.Duration
	}{
		"success":     {script: "true"},
		"failure":     {script: "exit 3"},
		"a crash":     {script: "kill -SEGV $$"},
		"no start":    {command: "/dev/null"},
		"a daemon":    {script: "setsid sleep 1000 & exit 0"},
		"a time-out":  {script: "trap '' TERM; sleep 1000 & wait; sleep 1000", timeout: 300 * time.Millisecond},
		"much to say": {script: "head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2"},
	} {
		a := attempt(t, spec(t, test.script))
		a.Spec.Timeout, a.Spec.KillGrace = test.timeout, 0
		if test.command != "" {
			a.Spec.Command = []string{"sh", strings.Repeat("x", 1<<18)} // an argument that is too long
		}
		_, _ = r.Run(t.Context(), a)
		if now := parentOf(t, r); now != first {
			t.Errorf("after %s there is another supervisor", name)
			first = now
		}
	}
}

// What a program sees of its surroundings is the same after attempts that changed all they could as it is in a new supervisor.
func TestNothingOfAnAttemptReachesTheNext(t *testing.T) {
	const look = `env | grep -v -e _ID= -e _DATA= | sort; umask; ulimit -a; nice; cat /proc/self/oom_score_adj
		grep -e "^Sig[BIC]" -e ^Cap -e ^Seccomp -e ^NoNew -e ^Groups /proc/self/status; cd /proc/$PPID/task/$PPID; echo children $(cat ../*/children | wc -w)
		for fd in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do [ -e /proc/$$/fd/$fd ] && echo file $fd; done; cat >&2`
	see := func(r *Runner) string {
		t.Helper()
		a := attempt(t, spec(t, look))
		a.Spec.Dir, a.Args = "/", []byte(`{"n":1}`)
		var said []string
		a.OnLine = func(l Line) { said = append(said, l.Msg) }
		result, err := r.Run(t.Context(), a)
		if err != nil || len(said) != 1 {
			t.Fatalf("%v, %q", err, said)
		}
		return string(result.Stdout) + said[0]
	}
	want := see(newTestRunner(t))
	if !strings.Contains(want, "children 1\nfile 0\nfile 1\nfile 2\n") {
		t.Errorf("the program sees\n%s", want)
	}
	r := newTestRunner(t)
	before := parentOf(t, r)
	for _, script := range []string{
		`umask 0; ulimit -n 20; ulimit -c 0; cd /tmp; exec 5</dev/null 6>&1; trap '' INT QUIT HUP TERM USR1 PIPE; export MORE=1; setsid sh -c 'trap "" TERM; sleep 1000' & (sleep 1000 &); echo left; exit 1`,
		`nice -n 5 sleep 1000 & echo 500 >/proc/self/oom_score_adj; cat /dev/null`,
	} {
		a := attempt(t, spec(t, script))
		a.Args, a.Spec.Env = []byte(`{"other":"`+strings.Repeat("y", 200_000)+`"}`), map[string]string{"LEAK": "1"}
		_, _ = r.Run(t.Context(), a)
	}
	if diff := cmp.Diff(want, see(r)); diff != "" {
		t.Error(diff)
	}
	if after := parentOf(t, r); before != after {
		t.Error("it was another supervisor")
	}
}

func TestAnIdleSupervisorHoldsNoFile(t *testing.T) {
	r := newTestRunner(t)
	open := func(pid int) string {
		t.Helper()
		files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, file := range files {
			link, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, file.Name()))
			names = append(names, file.Name()+" "+link)
		}
		return strings.Join(names, "\n")
	}
	pid := parentOf(t, r)
	before := open(pid)
	lock, err := os.Create(filepath.Join(t.TempDir(), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	for _, script := range []string{"true", "exit 1", "(sleep 1000 &)", strings.Repeat("x", 1<<18)} {
		a := attempt(t, spec(t, script))
		a.Hold = lock
		_, _ = r.Run(t.Context(), a)
	}
	if diff := cmp.Diff(before, open(pid)); diff != "" {
		t.Error(diff)
	}
}

func TestALargeOrderMakesNoLargeSupervisor(t *testing.T) {
	r := newTestRunner(t)
	before := parentOf(t, r)
	a := attempt(t, spec(t, "echo $PPID"))
	a.Spec.Env = map[string]string{}
	for i := range 12 {
		a.Spec.Env[fmt.Sprint("LARGE", i)] = strings.Repeat("x", 100_000)
	}
	supervisor := openPid(t, before)
	if result, err := r.Run(t.Context(), a); err != nil || string(result.Stdout) != fmt.Sprintln(before) {
		t.Errorf("%s, %v", result.Stdout, err)
	}
	supervisor.ended()
}

func TestIdleSupervisorsEnd(t *testing.T) {
	r := newTestRunner(t)
	r.idleFor = 100 * time.Millisecond
	openPid(t, parentOf(t, r)).ended()
	openPid(t, parentOf(t, r)).ended() // also when it had none left
}

func TestClosingEndsTheSupervisors(t *testing.T) {
	life, r := newLifeline(t), New()
	ended := make(chan error, 1)
	go func() {
		_, err := r.Run(t.Context(), attempt(t, spec(t, life.hold()+`echo $PPID >&9; echo up >&9; read -r word <'`+life.path+`.go'`)))
		ended <- err
	}()
	if err := syscall.Mkfifo(life.path+".go", 0o600); err != nil {
		t.Fatal(err)
	}
	busy, err := strconv.Atoi(<-life.said)
	if err != nil {
		t.Fatal(err)
	}
	idle, working := openPid(t, parentOf(t, r)), openPid(t, busy)
	r.Close()
	idle.ended()
	if err := os.WriteFile(life.path+".go", []byte("go\n"), 0); err != nil { // the attempt goes on
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	working.ended()
}

func TestAnIdleSupervisorEndsWithItsHost(t *testing.T) {
	t.Setenv("HOST_STAYS", "1")
	host := startHost(t, "echo $PPID >&2")
	pid, err := strconv.Atoi(strings.TrimPrefix(host.said(t), "info "))
	if err != nil {
		t.Fatal(err)
	}
	supervisor := openPid(t, pid)
	if said := host.said(t); !strings.HasSuffix(said, "<nil>") {
		t.Fatal(said)
	}
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	supervisor.ended()
}

func TestASupervisorThatEndedWhileItWasIdleIsReplaced(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		r := newTestRunner(t)
		pid := parentOf(t, r)
		supervisor := openPid(t, pid)
		signalTo(t, pid, signal)
		supervisor.ended()
		if now := parentOf(t, r); now == pid {
			t.Errorf("after %v its id is back", signal)
		}
	}
}

// Words that come when the attempt they are meant for has just ended are not for the next one.
func TestALateStopDoesNotReachTheNextAttempt(t *testing.T) {
	r := newTestRunner(t)
	first := parentOf(t, r)
	for i := range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		a := attempt(t, spec(t, "echo up >&2"))
		a.OnLine = func(Line) { // the program is about to end
			<-time.After(time.Duration(i) * 40 * time.Microsecond)
			cancel()
		}
		if _, err := r.Run(ctx, a); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		cancel()
		if now := parentOf(t, r); now != first {
			t.Fatal("there is another supervisor")
		}
	}
}

func TestTheListOfProcessesShowsWhatASupervisorDoes(t *testing.T) {
	r := newTestRunner(t)
	result, err := r.Run(t.Context(), attempt(t, spec(t, `tr '\0' ' ' </proc/$PPID/cmdline; cat /proc/$PPID/comm`)))
	if said := strings.Join(strings.Fields(string(result.Stdout)), " "); err != nil || said != "/proc/self/exe supervisor test job 7 run test" {
		t.Errorf("%q, %v", said, err)
	}
	pid := parentOf(t, r)
	deadline := time.After(20 * time.Second)
	for argumentsOf(pid) != "/proc/self/exe supervisor idle" { // it says so a moment after its report
		select {
		case <-deadline:
			t.Fatalf("idle, it shows as %q", argumentsOf(pid))
		case <-time.After(time.Millisecond):
		}
	}
}
