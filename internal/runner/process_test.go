package runner

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/agentos/agentos/internal/agent"
)

// spec is an agent that runs a shell script.
func spec(t testing.TB, script string) *agent.Spec {
	return &agent.Spec{
		Name: "test", Command: []string{"sh", "-c", script}, Dir: t.TempDir(), Queue: "test",
		Timeout: time.Minute, KillGrace: 5 * time.Second, MaxAttempts: 3, Backoff: agent.DefaultBackoff,
	}
}

func attempt(t testing.TB, s *agent.Spec) Attempt {
	return Attempt{Spec: s, JobID: 7, RunID: 8, Number: 1, MaxAttempts: 3, WorkDir: t.TempDir()}
}

// shared runs the attempts of most tests, so that a supervisor serves those of others before and after: nothing may be left to the next.
var shared = New()

// run makes one attempt that must return soon.
func run(t testing.TB, a Attempt) (Result, error) {
	t.Helper()
	begin := time.Now()
	result, err := shared.Run(t.Context(), a)
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("Run took %s", took)
	}
	return result, err
}

func TestRunReturnsWhatTheProgramWrote(t *testing.T) {
	a := attempt(t, spec(t, `cat; echo; echo "$AGENTOS_AGENT $AGENTOS_JOB_ID $AGENTOS_ARG_PATH"; pwd; ls -d "$AGENTOS_AGENT_DATA"; echo hello >&2`))
	a.Args = []byte(`{"path":"a b"}`)
	a.WorkDir += "/made/here"
	var lines []string
	a.OnLine = func(l Line) { lines = append(lines, l.Level+" "+l.Msg) }
	before := time.Now()
	result, err := run(t, a)
	if err != nil {
		t.Fatal(err)
	}
	dir, _ := filepath.EvalSymlinks(a.Spec.Dir)
	want := "{\"path\":\"a b\"}\ntest 7 a b\n" + dir + "\n" + a.WorkDir + "\n"
	if diff := cmp.Diff(want, string(result.Stdout)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"info hello"}, lines); diff != "" {
		t.Error(diff)
	}
	if result.ExitCode != 0 || result.Signal != "" || result.StdoutDropped != 0 || !cmp.Equal(result.LastLines, []string{"hello"}) {
		t.Errorf("%+v", result)
	}
	if result.Started.Before(before) || result.Ended.Before(result.Started) || result.Ended.After(time.Now()) {
		t.Errorf("started %s, ended %s", result.Started, result.Ended)
	}
}

// The temporary folder is the attempt's own, and gone when it has ended, however it did and whatever it left there.
func TestRunRemovesTheTemporaryFolder(t *testing.T) {
	for name, script := range map[string]string{
		"success":   `[ "$TMPDIR" = "$AGENTOS_TMP" ] && [ -d "$TMPDIR" ] && mktemp && mkdir -p "$TMPDIR/a/b" && touch "$TMPDIR/a/b/c" && chmod 0 "$TMPDIR/a/b" "$TMPDIR/a" && ln -s / "$TMPDIR/root"`,
		"failure":   `touch "$TMPDIR/x"; exit 1`,
		"a daemon":  `(setsid sh -c 'while :; do echo x >>"$TMPDIR/x"; done' &); while [ ! -e "$TMPDIR/x" ]; do sleep 0.01; done`,
		"time-out":  `touch "$TMPDIR/x"; sleep 1000`,
		"no folder": `rm -rf "$TMPDIR"`,
	} {
		t.Run(name, func(t *testing.T) {
			a := attempt(t, spec(t, script))
			a.TempDir = filepath.Join(t.TempDir(), "tmp", "8")
			if name == "time-out" {
				a.Spec.Timeout, a.Spec.KillGrace = 300*time.Millisecond, 0
			}
			var said []string
			a.OnLine = func(l Line) { said = append(said, l.Msg) }
			_, err := run(t, a)
			if wantErr := name == "failure" || name == "time-out"; (err != nil) != wantErr {
				t.Errorf("%v, %q", err, said)
			}
			if _, err := os.Stat(a.TempDir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("it is still there: %v, %q", err, said)
			}
		})
	}
}

func TestAnAgentsOwnTMPDIRWins(t *testing.T) {
	a := attempt(t, spec(t, `echo "$TMPDIR"`))
	a.TempDir, a.Spec.Env = filepath.Join(t.TempDir(), "8"), map[string]string{"TMPDIR": "/var/tmp"}
	if result, err := run(t, a); err != nil || string(result.Stdout) != "/var/tmp\n" {
		t.Errorf("%q, %v", result.Stdout, err)
	}
}

func TestRunGivesAnEmptyObjectForNoArguments(t *testing.T) {
	result, err := run(t, attempt(t, spec(t, "cat")))
	if err != nil || string(result.Stdout) != "{}" {
		t.Errorf("%q, %v", result.Stdout, err)
	}
}

func TestRunReportsHowTheProgramEnded(t *testing.T) {
	tests := []struct {
		name, script string
		want         ExitError
		text         string
	}{
		{"status", "exit 3", ExitError{Code: 3}, "exit status 3"},
		{"tempfail is a failure too", "exit 75", ExitError{Code: 75}, "exit status 75"},
		{"last line", "echo one >&2; echo two >&2; exit 1", ExitError{Code: 1, Tail: "two"}, "exit status 1: two"},
		{"last error", `echo '{"level":"error","msg":"why"}' >&2; echo bye >&2; exit 1`, ExitError{Code: 1, Tail: "why"}, "exit status 1: why"},
		{"crash", "kill -SEGV $$", ExitError{Code: -1, Signal: "SIGSEGV"}, "ended by SIGSEGV"},
		{"killed", "echo x >&2; kill -KILL $$", ExitError{Code: -1, Signal: "SIGKILL", Tail: "x"}, "ended by SIGKILL: x"},
		{"killed with its group", "kill -KILL 0", ExitError{Code: -1, Signal: "SIGKILL"}, "ended by SIGKILL"},
		{"terminated itself", "kill -TERM $$", ExitError{Code: -1, Signal: "SIGTERM"}, "ended by SIGTERM"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			result, err := run(t, attempt(t, spec(t, tt.script)))
			var exit *ExitError
			if !errors.As(err, &exit) {
				t.Fatalf("%T: %v", err, err)
			}
			if diff := cmp.Diff(tt.want, *exit); diff != "" || err.Error() != tt.text {
				t.Error(diff, err)
			}
			if result.ExitCode != tt.want.Code || result.Signal != tt.want.Signal {
				t.Errorf("%+v", result)
			}
		})
	}
}

func TestRunCannotStart(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tests := []struct {
		name    string
		command []string
		is      error
		want    string
	}{
		{"not there", []string{dir + "/none"}, fs.ErrNotExist, "start failed: the program DIR/none cannot be started: no such file or directory"},
		{"not in PATH", []string{"no-such-program"}, fs.ErrNotExist, `start failed: there is no program "no-such-program" in PATH: install it, or write its path: file does not exist`},
		{"not executable", []string{file("plain", "", 0o644)}, fs.ErrPermission, "start failed: the program DIR/plain is not executable: run chmod +x on it, or name its interpreter, [sh, plain]: permission denied"},
		{"a directory", []string{dir}, nil, "start failed: the program DIR is a directory"},
		{"no interpreter", []string{file("script", "#!/no/such/interpreter\n", 0o755)}, syscall.ENOENT, "start failed: run DIR/script: the interpreter named in its first line (#!) is not there: no such file or directory"},
		{"no format", []string{file("text", "hello\n", 0o755)}, syscall.ENOEXEC, "start failed: run DIR/text: it is neither a program of this machine nor a script with #!/bin/sh as its first line: exec format error"},
		{"too long", []string{"sh", strings.Repeat("x", 4<<20)}, syscall.E2BIG, "start failed: run sh: command and environment together are too long: pass data on standard input: argument list too long"},
		{"much too long", []string{"sh", strings.Repeat("x", 20<<20)}, nil, "start failed: command and environment have 20972"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := spec(t, "")
			s.Command = tt.command
			result, err := run(t, attempt(t, s))
			var start *StartError
			if !errors.As(err, &start) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Fatalf("%T: %v", err, err)
			}
			if got := strings.ReplaceAll(err.Error(), dir, "DIR"); !strings.HasPrefix(got, tt.want) {
				t.Errorf("%.300s", got)
			}
			if result.ExitCode != -1 || !result.Started.IsZero() {
				t.Errorf("%+v", result)
			}
		})
	}
}

func TestRunCannotStartInAFolderThatIsGone(t *testing.T) {
	s := spec(t, "true")
	s.Dir = "/no/such/folder"
	var start *StartError
	if _, err := run(t, attempt(t, s)); !errors.As(err, &start) || !strings.Contains(err.Error(), "the working directory /no/such/folder") {
		t.Errorf("%T: %v", err, err)
	}
}

func TestRunNeedsASupervisor(t *testing.T) {
	for name, test := range map[string]struct {
		argv []string
		want string
	}{
		"not there":         {[]string{"/no/such/program"}, "no such file"},
		"another program":   {[]string{"/bin/sh", "-c", "echo wrong >&2"}, "ended before it started the program: wrong"},
		"one that is ended": {[]string{"/bin/sh", "-c", "kill -9 $$"}, "was ended by SIGKILL before"},
	} {
		t.Run(name, func(t *testing.T) {
			r := New(test.argv...)
			defer r.Close()
			var start *StartError
			if _, err := r.Run(t.Context(), attempt(t, spec(t, "true"))); !errors.As(err, &start) || !strings.Contains(err.Error(), "supervisor") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%T: %v", err, err)
			}
		})
	}
}

func TestRunKeepsTheBeginningOfALongResult(t *testing.T) {
	result, err := run(t, attempt(t, spec(t, `head -c 10485760 /dev/zero | tr '\0' x`)))
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Stdout) != maxStdout || result.StdoutDropped != 10<<20-maxStdout || bytes.Trim(result.Stdout, "x") != nil {
		t.Errorf("%d kept, %d dropped", len(result.Stdout), result.StdoutDropped)
	}
}

func TestRunSurvivesAnyOutput(t *testing.T) {
	a := attempt(t, spec(t, `
		head -c 5242880 /dev/zero | tr '\0' y >&2   # one line of 5 MiB
		printf '\nbad \377\376 nul \000 end\n' >&2
		printf 'out \000\377'
		printf 'no newline' >&2`))
	var lines []Line
	a.OnLine = func(l Line) { lines = append(lines, l) }
	result, err := run(t, a)
	if err != nil {
		t.Fatal(err)
	}
	if string(result.Stdout) != "out \x00\xff" {
		t.Errorf("stdout %q: not as written", result.Stdout)
	}
	if len(lines) != 3 || !strings.HasSuffix(lines[0].Msg, "yy … [cut, 5242880 bytes in all]") || lines[1].Msg != "bad \uFFFD nul \uFFFD end" || lines[2].Msg != "no newline" {
		t.Errorf("%d lines, %.300s", len(lines), fmt.Sprint(lines))
	}
}

func TestRunDoesNotNeedTheStandardFiles(t *testing.T) {
	a := attempt(t, spec(t, `exec 0<&- 1>&- 2>&-; exit 4`))
	a.Args = []byte(`{"x":"` + strings.Repeat("x", 1<<20) + `"}`) // more than a pipe holds
	result, err := run(t, a)
	if result.ExitCode != 4 {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestRunKeepsLastLines(t *testing.T) {
	result, err := run(t, attempt(t, spec(t, `i=1; while [ $i -le 25 ]; do echo $i >&2; echo '{"progress":0.1}' >&2; i=$((i+1)); done`)))
	if err != nil || len(result.LastLines) != 20 || result.LastLines[0] != "6" || result.LastLines[19] != "25" {
		t.Errorf("%q, %v", result.LastLines, err)
	}
}

func TestRunCollectsEnqueueRequests(t *testing.T) {
	const script = `echo '{"enqueue":{"agent":"hash","args":{"n":1}}}' >&2; echo '{"enqueue":{"agent":"count"}}' >&2; exit `
	want := []EnqueueRequest{{Agent: "hash", Args: []byte(`{"n":1}`)}, {Agent: "count", Args: []byte(`{}`)}}
	for _, status := range []string{"0", "1"} {
		result, err := run(t, attempt(t, spec(t, script+status)))
		if diff := cmp.Diff(want, result.Enqueue); diff != "" || (err == nil) != (status == "0") {
			t.Error(status, err, diff)
		}
	}
}

func TestRunFailsWhenAnEnqueueRequestIsRefused(t *testing.T) {
	for name, script := range map[string]string{
		"malformed": `echo '{"enqueue":{"agnet":"hash"}}' >&2`,
		"too many":  `i=0; while [ $i -lt 1001 ]; do echo '{"enqueue":{"agent":"hash"}}'; i=$((i+1)); done >&2`,
	} {
		t.Run(name, func(t *testing.T) {
			result, err := run(t, attempt(t, spec(t, script)))
			var refused *EnqueueError
			if !errors.As(err, &refused) || !strings.HasPrefix(err.Error(), "enqueue refused: ") || result.ExitCode != 0 {
				t.Errorf("%v, %+v", err, result.ExitCode)
			}
			if len(result.LastLines) != 1 || len(result.Enqueue) > maxEnqueue {
				t.Errorf("%d lines, %d requests", len(result.LastLines), len(result.Enqueue))
			}
		})
	}
	var exit *ExitError // its own failure comes first
	if _, err := run(t, attempt(t, spec(t, `echo '{"enqueue":1}' >&2; exit 1`))); !errors.As(err, &exit) {
		t.Errorf("%v", err)
	}
}

// Nothing that an agent asks for is lost in silence: it is understood, or the attempt fails with the line.
func TestRunLosesNoRequest(t *testing.T) {
	result, err := run(t, attempt(t, spec(t, `exec >&2
		printf '\357\273\277{"enqueue":{"agent":"hash","args":{"n":1}}}\n'
		printf '10 %%\r20 %%\r\033[1m{"enqueue":{"agent":"hash","args":{"n":2}}}\033[0m\r30 %%\n'
		printf '{"enqueue":{"agent":"hash","args":{"n":3}}}{"enqueue":{"agent":"hash","args":{"n":4,}}}\n'
		printf '{"pad":"'; head -c 102400 /dev/zero | tr '\0' x; printf '","enqueue":{"agent":"hash","args":{"n":5}}}'`)))
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range result.Enqueue {
		if i > 4 || string(r.Args) != fmt.Sprintf(`{"n":%d}`, i+1) {
			t.Errorf("request %d: %s", i, r.Args)
		}
	}
	if len(result.Enqueue) != 5 {
		t.Errorf("%d requests", len(result.Enqueue))
	}
	const line = `{"enqueue":{"agent":"hash","args":{"x":NaN}}}`
	_, err = run(t, attempt(t, spec(t, `echo '`+line+`' >&2`)))
	var refused *EnqueueError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), line) || !strings.Contains(err.Error(), "NaN") {
		t.Errorf("%v", err)
	}
}

func TestRunReportsTheReasonAboveALongStack(t *testing.T) {
	_, err := run(t, attempt(t, spec(t, `
		echo 'Exception in thread "main" java.lang.IllegalStateException: boom' >&2
		i=0; while [ $i -lt 300 ]; do printf '\tat com.example.Main.f(Main.java:%d)\n' $i >&2; i=$((i+1)); done; exit 1`)))
	if err == nil || !strings.HasSuffix(err.Error(), "IllegalStateException: boom") {
		t.Errorf("%v", err)
	}
}

func TestStopWithinShortensTheGrace(t *testing.T) {
	ready, cause := make(chan struct{}), errors.New("no time")
	a := attempt(t, spec(t, `trap '' TERM; echo up >&2; sleep 1000 & wait; sleep 1000`))
	a.Spec.KillGrace = time.Minute
	a.OnLine = func(Line) { close(ready) }
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { <-ready; cancel(StopWithin(100*time.Millisecond, cause)) }()
	begin := time.Now()
	_, err := shared.Run(ctx, a)
	if !errors.Is(err, cause) || err.Error() != "stopped: no time" {
		t.Errorf("error %v", err)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestRunDoesNotStartWhenCancelledBefore(t *testing.T) {
	cause := errors.New("not wanted")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	a := attempt(t, spec(t, "touch started"))
	result, err := Run(ctx, a)
	if !errors.Is(err, cause) || !result.Started.IsZero() {
		t.Errorf("%v, %+v", err, result)
	}
	if _, err := os.Stat(a.Spec.Dir + "/started"); err == nil {
		t.Error("it ran")
	}
}

// up makes an attempt whose script says "up" on standard error when it is ready, and returns a channel that is closed then.
func up(a *Attempt) <-chan struct{} {
	ready := make(chan struct{})
	var once sync.Once
	a.OnLine = func(l Line) {
		if l.Msg == "up" {
			once.Do(func() { close(ready) })
		}
	}
	return ready
}

func TestCancelLetsTheProgramEndWell(t *testing.T) {
	a := attempt(t, spec(t, `trap 'echo saved; exit 0' TERM; echo up >&2; while :; do sleep 0.01; done`))
	ready := up(&a)
	cause := errors.New("operator said so")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { <-ready; cancel(cause) }()
	result, err := shared.Run(ctx, a)
	if !errors.Is(err, cause) || err.Error() != "stopped: operator said so" {
		t.Errorf("err %v", err)
	}
	if result.ExitCode != 0 || string(result.Stdout) != "saved\n" {
		t.Errorf("%+v, %q", result, result.Stdout)
	}
}

func TestCancelKillsAProgramThatIgnoresIt(t *testing.T) {
	a := attempt(t, spec(t, `trap '' TERM; echo up >&2; while :; do sleep 1; done`))
	a.Spec.KillGrace = 300 * time.Millisecond
	ready := up(&a)
	ctx, cancel := context.WithCancel(t.Context())
	var cancelled time.Time
	go func() { <-ready; cancelled = time.Now(); cancel() }()
	result, err := shared.Run(ctx, a)
	took := time.Since(cancelled)
	if !errors.Is(err, context.Canceled) || result.Signal != "SIGKILL" || result.ExitCode != -1 {
		t.Errorf("%v, %+v", err, result)
	}
	if took < a.Spec.KillGrace || took > a.Spec.KillGrace+5*time.Second {
		t.Errorf("killed after %s", took)
	}
}

func TestCancelEndsAStoppedProgram(t *testing.T) {
	a := attempt(t, spec(t, `trap 'exit 9' TERM; echo up >&2; kill -STOP $$; while :; do sleep 0.01; done`))
	ready := up(&a)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-ready; cancel() }()
	if result, err := shared.Run(ctx, a); !errors.Is(err, context.Canceled) || result.ExitCode != 9 {
		t.Errorf("%v, %+v", err, result)
	}
}

func TestTimeoutSaysSo(t *testing.T) {
	a := attempt(t, spec(t, "sleep 100"))
	a.Spec.Timeout = 200 * time.Millisecond
	result, err := run(t, a)
	if !errors.Is(err, ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) || result.Signal != "SIGTERM" {
		t.Errorf("%v, %+v", err, result)
	}
}

func TestRunEndsWhatTheProgramLeftBehind(t *testing.T) {
	life := newLifeline(t)
	result, err := run(t, attempt(t, spec(t, life.hold()+`sleep 1000 & (sleep 1000 &) ; trap '' TERM HUP; sleep 1000 & echo up >&9; echo done`)))
	if err != nil || string(result.Stdout) != "done\n" {
		t.Errorf("%q, %v", result.Stdout, err)
	}
	life.wait("up")
	life.gone(time.Second)
}

func TestTimeoutEndsGrandchildren(t *testing.T) {
	life := newLifeline(t)
	a := attempt(t, spec(t, life.hold()+`sh -c 'trap "" TERM; sh -c "trap \"\" TERM; echo up >&9; sleep 1000; sleep 1000"; true'; true`))
	a.Spec.Timeout, a.Spec.KillGrace = time.Second, 100*time.Millisecond
	if _, err := run(t, a); !errors.Is(err, ErrTimeout) {
		t.Error(err)
	}
	life.wait("up")
	life.gone(time.Second)
}

// The host is a process of its own, killed with all its chances to clean up.
func TestNothingSurvivesTheHost(t *testing.T) {
	life := newLifeline(t)
	host := startHost(t, life.hold()+`trap '' TERM HUP INT; (sleep 1000 &); sh -c 'echo up >&9; sleep 1000; true' & wait; wait`)
	life.wait("up")
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	life.gone(2 * time.Second)
}

// host is a process that does nothing but Run.
type host struct {
	*exec.Cmd
	errors *bufio.Scanner // its standard error
}

// startHost starts a host that runs the script.
func startHost(t *testing.T, script string) host { return startHostWith(t, script, 0, "") }

// startHostWith starts a host with a fence and the path of a file to lock and hold; zero and empty are none.
func startHostWith(t *testing.T, script string, fence time.Duration, hold string) host {
	t.Helper()
	cmd := exec.Command(os.Args[0], "host", t.TempDir(), script, fence.String(), hold)
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return host{cmd, bufio.NewScanner(stderr)}
}

// said returns the host's next line on standard error.
func (h host) said(t *testing.T) string {
	t.Helper()
	if !h.errors.Scan() {
		t.Fatal("the host ended without a word")
	}
	return h.errors.Text()
}

func hostMain(args []string) int {
	dir, script := args[0], args[1]
	a := Attempt{Spec: &agent.Spec{Name: "test", Command: []string{"sh", "-c", script}, Dir: dir}, WorkDir: dir}
	a.Fence, _ = time.ParseDuration(args[2])
	if args[3] != "" {
		a.Hold, _ = os.Create(args[3])
		if err := syscall.Flock(int(a.Hold.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
	}
	a.Spec.Timeout, _ = time.ParseDuration(os.Getenv("HOST_TIMEOUT"))
	a.OnLine = func(l Line) { fmt.Fprintln(os.Stderr, l.Level, l.Msg) }
	if within, err := time.ParseDuration(os.Getenv("HOST_LEAVES_AFTER")); err == nil {
		leave := make(chan struct{})
		time.AfterFunc(within, func() { close(leave) })
		a.Leave = leave
	}
	_, err := New().Run(context.Background(), a)
	fmt.Fprintln(os.Stderr, "the host's Run returned:", err)
	if os.Getenv("HOST_STAYS") != "" {
		<-time.After(time.Hour)
	}
	return 1
}

func TestRunManyAtOnce(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			a := attempt(t, spec(t, `cat; (sleep 1000 &); echo '{"progress":1}' >&2; exit 0`))
			a.Args = fmt.Appendf(nil, `{"n":%d}`, i)
			if result, err := shared.Run(t.Context(), a); err != nil || string(result.Stdout) != string(a.Args) {
				t.Errorf("%d: %q, %v", i, result.Stdout, err)
			}
		})
	}
	wg.Wait()
}

func TestRunWhileOtherAttemptsAreCancelled(t *testing.T) {
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			a := attempt(t, spec(t, `echo up >&2; sleep 1000`))
			ready := up(&a)
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-ready; cancel() }()
			if _, err := shared.Run(ctx, a); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func BenchmarkRunTrue(b *testing.B) {
	r := New()
	defer r.Close()
	a := attempt(b, spec(b, ""))
	a.Spec.Command = []string{"true"}
	for b.Loop() {
		if _, err := r.Run(b.Context(), a); err != nil {
			b.Fatal(err)
		}
	}
}

// The floor: what the same process costs without a supervisor.
func BenchmarkBareTrue(b *testing.B) {
	for b.Loop() {
		cmd := exec.Command("true")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("{}"), new(bytes.Buffer), new(bytes.Buffer)
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
	}
}
