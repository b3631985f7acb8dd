package db_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestPingHeedsItsDeadlineWhileTheDatabaseHangs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agentos.db")
	d := marked(t, path, "mine")
	shm, err := os.OpenFile(path+"-shm", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shm.Close() }) // not before: closing it drops the locks of this process
	// The locks of SQLite for reading and writing. These belong to the open file, so they hold against this process too.
	locks := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: 120, Len: 8}
	if err := unix.FcntlFlock(shm.Fd(), unix.F_OFD_SETLKW, &locks); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := d.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(began); took > 4*time.Second { // to wait for the locks takes 5
		t.Errorf("it took %v", took)
	}
	locks.Type = unix.F_UNLCK
	if err := unix.FcntlFlock(shm.Fd(), unix.F_OFD_SETLK, &locks); err != nil {
		t.Fatal(err)
	}
	works(t, d, "mine")
}
