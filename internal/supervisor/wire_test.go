package supervisor

import (
	"bytes"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pair is a host's end of a socket, and the other end as a supervisor reads it.
func pair(t *testing.T) (host int, in *inbox) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.SetNonblock(fds[1], true); err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "host")
	t.Cleanup(func() { syscall.Close(fds[0]); theirs.Close() })
	return fds[0], &inbox{socket: theirs}
}

// sendOrder sends an order with open files, all at once or byte by byte.
func sendOrder(t *testing.T, host int, o Order, files int, step int) {
	t.Helper()
	frame, err := o.Encode()
	if err != nil {
		t.Error(err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Error(err)
	}
	defer null.Close()
	fds := make([]int, files)
	for i := range fds {
		fds[i] = int(null.Fd())
	}
	beside := syscall.UnixRights(fds...)
	for len(frame) > 0 {
		n, err := syscall.SendmsgN(host, frame[:min(step, len(frame))], beside, nil, 0)
		if err != nil {
			t.Error(err)
			return
		}
		frame, beside = frame[n:], nil
	}
}

func TestAnOrderArrives(t *testing.T) {
	for name, want := range map[string]Order{
		"empty": {},
		"full": {
			Program: "/bin/sh", Argv: []string{"sh", "", "-c", "echo \x00\xff"}, Env: []string{"A=1", "B="}, Dir: "/tmp",
			Grace: 5, Fence: 1 << 40, Name: "näme", Job: 1 << 40,
		},
		"long": {Argv: []string{strings.Repeat("x", 1<<20)}},
	} {
		for _, step := range []int{1, 1 << 20} {
			if step == 1 && name == "long" {
				continue
			}
			t.Run(name, func(t *testing.T) {
				host, in := pair(t)
				go func() {
					_, _ = syscall.Write(host, []byte{Beat, Stop}) // words of an attempt before
					sendOrder(t, host, want, 4, step)
					_, _ = syscall.Write(host, []byte{Kill})
				}()
				for _, word := range []byte{Beat, Stop} {
					if m, err := in.next(); err != nil || m.word != word || m.files != nil {
						t.Fatalf("%+v, %v", m, err)
					}
				}
				got, err := in.next()
				if diff := cmp.Diff(want, got.order, cmp.Transformer("", func(l []string) string { return strings.Join(l, "|") })); diff != "" || err != nil {
					t.Error(diff, err)
				}
				if len(got.files) != 4 {
					t.Errorf("files %v", got.files)
				}
				for _, fd := range got.files {
					flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
					if errno != 0 || flags&syscall.FD_CLOEXEC == 0 {
						t.Errorf("file %d: flags %d, %v: the program would inherit it", fd, flags, errno)
					}
					_ = syscall.Close(fd)
				}
				if m, err := in.next(); err != nil || m.word != Kill {
					t.Errorf("%+v, %v", m, err)
				}
			})
		}
	}
}

func TestAnOrderNeedsItsFiles(t *testing.T) {
	for _, files := range []int{0, 2, 5} {
		host, in := pair(t)
		sendOrder(t, host, Order{}, files, 1<<20)
		if m, err := in.next(); err == nil {
			t.Errorf("with %d files: %+v", files, m)
		}
		for _, fd := range in.files {
			_ = syscall.Close(fd)
		}
	}
}

func TestAReportArrives(t *testing.T) {
	for _, want := range []Report{
		{Step: Started, PID: 4_000_000},
		{Step: Failed, Errno: 2},
		{Step: Failed, Error: "why"},
		{Step: Ended, Code: -1, Signal: 9, Stopped: true},
		{Step: Ended, Code: 255, Stopped: true, Fenced: true},
		{Step: Swept, Left: 3},
	} {
		pipe := bytes.NewBuffer(want.append(nil))
		if got, err := ReadReport(pipe); got != want || err != nil || pipe.Len() > 0 {
			t.Errorf("%+v came as %+v, %v", want, got, err)
		}
	}
}

func FuzzReadOrder(f *testing.F) {
	whole, err := Order{Program: "p", Argv: []string{"a"}, Env: []string{"E=1"}, Name: "n"}.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte{start, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		in := inbox{read: data, files: []int{-1, -1, -1}}
		if _, used, _ := in.parse(); used > len(data) {
			t.Errorf("%d bytes of %d", used, len(data))
		}
		_, _ = ReadReport(bytes.NewReader(data))
	})
}
