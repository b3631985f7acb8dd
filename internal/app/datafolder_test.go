package app

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/config"
)

func TestDataFolderThatOthersCanChangeIsReported(t *testing.T) {
	for _, c := range []struct {
		mode os.FileMode
		want string
	}{
		{0, ""}, // it is made
		{0o700, ""},
		{0o755, ""},
		{0o777, "every user of this machine"},
		{0o770, ""}, // the group is this process's own
		{0o1777, "every user of this machine"},
	} {
		folder := filepath.Join(t.TempDir(), "data")
		if c.mode != 0 {
			if err := os.Mkdir(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(folder, c.mode); err != nil {
				t.Fatal(err)
			}
		}
		var out bytes.Buffer
		if err := MakeDataFolder(&config.Config{Data: folder}, slog.New(slog.NewTextHandler(&out, nil))); err != nil {
			t.Fatal(err)
		}
		if text := out.String(); (text == "") != (c.want == "") || !strings.Contains(text, c.want) || c.want != "" && !strings.Contains(text, "chmod 700") {
			t.Errorf("mode %04o: %q", c.mode, text)
		}
		if info, err := os.Stat(folder); err != nil || c.mode == 0 && info.Mode().Perm() != 0o700 {
			t.Errorf("%v, %v", info, err)
		}
	}
	folder := t.TempDir()
	var out bytes.Buffer
	if err := os.WriteFile(filepath.Join(folder, "agentos.db"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := MakeDataFolder(&config.Config{Data: folder}, slog.New(slog.NewTextHandler(&out, nil))); err != nil || !strings.Contains(out.String(), "chmod 600") {
		t.Errorf("a database that everybody reads: %q, %v", out.String(), err)
	}
}
