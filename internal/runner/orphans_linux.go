package runner

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	orphansEvery = 20 * time.Millisecond
	orphansAfter = 500 * time.Millisecond // what lives then is reported
)

// adoptOrphans makes this process the parent of what a supervisor leaves behind that was killed itself: it is then still to be
// found.
var adoptOrphans = sync.OnceFunc(func() {
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) // since Linux 3.4
})

// endOrphans ends what is left of an attempt whose supervisor was killed. Its processes are those of the supervisor's session and of
// the program's group, and others that descend from this process with the attempt's ids in their first environment: it
// cannot know one that began a session of its own with another environment.
func (p *process) endOrphans() {
	began, reported := time.Now(), false
	for {
		orphans := p.orphans()
		if len(orphans) == 0 {
			return
		}
		for _, pid := range orphans {
			_ = syscall.Kill(pid, syscall.SIGSTOP) // none forks away while the others are killed
		}
		for _, pid := range orphans {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil) // ECHILD when it has another parent
		}
		wait := orphansEvery
		if time.Since(began) > orphansAfter {
			wait = orphansAfter
			if !reported {
				reported = true
				p.logKept(orphans[0], syscall.Kill(orphans[0], 0) == syscall.EPERM)
			}
		}
		select {
		case <-time.After(wait):
		case <-p.attempt.Leave:
			if reported {
				p.left = true
				return
			}
			time.Sleep(wait)
		}
	}
}

// orphans lists the processes of the attempt that live.
func (p *process) orphans() []int {
	names, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	parents, marked := map[int]int{}, map[int]bool{}
	var all []int
	for _, name := range names {
		pid, err := strconv.Atoi(name.Name())
		if err != nil {
			continue
		}
		state, parent, group, session := statOf(name.Name())
		switch {
		case state == 'Z' && session == p.supervisor.pid() && parent == os.Getpid():
			_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
			continue
		case state == 0 || state == 'Z' || state == 'X':
			continue
		}
		all = append(all, pid)
		parents[pid] = parent
		marked[pid] = session == p.supervisor.pid() || p.pid > 0 && group == p.pid
	}
	var found []int
	for _, pid := range all {
		descends := false
		for at := pid; at > 1 && !descends; at = parents[at] {
			descends = parents[at] == os.Getpid()
		}
		if marked[pid] || descends && p.marks(pid) {
			found = append(found, pid)
		}
	}
	return found
}

// marks reports whether a process was given the attempt's ids.
func (p *process) marks(pid int) bool {
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false
	}
	environ = append([]byte{0}, environ...)
	return bytes.Contains(environ, fmt.Appendf(nil, "\x00AGENTOS_RUN_ID=%d\x00", p.attempt.RunID)) &&
		bytes.Contains(environ, fmt.Appendf(nil, "\x00AGENTOS_JOB_ID=%d\x00", p.attempt.JobID))
}

// statOf reads "PID (NAME) STATE PARENT GROUP SESSION ..."; the state is zero when the process is gone.
func statOf(pid string) (state byte, parent, group, session int) {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0, 0, 0, 0
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 4 {
		return 0, 0, 0, 0
	}
	parent, _ = strconv.Atoi(string(fields[1]))
	group, _ = strconv.Atoi(string(fields[2]))
	session, _ = strconv.Atoi(string(fields[3]))
	return fields[0][0], parent, group, session
}
