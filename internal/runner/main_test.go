package runner

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "supervisor" {
		os.Exit(SupervisorMain())
	}
	if len(os.Args) == 6 && os.Args[1] == "host" {
		os.Exit(hostMain(os.Args[2:]))
	}
	if len(os.Args) == 3 && os.Args[1] == "change-user" {
		os.Exit(changeUser(os.Args[2]))
	}
	goleak.VerifyTestMain(closing{m})
}

// closing ends what all tests share.
type closing struct{ *testing.M }

func (c closing) Run() int {
	defer shared.Close()
	return c.M.Run()
}

// changeUser is a program that becomes another user, as sudo does, says so, and does not end.
func changeUser(life string) int {
	signal.Ignore(syscall.SIGTERM)
	err := syscall.Setuid(0)
	pipe, openErr := os.OpenFile(life, os.O_WRONLY, 0)
	if err := errors.Join(err, openErr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprintln(pipe, "up")
	time.Sleep(time.Hour)
	return 0
}
