package servers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// folder is a temporary folder on the leash.
type folder struct {
	path    string
	release func()
}

func newFolder(what string) (*folder, error) { return newFolderIn("", what) }

// newFolderIn makes it in a folder; empty: that of all temporary ones.
func newFolderIn(parent, what string) (*folder, error) {
	path, err := os.MkdirTemp(parent, "agentos-"+what+"-")
	if err != nil {
		return nil, err
	}
	release, err := Leash(path)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(path))
	}
	return &folder{path, release}, nil
}

// memory is a folder whose files are in memory; empty when there is none with room for some databases.
func memory() string {
	const shared, room = "/dev/shm", 2e9
	var fs unix.Statfs_t
	if err := unix.Statfs(shared, &fs); err != nil || float64(fs.Bavail)*float64(fs.Bsize) < room || unix.Access(shared, unix.W_OK) != nil {
		return ""
	}
	return shared
}

func (f *folder) file(name string) string { return filepath.Join(f.path, name) }

func (f *folder) remove() error {
	if err := os.RemoveAll(f.path); err != nil {
		return err
	}
	f.release()
	return nil
}

// nobody is the user of servers that refuse to run as root; nil when this process is not root.
func nobody() *syscall.Credential {
	if os.Getuid() != 0 {
		return nil
	}
	return &syscall.Credential{Uid: 65534, Gid: 65534}
}

// program finds a program in PATH or in the folders of the pattern, the newest version first.
func program(name, pattern string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	found, _ := filepath.Glob(filepath.Join(pattern, name))
	for i := len(found) - 1; i >= 0; i-- {
		if _, err := exec.LookPath(found[i]); err == nil {
			return found[i], nil
		}
	}
	return "", fmt.Errorf("there is no %s here: run scripts/setup", name)
}
