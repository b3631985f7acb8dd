package worker

import (
	"os"
	"path/filepath"
	"testing"
)

// Who can write in the data folder cannot make a worker write elsewhere.
func TestLockIsNotTakenThroughALink(t *testing.T) {
	folder := t.TempDir()
	target := filepath.Join(folder, "elsewhere")
	path := lockPath(folder, "w1")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	if lock, err := lockWorker(folder, "w1"); err == nil {
		t.Errorf("the lock is taken through a link: %v", lock.release())
	}
	if _, err := os.Lstat(target); !os.IsNotExist(err) {
		t.Errorf("the link's target: %v, want none", err)
	}
	if state := stateOfLock(folder, "w1"); state != lockAbsent {
		t.Errorf("state %v, want absent", state)
	}
}
