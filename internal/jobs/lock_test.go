package jobs

import (
	"strings"
	"testing"
)

func TestALockTellsWhetherItsProcessLives(t *testing.T) {
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
	if worker, ours := workerOf(clientID(id, 7)); !ours || worker != id {
		t.Errorf("%q, %v", worker, ours)
	}
	if got := hostOf(id); got != hostName() {
		t.Errorf("host %q", got)
	}
	if len(clientID(id, 1_000_000)) > 100 || strings.Contains(id, "@") {
		t.Errorf("River refuses %q", id)
	}
	for _, foreign := range []string{"", "host_2026_01_01", "worker-x", "rails@1"} {
		if worker, ours := workerOf(foreign); ours || worker != "" {
			t.Errorf("%q is held for ours", foreign)
		}
		if host := hostOf(foreign); host != "" {
			t.Errorf("%q is on host %q", foreign, host)
		}
	}
}
