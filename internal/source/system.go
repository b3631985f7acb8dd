package source

import (
	"cmp"
	"context"
	"maps"
	"math"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/process"
)

// systemValue is the section `system`: this host, or the control group that confines this process.
// A figure that could not be read is null.
type systemValue struct {
	Status  string   `json:"status"` // healthy, degraded or critical
	Reasons []string `json:"reasons"`
	// Conditions are the reasons as codes with parameters, by code; of components by "component NAME".
	Conditions       map[string]condition `json:"conditions"`
	CPU              *float64             `json:"cpu"` // percent of CPUs
	Memory           *float64             `json:"memory"`
	Disk             *float64             `json:"disk"`
	Scope            string               `json:"scope"` // host or cgroup
	CPUs             float64              `json:"cpus"`
	MemoryUsedBytes  uint64               `json:"memory_used_bytes"`
	MemoryTotalBytes uint64               `json:"memory_total_bytes"`
	DiskUsedBytes    uint64               `json:"disk_used_bytes"`
	DiskTotalBytes   uint64               `json:"disk_total_bytes"`
	Host             string               `json:"host"`
	Version          string               `json:"version"`
	StartedAt        time.Time            `json:"started_at"`
	UptimeS          int64                `json:"uptime_s"`
	Process          processValue         `json:"process"`
	Components       map[string]Health    `json:"components"`
	Attached         *Attached            `json:"attached"` // null when the jobs are our own
}

type processValue struct {
	CPU        float64 `json:"cpu"` // percent of one processor
	RSSBytes   uint64  `json:"rss_bytes"`
	Goroutines int     `json:"goroutines"`
}

// Above these shares, in percent, something breaks soon.
const (
	diskDegraded, diskCritical = 90, 97
	memoryDegraded             = 95
)

// system keeps the last reading of each processor clock, because use is the difference of two readings.
type system struct {
	deps  Deps
	fleet *fleetHealth
	group cgroup
	host  string
	self  *process.Process

	mu        sync.Mutex // guards the rest; collections of one section never overlap, tests may
	at        time.Time
	groupTime time.Duration
	hostBusy  float64 // seconds
	hostAll   float64
	ownTime   float64 // seconds
}

func newSystem(d Deps, readings *readings) *system {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	s := &system{deps: d, group: cgroup{"/sys/fs/cgroup"}, host: host}
	s.fleet = &fleetHealth{readings: readings, attached: d.Attached != nil, raised: map[string]bool{}}
	if self, err := process.NewProcess(int32(os.Getpid())); err == nil {
		s.self = self
	}
	return s
}

// Collect implements snapshot.Source.
func (s *system) Collect(ctx context.Context) (any, error) {
	v := systemValue{
		Reasons: []string{}, Scope: "host", CPUs: float64(runtime.NumCPU()), Host: s.host,
		Version: s.deps.Version, StartedAt: s.deps.StartedAt.UTC().Truncate(time.Millisecond),
		UptimeS: int64(time.Since(s.deps.StartedAt).Seconds()),
		Components: map[string]Health{
			"database": s.deps.Database(ctx),
			"cache":    s.deps.Cache(ctx),
			"warmer":   s.deps.Warmer(ctx),
		},
	}
	if s.deps.Attached != nil {
		v.Attached = s.deps.Attached()
	}
	if s.deps.Links != nil {
		maps.Copy(v.Components, s.deps.Links())
	}
	s.readMemory(ctx, &v)
	s.readCPU(ctx, &v)
	if usage, err := disk.UsageWithContext(ctx, s.deps.DataDir); err == nil {
		v.Disk = round1(usage.UsedPercent)
		v.DiskUsedBytes, v.DiskTotalBytes = usage.Used, usage.Total
	}
	s.fleet.readings.wait(ctx)
	v.judge(len(s.deps.Fleet().Problems), s.fleet.judge(time.Now(), s.deps.Fleet()))
	v.clip()
	return v, nil
}

func (s *system) readMemory(ctx context.Context, v *systemValue) {
	used, total, ok := s.group.memory()
	if ok {
		v.Scope = "cgroup"
	} else if vm, err := mem.VirtualMemoryWithContext(ctx); err == nil {
		used, total = vm.Total-vm.Available, vm.Total
	}
	v.MemoryUsedBytes, v.MemoryTotalBytes = used, total
	if total > 0 {
		v.Memory = round1(100 * float64(used) / float64(total))
	}
}

// readCPU gives the use since the reading before; the first reading has none, so that it is null, not 0.
func (s *system) readCPU(ctx context.Context, v *systemValue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	elapsed := now.Sub(s.at).Seconds()
	first := s.at.IsZero()
	s.at = now

	v.Process.Goroutines = runtime.NumGoroutine()
	if s.self != nil {
		if m, err := s.self.MemoryInfoWithContext(ctx); err == nil {
			v.Process.RSSBytes = m.RSS
		}
		if t, err := s.self.TimesWithContext(ctx); err == nil {
			used := t.User + t.System
			if !first && elapsed > 0 {
				v.Process.CPU = *round1(100 * (used - s.ownTime) / elapsed)
			}
			s.ownTime = used
		}
	}

	groupTime, timed := s.group.cpuTime()
	if cpus, limited := s.group.cpus(); limited && timed {
		v.Scope, v.CPUs = "cgroup", cpus
		if !first && elapsed > 0 {
			v.CPU = round1(100 * (groupTime - s.groupTime).Seconds() / elapsed / cpus)
		}
		s.groupTime = groupTime
		return
	}
	times, err := cpu.TimesWithContext(ctx, false)
	if err != nil || len(times) != 1 {
		return
	}
	idle := times[0].Idle + times[0].Iowait
	all := times[0].User + times[0].System + times[0].Nice + times[0].Irq + times[0].Softirq + times[0].Steal + idle
	if !first && all > s.hostAll {
		v.CPU = round1(100 * (all - idle - s.hostBusy) / (all - s.hostAll))
	}
	s.hostBusy, s.hostAll = all-idle, all
}

// judge sets the status to the worst that any reason calls for: of this process and what it needs, and of the fleet.
func (v *systemValue) judge(fileProblems int, fleet []condition) {
	v.Status = "healthy"
	v.Conditions = map[string]condition{}
	say := func(key string, c condition) {
		c.Order, c.Link = len(v.Reasons), c.page()
		v.Reasons = append(v.Reasons, c.text())
		v.Conditions[key] = c
		if v.Status != "critical" {
			v.Status = c.Severity
		}
	}
	worse := func(severity, code string, params map[string]any) {
		say(code, condition{Code: code, Severity: severity, Params: params})
	}
	names := slices.SortedFunc(maps.Keys(v.Components), func(a, b string) int {
		return cmp.Or(-cmp.Compare(oneIf(a == "database"), oneIf(b == "database")), cmp.Compare(a, b))
	})
	for _, name := range names {
		h := v.Components[name]
		if h.Status == "ok" {
			continue
		}
		severity := "degraded"
		if h.Status == "down" && (name == "database" || name == "attached") {
			severity = "critical"
		}
		say(componentDown+" "+name, condition{
			Code: componentDown, Severity: severity, Params: map[string]any{"component": name, "status": h.Status}, detail: h.Detail,
		})
	}
	for _, c := range fleet {
		say(c.Code, c)
	}
	if v.Disk != nil && *v.Disk >= diskCritical {
		worse("critical", diskFull, map[string]any{"percent": *v.Disk})
	} else if v.Disk != nil && *v.Disk >= diskDegraded {
		worse("degraded", diskFull, map[string]any{"percent": *v.Disk})
	}
	if v.Memory != nil && *v.Memory >= memoryDegraded {
		worse("degraded", memoryFull, map[string]any{"percent": *v.Memory})
	}
	if fileProblems > 0 {
		worse("degraded", agentsFile, map[string]any{})
	}
}

func oneIf(b bool) int {
	if b {
		return 1
	}
	return 0
}

func round1(x float64) *float64 {
	r := math.Round(x*10) / 10
	return &r
}
