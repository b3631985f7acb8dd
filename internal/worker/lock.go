package worker

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/agentos/agentos/internal/engine/river"
	"github.com/agentos/agentos/internal/runner"
)

// newWorkerID is different for each process, also when a pid comes again.
func newWorkerID() string {
	var random [4]byte
	rand.Read(random[:])
	return fmt.Sprintf("%s%s-%d-%s", river.WorkerPrefix, hostName(), os.Getpid(), hex.EncodeToString(random[:]))
}

// processGone reports whether the process of a worker of this host has ended.
func processGone(worker string) bool {
	parts := strings.Split(worker, "-") // ..., the pid, the random part
	pid, err := strconv.Atoi(parts[max(len(parts)-2, 0)])
	return err == nil && errors.Is(unix.Kill(pid, 0), unix.ESRCH)
}

// hostName is the host's name, short and free of what would spoil an id or a file name.
func hostName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "host"
	}
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' {
			return r
		}
		return '-'
	}, name)
	return name[:min(len(name), 40)]
}

// workerLock is a lock on a file that the kernel releases when the process dies, however it dies. Others on the host see
// by it at once whether a worker lives.
//
// The supervisors of its attempts hold the file open too: it is locked as long as anything of them runs.
type workerLock struct {
	file *os.File
	keep atomic.Bool // the file stays when this process ends: something of an attempt still runs
}

func lockPath(dataDir, worker string) string {
	return filepath.Join(dataDir, "workers", worker+".lock")
}

func lockWorker(dataDir, worker string) (*workerLock, error) {
	path := lockPath(dataDir, worker)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of worker locks: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make the worker's lock: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("take the worker's lock %s: %w", path, err), file.Close())
	}
	return &workerLock{file: file}, nil
}

// release lets go of the lock. Nil holds none.
func (l *workerLock) release() error {
	if l == nil {
		return nil
	}
	if l.keep.Load() {
		return l.file.Close()
	}
	return errors.Join(removeIfThere(l.file.Name()), l.file.Close())
}

type lockState int

const (
	lockAbsent lockState = iota // no such file here: another host's, or signed off
	lockHeld
	lockFree // its process is dead
)

// stateOfLock reports whether the process of a worker lives. The file is this test's own, so opening and closing it
// disturbs no lock: flock belongs to the opening, not to the process.
func stateOfLock(dataDir, worker string) lockState {
	if dataDir == "" || strings.ContainsRune(worker, filepath.Separator) {
		return lockAbsent
	}
	file, err := os.OpenFile(lockPath(dataDir, worker), os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return lockAbsent
	}
	defer file.Close()
	if unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return lockHeld
	}
	return lockFree
}

// dropLock removes the lock file of a dead worker, and what it left of its attempts' temporary folders.
func dropLock(dataDir, worker string) error {
	if dataDir == "" || strings.ContainsRune(worker, filepath.Separator) || !strings.HasPrefix(worker, river.WorkerPrefix) {
		return nil
	}
	return errors.Join(runner.RemoveTree(tempDir(dataDir, worker)), removeIfThere(lockPath(dataDir, worker)))
}

// tempDir holds the temporary folders of a worker's attempts.
func tempDir(dataDir, worker string) string { return filepath.Join(dataDir, "tmp", worker) }

// dropTemps removes the temporary folders of workers that are gone: one that was killed could not.
func dropTemps(dataDir string) error {
	entries, err := os.ReadDir(filepath.Join(dataDir, "tmp"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	errs := []error{err}
	for _, entry := range entries {
		if worker := entry.Name(); strings.HasPrefix(worker, river.WorkerPrefix) && stateOfLock(dataDir, worker) != lockHeld {
			errs = append(errs, runner.RemoveTree(tempDir(dataDir, worker)))
		}
	}
	return errors.Join(errs...)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
