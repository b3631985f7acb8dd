package shim

import (
	"os"
	"strconv"
	"syscall"
)

// Numbers that the syscall package lacks; golang.org/x/sys has them and would be set up too late, see the package's text.
const (
	prSetChildSubreaper = 36
	sysCloseRange       = 436 // on every architecture
	closeRangeCloexec   = 4
)

// becomeReaper makes this process the parent of every descendant whose own parent ends, so that a daemon that left
// its session is still ours to find and kill. The name shows in ps and top.
func becomeReaper(name string) {
	_, _, _ = syscall.RawSyscall6(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0, 0, 0, 0) // since Linux 3.4
	_ = os.WriteFile("/proc/self/comm", []byte("shim "+name), 0)
}

// childAttr: a process group of its own, and SIGKILL when the shim itself is killed.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// keepPrivate keeps whatever files the host itself inherited from the child.
func keepPrivate() {
	_, _, _ = syscall.RawSyscall(sysCloseRange, 3, 1<<31-1, closeRangeCloexec) // since Linux 5.11; Go's own files are so anyway
}

func replaceFD(from, to int) error { return syscall.Dup3(from, to, 0) }

// killDescendants stops all descendants of this process and then kills them. Stopping first means that none can fork
// away while the list of processes is read.
func killDescendants() {
	stopped := map[int]bool{}
	var found []int
	for range 10 {
		found = descendants()
		fresh := false
		for _, pid := range found {
			if !stopped[pid] {
				stopped[pid], fresh = true, true
				_ = syscall.Kill(pid, syscall.SIGSTOP)
			}
		}
		if !fresh {
			break
		}
	}
	for _, pid := range found {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// descendants lists the living processes below this one.
func descendants() []int {
	children := map[int][]int{}
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if parent, ok := livingParent(name); ok {
			children[parent] = append(children[parent], pid)
		}
	}
	var found []int
	for next := []int{os.Getpid()}; len(next) > 0; next = next[1:] {
		found = append(found, children[next[0]]...)
		next = append(next, children[next[0]]...)
	}
	return found
}

// livingParent reads the parent of a process; not ok when the process is gone or dead and only waits to be collected.
func livingParent(pid string) (int, bool) {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0, false
	}
	return parentOf(stat)
}

// parentOf reads "PID (NAME) STATE PPID ...": the name may hold anything, also spaces and brackets.
func parentOf(stat []byte) (int, bool) {
	at := len(stat) - 1
	for at >= 0 && stat[at] != ')' {
		at--
	}
	if len(stat) < at+5 || stat[at+2] == 'Z' || stat[at+2] == 'X' {
		return 0, false
	}
	end := at + 4
	for end < len(stat) && stat[end] != ' ' {
		end++
	}
	parent, err := strconv.Atoi(string(stat[at+4 : end]))
	return parent, err == nil
}
