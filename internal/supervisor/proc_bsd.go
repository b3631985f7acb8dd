//go:build !linux

package supervisor

import (
	"os"
	"strconv"
	"syscall"
)

const receiveFlags = 0

// These systems cannot adopt orphans: what leaves the program's process group is out of reach.
func becomeReaper() {}

func hide() {}

func openName() int { return -1 }

func waitBriefly(int) {}

func childAttr(*int) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// keepPrivate keeps whatever files the host itself inherited from the programs.
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

func killDescendants() {}

func descendants() []int { return nil }
