package runner

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// maxRest bounds what is read of a stream after its deadline. It is more than a pipe holds, unless root made it larger.
const maxRest = 1 << 20

// output reads what a program wrote. After the read deadline of the pipe it waits for nothing more, yet returns what the pipe holds: a
// reader that was slow, or had to wait for the database, loses nothing by it.
type output struct {
	pipe *os.File
	rest int // bytes read after the deadline
}

func (o *output) Read(into []byte) (int, error) {
	n, err := o.pipe.Read(into)
	if !errors.Is(err, os.ErrDeadlineExceeded) || o.rest >= maxRest {
		return n, err
	}
	raw, err := o.pipe.SyscallConn()
	if err != nil {
		return 0, err
	}
	var readErr error
	err = raw.Control(func(fd uintptr) { // not Read, which keeps to the deadline; our ends of pipes do not block
		for {
			if n, readErr = unix.Read(int(fd), into); !errors.Is(readErr, unix.EINTR) {
				return
			}
		}
	})
	switch {
	case err != nil:
		return 0, err
	case errors.Is(readErr, unix.EAGAIN):
		return 0, os.ErrDeadlineExceeded
	case readErr != nil:
		return 0, readErr
	case n == 0:
		return 0, io.EOF
	}
	o.rest += n
	return n, nil
}
