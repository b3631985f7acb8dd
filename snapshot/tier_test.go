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
	snapshottest.TestTier(t, func(*testing.T) snapshottest.Tier { return snapshottest.NewMemory("memory-tier") })
}

func TestFileTierConforms(t *testing.T) {
	snapshottest.TestTier(t, func(t *testing.T) snapshottest.Tier {
		return snapshot.NewFileTier(filepath.Join(t.TempDir(), "snapshot.json"))
	})
}

func TestBreakableTierConformsWhileItWorks(t *testing.T) {
	snapshottest.TestTier(t, func(*testing.T) snapshottest.Tier { return snapshottest.NewMemory("breakable") })
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

// A process starts again on whatever its last end has left in the file: it shows the document if that is whole, and
// collects and overwrites it if not.
func TestRestoreFromFile(t *testing.T) {
	whole := snapshottest.New(t, "before").JSON
	cases := map[string]struct {
		content []byte
		shown   bool
		corrupt uint64
	}{
		"whole":       {whole, true, 0},
		"missing":     {nil, false, 0},
		"empty":       {[]byte{}, false, 1},
		"cut in half": {whole[:len(whole)/2], false, 1},
		"zeros":       {make([]byte, len(whole)), false, 1},
		"huge":        {make([]byte, 1<<20), false, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "snapshot.json")
			if c.content != nil {
				if err := os.WriteFile(path, c.content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			section := snapshot.Section{Name: "test", Collect: snapshottest.NewSource(map[string]string{"text": "after"}).Collect}
			cache, warmer := newWarmer(t, snapshot.CacheOptions{Tiers: []snapshot.Tier{snapshot.NewFileTier(path)}}, snapshot.WarmerOptions{}, section)
			if err := cache.Restore(t.Context()); err != nil {
				t.Errorf("Restore() = %v", err)
			}
			if shown := cache.Current() != nil; shown != c.shown {
				t.Errorf("shown: %v, want %v", shown, c.shown)
			}
			if n := cache.Stats().Tiers[0].Corrupt; n != c.corrupt {
				t.Errorf("%d corrupt documents counted, want %d", n, c.corrupt)
			}
			if err := warmer.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			closeCache(t, cache)
			if doc, err := os.ReadFile(path); err != nil || string(doc) != string(cache.Current().JSON) {
				t.Errorf("the file holds %.60q, %v; want the new document", doc, err)
			}
		})
	}
}
