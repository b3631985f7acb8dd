package snapshot_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/snapshot/snapshottest"
)

func TestMemoryTierConforms(t *testing.T) {
	snapshottest.TestTier(t, func(*testing.T) snapshot.Tier { return snapshot.NewMemoryTier() })
}

func TestFileTierConforms(t *testing.T) {
	snapshottest.TestTier(t, func(t *testing.T) snapshot.Tier {
		return snapshot.NewFileTier(filepath.Join(t.TempDir(), "snapshot.json"))
	})
}

func TestBreakableTierConformsWhileItWorks(t *testing.T) {
	snapshottest.TestTier(t, func(*testing.T) snapshot.Tier { return snapshottest.NewTier("breakable") })
}

func TestFileTierIsReadableByItsOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "snapshot.json")
	if err := os.WriteFile(path+".tmp", []byte("left by a crash"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := snapshot.NewFileTier(path).Store(t.Context(), snapshottest.New(t, "x")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("mode %v, want 0600", mode)
	}
}

// A write that fails half way, as on a full disk, leaves the old document and no debris; the next one succeeds.
func TestFileTierKeepsTheOldDocumentWhenWritingFails(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "snapshot.json")
	tier := snapshot.NewFileTier(path)
	old, next := snapshottest.New(t, "old"), snapshottest.New(t, strings.Repeat("next ", 2000))
	if err := tier.Store(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	mend := limitFiles(t, 4096)
	err := tier.Store(t.Context(), next)
	mend()
	if err == nil {
		t.Error("Store() = nil although the file could not grow")
	}
	if doc, err := tier.Load(t.Context()); err != nil || string(doc) != string(old.JSON) {
		t.Errorf("Load() = %.40q, %v; want the old document", doc, err)
	}
	if _, err := os.Lstat(path + ".tmp"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the temporary file is still there: %v", err)
	}
	if err := tier.Store(t.Context(), next); err != nil {
		t.Errorf("Store() = %v with the disk mended", err)
	}
	if doc, err := tier.Load(t.Context()); err != nil || string(doc) != string(next.JSON) {
		t.Errorf("Load() = %.40q, %v; want the new document", doc, err)
	}
}

// limitFiles makes this process's files end at a size, as a full disk does, until it is mended.
func limitFiles(t *testing.T, size uint64) (mend func()) {
	t.Helper()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGXFSZ) // sent with the error; unhandled it ends the process
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
			t.Fatal(err)
		}
		signal.Stop(signals)
	}
}

func TestFileTierReportsAMissingFolder(t *testing.T) {
	tier := snapshot.NewFileTier(filepath.Join(t.TempDir(), "missing", "snapshot.json"))
	if err := tier.Store(context.Background(), snapshottest.New(t, "x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Store() = %v", err)
	}
}
