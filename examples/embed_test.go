package examples

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/agent"
)

func TestUnpackRefreshesOnlyWhatChanged(t *testing.T) {
	dir := t.TempDir()
	unpack := func(folder string) {
		t.Helper()
		if err := Unpack(dir, folder); err != nil {
			t.Fatal(err)
		}
	}
	unpack("/one")
	long := time.Now().Add(-time.Hour)
	mark := func() {
		filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error { return os.Chtimes(path, long, long) })
	}
	touched := func() (names []string) {
		filepath.WalkDir(dir, func(path string, entry fs.DirEntry, _ error) error {
			if info, err := entry.Info(); err == nil && !entry.IsDir() && info.ModTime().After(long.Add(time.Minute)) {
				names = append(names, filepath.Base(path))
			}
			return nil
		})
		return names
	}
	mark()
	unpack("/one")
	if got := touched(); len(got) != 0 {
		t.Errorf("rewritten: %q", got)
	}
	unpack("/two")
	if got := touched(); len(got) != 1 || got[0] != "agentos.yaml" {
		t.Errorf("rewritten for another folder: %q", got)
	}
	mark()
	script := filepath.Join(dir, "agents", "hash.sh")
	if err := os.WriteFile(script, []byte("changed"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "agents", "count.sh"), 0o600); err != nil {
		t.Fatal(err)
	}
	unpack("/two")
	if got := touched(); len(got) != 2 || got[0] != "count.sh" || got[1] != "hash.sh" {
		t.Errorf("rewritten after a change: %q", got)
	}
	info, err := os.Stat(script)
	if err != nil || info.Mode() != 0o755 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".unpack-*")); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestUnpackNamesAnyFolder(t *testing.T) {
	for _, folder := range []string{"/", "/a b", `/"quoted" \ %s`, "/ümläut/日本/🙂", "/line\nbreak\ttab\x7f\x01", "/'#: {}[]*&!"} {
		dir := t.TempDir()
		if err := Unpack(dir, folder); err != nil {
			t.Fatal(err)
		}
		fleet, err := agent.Load(filepath.Join(dir, "agentos.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range fleet.Agents {
			if got := s.Env["AGENTOS_FOLDER"]; got != folder {
				t.Errorf("%s: %q, want %q", s.Name, got, folder)
			}
		}
	}
	for _, folder := range []string{"", "relative", "/bad\xff"} {
		if err := Unpack(t.TempDir(), folder); err == nil {
			t.Errorf("%q was accepted", folder)
		}
	}
}
