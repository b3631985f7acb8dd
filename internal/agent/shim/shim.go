// Package shim is the supervisor of one attempt: a copy of the host's own program that starts the agent's program, waits
// for it, and makes sure that nothing of the attempt stays behind.
//
// A process per attempt has to be cheap, and most of what a large program costs at its start is setting up packages
// that a shim never uses. Packages are set up in the order of their paths as soon as what they import is, so this one,
// which imports a handful of small packages, comes long before the heavy ones: its init does a shim's work and exits.
// What it imports therefore counts; a test holds the list.
package shim

import (
	"os"
	"runtime"
	"syscall"
)

const (
	// Mark is set in the environment of a shim, and of a shim only.
	Mark = "AGENTOS_SHIM"

	// Word is the first argument of a shim.
	Word = "shim"
)

func init() {
	if len(os.Args) > 1 && os.Args[1] == Word && Expected() {
		os.Exit(Main())
	}
}

// Expected tells whether this process was started to be a shim.
func Expected() bool { return os.Getenv(Mark) != "" }

// Main is the life of a shim. It returns the exit status: 0 when the attempt was reported, 1 when there is nobody to
// report to, 2 when this process was not started to be a shim.
func Main() int {
	runtime.LockOSThread() // the child's parent-death signal is tied to the thread that forks it
	for _, fd := range []int{ControlFD, ReportFD, HoldFD} {
		syscall.CloseOnExec(fd)
	}
	control, report := os.NewFile(ControlFD, "control"), os.NewFile(ReportFD, "report")
	if !Expected() || control == nil || report == nil {
		return 2
	}
	o, err := ReadOrder(control)
	if err != nil {
		return 1 // the host is gone
	}
	s := &supervisor{order: o, control: control, report: report}
	return s.run()
}
