package source

import (
	"cmp"
	"context"
	"maps"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/process"

	"github.com/agentos/agentos/internal/document"
)

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

// Collect is the section's Collect.
func (s *system) Collect(ctx context.Context) (any, error) {
	v := document.System{
		Reasons: []string{}, Scope: document.ScopeHost, CPUs: float64(runtime.NumCPU()), Host: s.host,
		Version: s.deps.Version, StartedAt: s.deps.StartedAt.UTC().Truncate(time.Millisecond),
		UptimeS: int64(time.Since(s.deps.StartedAt).Seconds()),
		Components: map[string]document.Component{
			"database": s.deps.Database(ctx),
			"cache":    s.deps.Cache(ctx),
			"warmer":   s.deps.Warmer(ctx),
		},
	}
	if s.deps.Attached != nil {
		v.Attached = s.deps.Attached()
	}
	v.Engine = s.deps.engine()
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
	judge(&v, len(s.deps.Fleet().Problems), s.fleet.judge(time.Now(), s.deps.Fleet()))
	clipSystem(&v)
	return v, nil
}

func (s *system) readMemory(ctx context.Context, v *document.System) {
	used, total, ok := s.group.memory()
	if ok {
		v.Scope = document.ScopeCgroup
	} else if vm, err := mem.VirtualMemoryWithContext(ctx); err == nil {
		used, total = vm.Total-vm.Available, vm.Total
	}
	v.MemoryUsedBytes, v.MemoryTotalBytes = used, total
	if total > 0 {
		v.Memory = round1(100 * float64(used) / float64(total))
	}
}

// readCPU gives the use since the reading before; the first reading has none, so that it is null, not 0.
func (s *system) readCPU(ctx context.Context, v *document.System) {
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
		v.Scope, v.CPUs = document.ScopeCgroup, cpus
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
func judge(v *document.System, fileProblems int, fleet []condition) {
	v.Status = document.SystemHealthy
	v.Conditions = map[string]document.Condition{}
	say := func(key string, c condition) {
		c.Order, c.Link = len(v.Reasons), c.page()
		if _, unknown := v.Engine.Missing[document.CapabilityKinds]; unknown && strings.HasPrefix(c.Link, "/agents") {
			c.Link = "/jobs?state=discarded" // there is no page of agents
		}
		v.Reasons = append(v.Reasons, c.text())
		v.Conditions[key] = c.Condition
		if v.Status != document.SystemCritical {
			v.Status = document.SystemStatus(c.Severity)
		}
	}
	worse := func(severity document.Severity, code document.ConditionCode, params map[string]any) {
		say(string(code), newCondition(code, severity, params))
	}
	names := slices.SortedFunc(maps.Keys(v.Components), func(a, b string) int {
		return cmp.Or(-cmp.Compare(oneIf(a == "database"), oneIf(b == "database")), cmp.Compare(a, b))
	})
	for _, name := range names {
		h := v.Components[name]
		if h.Status == document.ComponentOK {
			continue
		}
		severity := document.SeverityDegraded
		if h.Status == document.ComponentDown && (name == "database" || name == "attached") {
			severity = document.SeverityCritical
		}
		c := newCondition(document.ConditionComponent, severity, map[string]any{"component": name, "status": h.Status})
		c.detail = h.Detail
		say(string(c.Code)+" "+name, c)
	}
	for _, c := range fleet {
		say(string(c.Code), c)
	}
	if v.Disk != nil && *v.Disk >= diskCritical {
		worse(document.SeverityCritical, document.ConditionDisk, map[string]any{"percent": *v.Disk})
	} else if v.Disk != nil && *v.Disk >= diskDegraded {
		worse(document.SeverityDegraded, document.ConditionDisk, map[string]any{"percent": *v.Disk})
	}
	if v.Memory != nil && *v.Memory >= memoryDegraded {
		worse(document.SeverityDegraded, document.ConditionMemory, map[string]any{"percent": *v.Memory})
	}
	if fileProblems > 0 {
		worse(document.SeverityDegraded, document.ConditionAgentsFile, map[string]any{})
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
