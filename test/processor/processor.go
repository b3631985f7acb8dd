// Package processor measures what work costs. Tests compare that rather than the time that passes, which other processes lengthen.
package processor

import (
	"fmt"
	"syscall"
	"time"
)

// Used is the processor time of this process since it began, that of the kernel for it included.
func Used() time.Duration { return used(syscall.RUSAGE_SELF) }

// UsedByAll is that of this process and of its children that have ended, with theirs.
func UsedByAll() time.Duration { return Used() + used(syscall.RUSAGE_CHILDREN) }

func used(who int) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(who, &usage); err != nil {
		panic(fmt.Sprintf("ask for the processor time: %v", err))
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
