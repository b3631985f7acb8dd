package app

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/agentos/agentos/internal/config"
)

// MakeDataFolder makes the data folder, for this user alone. One that others can change is used, because volumes of containers
// often are so, but not silently: whoever can change it can replace the data.
func MakeDataFolder(cfg *config.Config, log *slog.Logger) error {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	if info, err := os.Stat(cfg.Data); err == nil {
		if who := writableBy(info); who != "" {
			log.Warn("others can change the data folder and take over this fleet: run chmod 700 on it",
				"others", who, "folder", cfg.Data, "mode", fmt.Sprintf("%04o", info.Mode().Perm()))
		}
	}
	if cfg.Postgres() {
		return nil
	}
	path := filepath.Join(cfg.Data, "agentos.db")
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o007 != 0 {
		log.Warn("the database can be read by every user of this machine, with the hashes of passwords and all arguments: run chmod 600 on it",
			"file", path, "mode", fmt.Sprintf("%04o", info.Mode().Perm()))
	}
	return nil
}

// writableBy names who besides the owner can write; nobody when it is empty. A group that this process belongs to is how volumes are
// shared with it.
func writableBy(info fs.FileInfo) string {
	switch mode := info.Mode().Perm(); {
	case mode&0o002 != 0:
		return "every user of this machine"
	case mode&0o020 != 0:
		stat, ok := info.Sys().(*syscall.Stat_t)
		groups, err := os.Getgroups()
		if ok && err == nil && (int(stat.Gid) == os.Getegid() || slices.Contains(groups, int(stat.Gid))) {
			return ""
		}
		return "the group that it belongs to"
	}
	return ""
}
