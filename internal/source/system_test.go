package source

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/agentos/agentos/internal/document"
)

// group makes a control group of files, each "name" holding its text.
func group(t *testing.T, files map[string]string) cgroup {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cgroup{root}
}

func TestCgroupMemoryLeavesOutWhatCanBeDropped(t *testing.T) {
	for _, tc := range []struct {
		name        string
		files       map[string]string
		used, limit uint64
		ok          bool
	}{
		{"version 2", map[string]string{
			"memory.max": "1000\n", "memory.current": "700\n", "memory.stat": "anon 1\ninactive_file 200\n",
		}, 500, 1000, true},
		{"version 2 without a limit", map[string]string{"memory.max": "max\n", "memory.current": "700\n"}, 0, 0, false},
		{"version 1", map[string]string{
			"memory/memory.limit_in_bytes": "1000", "memory/memory.usage_in_bytes": "700", "memory/memory.stat": "total_inactive_file 100",
		}, 600, 1000, true},
		{"version 1 without a limit", map[string]string{
			"memory/memory.limit_in_bytes": "9223372036854771712", "memory/memory.usage_in_bytes": "700",
		}, 0, 0, false},
		{"none", nil, 0, 0, false},
		{"garbage", map[string]string{"memory.max": "lots"}, 0, 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			used, limit, ok := group(t, tc.files).memory()
			if ok != tc.ok || (ok && (used != tc.used || limit != tc.limit)) {
				t.Errorf("memory() = %d, %d, %v; want %d, %d, %v", used, limit, ok, tc.used, tc.limit, tc.ok)
			}
		})
	}
}

func TestCgroupCPUs(t *testing.T) {
	for text, want := range map[string]float64{"150000 100000\n": 1.5, "max 100000\n": 0, "": 0, "x y": 0, "1 0": 0} {
		got, ok := group(t, map[string]string{"cpu.max": text}).cpus()
		if ok != (want > 0) || got != want {
			t.Errorf("cpus() of %q = %v, %v; want %v", text, got, ok, want)
		}
	}
}

func TestSystemStatusIsTheWorstReason(t *testing.T) {
	share := func(x float64) *float64 { return &x }
	fine := map[string]document.Component{"database": {Status: "ok"}, "cache": {Status: "ok"}, "warmer": {Status: "ok"}}
	for _, tc := range []struct {
		name     string
		value    document.System
		problems int
		status   document.SystemStatus
		reasons  []string
	}{
		{"all fine", document.System{Components: fine, Disk: share(50), Memory: share(50)}, 0, "healthy", nil},
		{"nothing is known", document.System{Components: fine}, 0, "healthy", nil},
		{"disk", document.System{Components: fine, Disk: share(92)}, 0, "degraded", []string{"disk is 92.0 % full"}},
		{
			"worst first does not matter",
			document.System{Components: map[string]document.Component{"database": {Status: "down", Detail: "gone"}, "cache": {Status: "degraded", Detail: "slow"}}, Disk: share(92)},
			0, "critical",
			[]string{"database: gone", "cache: slow", "disk is 92.0 % full"},
		},
		{"bad file", document.System{Components: fine}, 2, "degraded", []string{"the agents' file has errors; the previous one stays in force"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			judge(&tc.value, tc.problems, nil)
			if tc.value.Status != tc.status {
				t.Errorf("status = %s, want %s", tc.value.Status, tc.status)
			}
			if diff := cmp.Diff(tc.reasons, tc.value.Reasons); diff != "" {
				t.Error(diff)
			}
		})
	}
}
