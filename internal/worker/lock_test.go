package worker

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine/river"
)

func TestALockShowsWhetherItsProcessLives(t *testing.T) {
	dir := t.TempDir()
	id := newWorkerID()
	if got := stateOfLock(dir, id); got != lockAbsent {
		t.Errorf("before: %v", got)
	}
	lock, err := lockWorker(dir, id)
	if err != nil {
		t.Fatal(err)
	}
	if got := stateOfLock(dir, id); got != lockHeld {
		t.Errorf("held: %v", got)
	}
	lock.file.Close() // as the kernel does when the process dies
	if got := stateOfLock(dir, id); got != lockFree {
		t.Errorf("dead: %v", got)
	}
	if err := dropLock(dir, id); err != nil || stateOfLock(dir, id) != lockAbsent {
		t.Errorf("dropped: %v, %v", stateOfLock(dir, id), err)
	}
	if got := stateOfLock(dir, "../"+id); got != lockAbsent {
		t.Errorf("a name with a path: %v", got)
	}
}

func TestWorkerIDsAreOurs(t *testing.T) {
	id := newWorkerID()
	if worker, ours := river.WorkerOf(river.ClientID(id, 7)); !ours || worker != id {
		t.Errorf("%q, %v", worker, ours)
	}
	if got := river.HostOf(id); got != hostName() {
		t.Errorf("host %q", got)
	}
	if len(river.ClientID(id, 1_000_000)) > 100 || strings.Contains(id, "@") {
		t.Errorf("River refuses %q", id)
	}
	for _, foreign := range []string{"", "host_2026_01_01", "worker-x", "rails@1"} {
		if worker, ours := river.WorkerOf(foreign); ours || worker != "" {
			t.Errorf("%q is held for ours", foreign)
		}
		if host := river.HostOf(foreign); host != "" {
			t.Errorf("%q is on host %q", foreign, host)
		}
	}
}

// What a worker that is gone has left running holds its lock: its jobs are given to nobody else on this host meanwhile. One database
// after the other: a program that the other test starts holds the lock too, for the moment before its exec.
func TestAWorkerIsNotDeadWhileItsAttemptsLive(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, database *db.DB) {
		dir := t.TempDir()
		s := newService(t, database, dir, fleetOf(t, agents(sh("one", "true"))))
		gone := exec.Command("true")
		if err := gone.Run(); err != nil {
			t.Fatal(err)
		}
		id := fmt.Sprintf("%s%s-%d-abcd1234", river.WorkerPrefix, hostName(), gone.Process.Pid)
		lock, err := lockWorker(dir, id)
		if err != nil {
			t.Fatal(err)
		}
		insertWorker(t, s, id, time.Now().Add(-time.Hour))
		exec1(t, s, `update worker set host = $2 where id = $1`, id, hostName())
		if err := s.look(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.watch.workers[id].since = time.Now().Add(-time.Hour)
		if s.dead(id) {
			t.Error("it is taken for dead while the lock is held")
		}
		lock.keep.Store(true)
		if err := lock.release(); err != nil || stateOfLock(dir, id) != lockFree {
			t.Errorf("the file is gone with the process: %v", err)
		}
		if !s.dead(id) {
			t.Error("it is not taken for dead when nothing holds the lock")
		}
	})
}

// Temporary folders of a worker that was killed are removed by the next one on its host, and those of a living one are not.
func TestTemporaryFoldersOfDeadWorkersAreRemoved(t *testing.T) {
	dir := t.TempDir()
	dead, living := newWorkerID(), newWorkerID()
	for _, id := range []string{dead, living} {
		if err := os.MkdirAll(filepath.Join(tempDir(dir, id), "7", "x"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	lock, err := lockWorker(dir, living)
	if err != nil {
		t.Fatal(err)
	}
	if err := dropTemps(dir); err != nil || exists(tempDir(dir, dead)) || !exists(tempDir(dir, living)) {
		t.Errorf("the dead one's %v, the living one's %v, %v", exists(tempDir(dir, dead)), exists(tempDir(dir, living)), err)
	}
	if err := lock.release(); err != nil {
		t.Fatal(err)
	}
	if err := dropLock(dir, living); err != nil || exists(tempDir(dir, living)) {
		t.Errorf("after it died: %v", err)
	}
}
