package source

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// cgroup reads the limits and the use of the control group that this process is confined to. Without one that sets
// a limit (and everywhere but on Linux) its methods report false, and the host's figures count.
type cgroup struct{ root string }

// memory gives the bytes in use, page cache that can be dropped left out, and the limit.
func (g cgroup) memory() (used, limit uint64, ok bool) {
	if limit, ok = g.number("memory.max"); ok { // version 2
		used, ok = g.number("memory.current")
		return subtract(used, g.stat("memory.stat", "inactive_file")), limit, ok
	}
	limit, ok = g.number("memory/memory.limit_in_bytes") // version 1
	if !ok || limit > math.MaxInt64/2 {                  // its way to say unlimited
		return 0, 0, false
	}
	used, ok = g.number("memory/memory.usage_in_bytes")
	return subtract(used, g.stat("memory/memory.stat", "total_inactive_file")), limit, ok
}

// cpus gives the number of processors that the group may use, a fraction perhaps.
func (g cgroup) cpus() (float64, bool) {
	fields := strings.Fields(g.read("cpu.max"))
	if len(fields) != 2 || fields[0] == "max" {
		return 0, false
	}
	quota, err1 := strconv.ParseFloat(fields[0], 64)
	period, err2 := strconv.ParseFloat(fields[1], 64)
	if err1 != nil || err2 != nil || period <= 0 {
		return 0, false
	}
	return quota / period, true
}

// cpuTime gives the processor time that the group has used.
func (g cgroup) cpuTime() (time.Duration, bool) {
	us := g.stat("cpu.stat", "usage_usec")
	return time.Duration(us) * time.Microsecond, us > 0
}

func (g cgroup) read(name string) string {
	data, err := os.ReadFile(filepath.Join(g.root, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

func (g cgroup) number(name string) (uint64, bool) {
	n, err := strconv.ParseUint(g.read(name), 10, 64)
	return n, err == nil
}

func (g cgroup) stat(name, key string) uint64 {
	for line := range strings.Lines(g.read(name)) {
		if k, v, found := strings.Cut(strings.TrimSpace(line), " "); found && k == key {
			n, _ := strconv.ParseUint(v, 10, 64)
			return n
		}
	}
	return 0
}

func subtract(a, b uint64) uint64 {
	if b > a {
		return 0
	}
	return a - b
}
