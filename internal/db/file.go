package db

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
)

// checkEvery bounds how often a connection in use makes sure that it still works on the file the path names.
const checkEvery = 100 * time.Millisecond

// file watches over the connections to one SQLite file. An open connection goes on working on a file that was deleted or
// replaced, and what it writes is lost, so connections are dropped once the path leads elsewhere, and none is made until it leads
// to that file again. Another file in its place is for the next start: two files under one path would share one write-ahead log.
//
// It never opens the file itself: closing it would drop the POSIX locks SQLite holds on it for the whole process.
type file struct {
	foreign   bool // another program's: reading it is enough
	path      string
	log       *slog.Logger
	observer  *observer
	release   func()       // closes connections that are not in use
	checkedAt atomic.Int64 // unix nanoseconds of the last check; zero when that found something wrong

	mu    sync.Mutex
	info  os.FileInfo // of the file the connections work on, as seen last; nil before the first
	wal   os.FileInfo // its write-ahead log; nil when none was seen
	epoch int         // grows when all connections must go
	lost  bool        // the last check found something wrong
}

func (f *file) connector(dsn string) driver.Connector { return connector{file: f, dsn: dsn} }

// check returns why the path no longer leads to the file that was opened. When that begins, it drops all connections: none of them
// may still write where the path no longer leads.
func (f *file) check() error {
	info, err := os.Stat(f.path)
	if err != nil {
		err = unreached(err)
	}
	f.mu.Lock()
	if err == nil && f.info != nil {
		if err = f.compare(info); err == nil {
			f.info = info
			f.wal, _ = os.Stat(f.path + "-wal")
		}
	}
	begins := err != nil && !f.lost
	if f.lost = err != nil; f.lost {
		f.checkedAt.Store(0)
	} else {
		f.checkedAt.Store(time.Now().UnixNano())
	}
	f.mu.Unlock()
	if begins {
		f.drop(err.Error())
	}
	return err
}

func (f *file) compare(now os.FileInfo) error {
	switch {
	case !now.Mode().IsRegular():
		return &fileError{text: fmt.Sprintf("the database file is gone: %s is not a file", f.path)}
	case !os.SameFile(f.info, now):
		return &fileError{text: fmt.Sprintf("the database file %s was replaced: restart agentos to work on the new one", f.path)}
	case now.Size() == 0 && f.info.Size() > 0:
		// SQLite would make a new database of it, whose log then hides the content that is put back.
		return &fileError{text: fmt.Sprintf("the database file %s was emptied", f.path)}
	}
	return nil
}

// recheck is check at most once per checkEvery while all is well.
func (f *file) recheck() error {
	if time.Duration(time.Now().UnixNano()-f.checkedAt.Load()) < checkEvery {
		return nil
	}
	return f.check()
}

// drop closes all connections, those in use when they are given back.
func (f *file) drop(reason string) {
	f.mu.Lock()
	f.epoch++
	known := f.info != nil
	f.mu.Unlock()
	if known {
		f.log.Warn("dropping all database connections", "path", f.path, "reason", reason)
	}
	f.release()
}

// opened remembers which file the first connection was made to.
func (f *file) opened() {
	info, err := os.Stat(f.path)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil && f.info == nil {
		f.info = info
	}
}

// setAside keeps the write-ahead log of a file that was replaced from the one in its place, to which SQLite would apply it at the
// next start. It is called when all connections are closed: the last one leaves the log of a file that is no longer there.
func (f *file) setAside() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	now, err := os.Stat(f.path)
	if err != nil || f.foreign || f.info == nil || os.SameFile(f.info, now) || !now.Mode().IsRegular() {
		return nil // there is no other file, or it is its owner's business
	}
	wal, aside := f.path+"-wal", f.path+"-wal.replaced"
	if log, err := os.Stat(wal); err != nil || f.wal == nil || !os.SameFile(f.wal, log) {
		return nil
	}
	f.log.Warn("the database file was replaced: setting its write-ahead log aside", "log", aside)
	_ = os.Remove(f.path + "-shm") // SQLite makes it again
	return os.Rename(wal, aside)
}

// current returns the epoch of connections that may go on.
func (f *file) current() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.epoch
}

// unreached is why the path leads to nothing.
func unreached(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return &fileError{"the database file is gone", err}
	}
	return &fileError{"the database file cannot be reached", err}
}

// access returns why this process may not read and write the file.
func access(path string) error {
	if err := unix.Access(path, unix.R_OK|unix.W_OK); err != nil {
		return &fileError{fmt.Sprintf("the database file %s cannot be read and written", path), err}
	}
	return nil
}

// readable returns why this process may not read the file.
func readable(path string) error {
	if err := unix.Access(path, unix.R_OK); err != nil {
		return &fileError{fmt.Sprintf("the database file %s cannot be read", path), err}
	}
	return nil
}

type connector struct {
	file *file
	dsn  string
}

func (c connector) Driver() driver.Driver { return &sqlite.Driver{} }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	epoch := c.file.current()
	if err := c.file.check(); err != nil {
		return nil, err
	}
	allowed := access
	if c.file.foreign {
		allowed = readable
	}
	if err := allowed(c.file.path); err != nil {
		return nil, err
	}
	base, err := sqlite.NewConnector(c.dsn)
	if err != nil {
		return nil, err
	}
	raw, err := base.Connect(ctx)
	if err != nil {
		return nil, err
	}
	c.file.opened()
	e := raw.(engine)
	return &conn{engine: e, file: c.file, epoch: epoch, statements: statements{engine: e}}, nil
}
