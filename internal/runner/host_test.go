package runner

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/agentos/agentos/internal/agent"
)

func TestTheHostIsBlamedForWhatItLacks(t *testing.T) {
	for errno, host := range map[syscall.Errno]bool{
		syscall.EMFILE: true, syscall.ENFILE: true, syscall.ENOMEM: true, syscall.EAGAIN: true, syscall.ENOSPC: true,
		syscall.ENOENT: false, syscall.EACCES: false, syscall.ENOEXEC: false, syscall.E2BIG: false, syscall.ETXTBSY: false,
	} {
		for _, err := range []error{
			errno, &os.SyscallError{Syscall: "pipe2", Err: errno}, &os.PathError{Op: "fork/exec", Path: "/x", Err: errno},
			startFailure(errno, &agent.Spec{Command: []string{"x"}}), fmt.Errorf("make the work folder: %w", errno),
		} {
			if got := errors.As(blame(err), new(*HostError)); got != host {
				t.Errorf("%v: blamed on the host: %v", err, got)
			}
		}
	}
}
