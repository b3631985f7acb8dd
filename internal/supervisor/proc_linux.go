package supervisor

import (
	"os"
	"strconv"
	"syscall"
	"time"
)

// Numbers that the syscall package lacks; golang.org/x/sys has them and would be set up too late, see the package's text.
const (
	prSetDumpable       = 4
	prSetChildSubreaper = 36
	sysCloseRange       = 436 // on every architecture
	closeRangeCloexec   = 4

	receiveFlags = syscall.MSG_CMSG_CLOEXEC
)

// becomeReaper makes this process the parent of every descendant whose own parent ends, so that a daemon that left
// its session is still ours to find and kill.
func becomeReaper() {
	_, _, _ = syscall.RawSyscall6(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0, 0, 0, 0) // since Linux 3.4
}

// hide keeps the memory of this process from others of the same user, later programs among them: it holds the environments of
// programs that have ended. A program itself is dumpable again when it begins.
func hide() {
	_, _, _ = syscall.RawSyscall6(syscall.SYS_PRCTL, prSetDumpable, 0, 0, 0, 0, 0)
}

// openName opens the name that top and ps show, to be written; -1 when that cannot be.
func openName() int {
	fd, err := syscall.Open("/proc/self/comm", syscall.O_WRONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

// waitBriefly waits for the end of a program that takes little time, without a thread that waits for it.
func waitBriefly(pidfd int) {
	if pidfd < 0 {
		return
	}
	_ = syscall.SetNonblock(pidfd, true)
	file := os.NewFile(uintptr(pidfd), "program")
	defer file.Close()
	raw, err := file.SyscallConn()
	if err != nil || file.SetReadDeadline(time.Now().Add(brief)) != nil {
		return
	}
	polled := false
	_ = raw.Read(func(uintptr) (done bool) {
		done, polled = polled, true
		return done
	})
}

// childAttr: a process group of its own, and SIGKILL when the supervisor itself is killed.
// The program's end can be waited for by the file pidfd, -1 where the system has none.
func childAttr(pidfd *int) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, PidFD: pidfd}
}

// keepPrivate keeps whatever files the host itself inherited from the programs.
func keepPrivate() {
	_, _, _ = syscall.RawSyscall(sysCloseRange, 3, 1<<31-1, closeRangeCloexec) // since Linux 5.11; Go's own files are so anyway
}

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
