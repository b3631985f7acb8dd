package cli

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// conceal is as good as the system allows: what it cannot do is no reason not to start.
func conceal(secrets []string) {
	rewrite("arg", blankPasswords)
	rewrite("env", func(block []byte) bool { return blankSecrets(block, secrets) })
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}

// The first fields of /proc/self/stat that hold where the kernel put arguments and environment, counted from 1.
var blocks = map[string]int{"arg": 48, "env": 50}

// rewrite changes the arguments or the environment as the kernel put them there, which is what /proc shows of them. Go works on
// copies of the environment; of the arguments it does not, so they must have been copied before.
func rewrite(which string, change func(block []byte) bool) {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:])) // the name may hold spaces; fields[0] is the third
	first := blocks[which] - 3
	if len(fields) < first+2 {
		return
	}
	from, err := strconv.ParseInt(fields[first], 10, 64)
	to, err2 := strconv.ParseInt(fields[first+1], 10, 64)
	if err != nil || err2 != nil || from <= 0 || to <= from || to-from > 4<<20 {
		return
	}
	memory, err := os.OpenFile("/proc/self/mem", os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer memory.Close()
	block := make([]byte, to-from)
	if n, err := memory.ReadAt(block, from); err != nil || n < len(block) {
		return
	}
	if change(block) {
		_, _ = memory.WriteAt(block, from)
	}
}
