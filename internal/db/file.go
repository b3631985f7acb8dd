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
// replaced, and what it writes is lost, so connections are dropped once the path names something else; new ones are
// made when it names a database again.
//
// It never opens the file itself: closing it would drop the POSIX locks SQLite holds on it for the whole process.
type file struct {
	foreign   bool // another program's: nothing beside it may be touched
	path      string
	log       *slog.Logger
	observer  *observer
	release   func()       // closes connections that are not in use
	checkedAt atomic.Int64 // unix nanoseconds

	mu    sync.Mutex
	info  os.FileInfo // of the file the connections work on; nil before the first
	wal   os.FileInfo // its write-ahead log; nil when none was seen
	aside os.FileInfo // the file whose log was set aside; nil when none was
	epoch int         // grows when all connections must go
	old   int         // open connections of earlier epochs
	open  int         // open connections of this epoch
}

func (f *file) connector(dsn string) driver.Connector { return connector{file: f, dsn: dsn} }

// check returns why the path no longer names the file that was opened, and then drops all connections.
func (f *file) check() error {
	f.checkedAt.Store(time.Now().UnixNano())
	info, err := os.Stat(f.path)
	f.mu.Lock()
	known, epoch := f.info, f.epoch
	f.mu.Unlock()
	switch {
	case err != nil:
		err = unreached(err)
	case known == nil:
		return nil
	case !os.SameFile(known, info):
		err = &fileError{text: fmt.Sprintf("the database file %s was replaced", f.path)}
	case info.Size() == 0 && known.Size() > 0:
		err = &fileError{text: fmt.Sprintf("the database file %s was emptied", f.path)}
	default:
		f.noteLog()
		return nil
	}
	f.invalidateEpoch(epoch, err.Error())
	return err
}

// recheck is check at most once per checkEvery.
func (f *file) recheck() error {
	if time.Duration(time.Now().UnixNano()-f.checkedAt.Load()) < checkEvery {
		return nil
	}
	return f.check()
}

// noteLog remembers which write-ahead log belongs to the file.
func (f *file) noteLog() {
	if info, err := os.Stat(f.path + "-wal"); err == nil {
		f.mu.Lock()
		f.wal = info
		f.mu.Unlock()
	}
}

func (f *file) invalidate(reason string) {
	f.mu.Lock()
	epoch := f.epoch
	f.mu.Unlock()
	f.invalidateEpoch(epoch, reason)
}

func (f *file) invalidateEpoch(epoch int, reason string) {
	f.mu.Lock()
	if epoch != f.epoch || f.open == 0 {
		f.mu.Unlock()
		return
	}
	f.epoch++
	f.old += f.open
	f.open = 0
	f.mu.Unlock()
	f.log.Warn("dropping all database connections", "path", f.path, "reason", reason)
	f.release()
}

// admit lets a new connection be made and returns its epoch. What keeps a new one away is known to the old ones too: none
// of them may still write where the path no longer leads.
func (f *file) admit() (int, error) {
	epoch, err := f.admitted()
	if err != nil {
		_ = f.check() // says the same, or less
		return 0, err
	}
	return epoch, nil
}

func (f *file) admitted() (int, error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return 0, unreached(err)
	}
	if f.foreign {
		err = readable(f.path)
	} else {
		err = access(f.path)
	}
	if err != nil {
		return 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.old > 0 {
		// Two files under one path would share one write-ahead log, which destroys the new one.
		return 0, &fileError{text: fmt.Sprintf("the database file %s changed: waiting for %d statements on the old one to end", f.path, f.old)}
	}
	if f.info != nil && os.SameFile(f.info, info) && info.Size() == 0 && f.info.Size() > 0 {
		// SQLite would make a new database of it, whose log then hides the content that is put back.
		return 0, &fileError{text: fmt.Sprintf("the database file %s was emptied", f.path)}
	}
	if f.info != nil && !os.SameFile(f.info, info) {
		if f.open > 0 {
			return 0, &fileError{text: fmt.Sprintf("the database file %s was replaced", f.path)}
		}
		if err := f.changeLogs(info); err != nil {
			return 0, err
		}
	}
	f.info = info
	f.open++
	return f.epoch, nil
}

// changeLogs sets the write-ahead log of the file that was there before aside, because SQLite would apply it to the new
// one, and restores the log of a file that came back: it may hold every recent write.
func (f *file) changeLogs(now os.FileInfo) error {
	if f.foreign { // its owner's business
		return nil
	}
	wal, aside := f.path+"-wal", f.path+"-wal.aside"
	if info, err := os.Stat(wal); err == nil && f.wal != nil && os.SameFile(f.wal, info) {
		f.log.Warn("the database file was replaced: setting its write-ahead log aside", "log", aside)
		if err := errors.Join(os.Rename(wal, aside), removeIfThere(f.path+"-shm")); err != nil {
			return &fileError{"set the replaced file's write-ahead log aside", err}
		}
		f.aside = f.info
	}
	f.wal = nil
	if f.aside == nil || !os.SameFile(f.aside, now) {
		return nil
	}
	f.aside = nil
	if err := errors.Join(os.Rename(aside, wal), removeIfThere(f.path+"-shm")); err != nil {
		return &fileError{"bring back the file's write-ahead log", err}
	}
	return nil
}

func (f *file) leave(epoch int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if epoch == f.epoch {
		f.open--
	} else {
		f.old--
	}
}

// current reports whether connections of that epoch may go on.
func (f *file) current(epoch int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return epoch == f.epoch
}

// sized remembers that the file has content, so that an emptied one is noticed.
func (f *file) sized() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.info != nil && f.info.Size() == 0 {
		if info, err := os.Stat(f.path); err == nil && os.SameFile(f.info, info) {
			f.info = info
		}
	}
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

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

type connector struct {
	file *file
	dsn  string
}

func (c connector) Driver() driver.Driver { return &sqlite.Driver{} }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	epoch, err := c.file.admit()
	if err != nil {
		return nil, err
	}
	base, err := sqlite.NewConnector(c.dsn)
	if err != nil {
		c.file.leave(epoch)
		return nil, err
	}
	raw, err := base.Connect(ctx)
	if err != nil {
		c.file.leave(epoch)
		return nil, err
	}
	c.file.sized()
	e := raw.(engine)
	return &conn{engine: e, file: c.file, epoch: epoch, statements: statements{engine: e}}, nil
}
