//go:build linux

package faults

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// found is a process as /proc shows it.
type found struct {
	pid     int
	command string
}

func (f found) String() string { return fmt.Sprintf("%d: %s", f.pid, f.command) }

// marked lists the living processes that carry a mark in their environment or arguments. A process that has ended but
// was not waited for yet carries nothing any more.
func marked(mark string) []found {
	var list []found
	folders, _ := filepath.Glob("/proc/[0-9]*")
	for _, folder := range folders {
		pid, err := strconv.Atoi(filepath.Base(folder))
		if err != nil || pid == os.Getpid() {
			continue
		}
		arguments, _ := os.ReadFile(filepath.Join(folder, "cmdline"))
		environment, _ := os.ReadFile(filepath.Join(folder, "environ"))
		if bytes.Contains(arguments, []byte(mark)) || bytes.Contains(environment, []byte(mark)) {
			list = append(list, found{pid, strings.ReplaceAll(strings.TrimRight(string(arguments), "\x00"), "\x00", " ")})
		}
	}
	return list
}

// openFiles counts the file descriptors of a process.
func openFiles(pid int) int {
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(entries)
}

// memory is the resident size of a process in MiB, now and at its highest.
func memory(t testing.TB, pid int) (now, peak int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	return statusKiB(string(text), "VmRSS:") >> 10, statusKiB(string(text), "VmHWM:") >> 10
}

func statusKiB(status, key string) int {
	_, rest, _ := strings.Cut(status, key)
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kib, _ := strconv.Atoi(fields[0])
	return kib
}
