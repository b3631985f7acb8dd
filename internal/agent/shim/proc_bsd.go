//go:build !linux

package shim

import (
	"os"
	"strconv"
	"syscall"
)

// These systems cannot adopt orphans: what leaves the child's process group is out of reach.
func becomeReaper(string) {}

func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// keepPrivate keeps whatever files the host itself inherited from the child.
func keepPrivate() {
	dir, err := os.Open("/dev/fd")
	if err != nil {
		return
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		if fd, err := strconv.Atoi(name); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}

func replaceFD(from, to int) error { return syscall.Dup2(from, to) }

func killDescendants() {}

func descendants() []int { return nil }
