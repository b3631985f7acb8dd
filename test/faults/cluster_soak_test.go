//go:build linux

package faults

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/test/cluster"
)

// soakFaults come round, one a minute.
var soakFaults = []string{
	"redis refused", "postgres ends connections in a loop", "the leader killed -9", "both refused", "one worker killed -9",
	"redis connections killed in a loop", "postgres cut from the leader", "the leader paused (SIGSTOP)", "postgres restarted",
	"one server cut from both", "redis restarted empty", "postgres cancels every statement",
}

// soakTime is an hour or what AGENTOS_SOAK says; five minutes without.
func soakTime(t *testing.T) time.Duration {
	t.Helper()
	given := os.Getenv("AGENTOS_SOAK")
	if given == "" {
		return 5 * time.Minute
	}
	span, err := time.ParseDuration(given)
	if err != nil {
		t.Fatalf("AGENTOS_SOAK: %v", err)
	}
	return span
}

// TestClusterSoak lets a fault happen every minute and counts, half a minute after each, what every process holds.
func TestClusterSoak(t *testing.T) {
	inTurn(t, soaking)
	span := soakTime(t)
	faults := soakList(t)
	st := newStage(t, 100*time.Millisecond)
	defer st.close(t)
	began := time.Now()
	counted := []soakSample{st.soakSample(t, "start")}
	minutes := time.NewTicker(time.Minute)
	defer minutes.Stop()
	for n := 0; time.Since(began) < span; n++ {
		f := faults[n%len(faults)]
		st.soakFault(t, f)
		<-minutes.C // so that each is counted at the same distance from its fault
		counted = append(counted, st.soakSample(t, f.name))
		st.forget(time.Now())
		if t.Failed() {
			break
		}
	}
	results.addText(soakTable(counted))
	judgeSoak(t, counted)
}

func soakList(t *testing.T) []clusterFault {
	t.Helper()
	var list []clusterFault
	all := slices.Concat(redisFaults(), postgresFaults(), bothFaults(), processFaults())
	for _, name := range soakFaults {
		at := slices.IndexFunc(all, func(f clusterFault) bool { return f.name == name })
		if at < 0 {
			t.Fatalf("there is no fault %q", name)
		}
		list = append(list, all[at])
	}
	return list
}

// soakFault is one fault of ten seconds; what viewers must never see they must not see here either.
func (st *stage) soakFault(t *testing.T, f clusterFault) {
	t.Helper()
	s, err := st.cast()
	if err != nil {
		t.Error(err)
		return
	}
	err = f.breaks(s)
	<-time.After(10 * time.Second)
	if err := errors.Join(err, s.mend()); err != nil {
		t.Errorf("%s: %v", f.name, err)
	}
	if _, err := st.healthyInTime(); err != nil {
		t.Errorf("%s: recovery: %v", f.name, err)
	}
	if err := st.checkProcesses(); err != nil {
		t.Errorf("%s: %v", f.name, err)
	}
	for _, text := range st.complaints() {
		t.Errorf("%s: %s", f.name, text)
	}
}

// soakSample is what all processes held at a moment. pids show which of them are still the ones they were.
type soakSample struct {
	after string
	at    time.Time
	cluster.Footprint
	pids map[string]int
}

func (st *stage) soakSample(t *testing.T, after string) soakSample {
	t.Helper()
	holds, err := st.cluster.Footprint(t.Context())
	if err != nil {
		t.Error(err)
	}
	s := soakSample{after, time.Now(), holds, map[string]int{}}
	for _, m := range st.cluster.Members() {
		s.pids[m.Name] = m.PID()
	}
	return s
}

// judgeSoak compares the last third of the samples with the first third, the start left out.
func judgeSoak(t *testing.T, counted []soakSample) {
	t.Helper()
	counted = counted[1:]
	third := max(1, len(counted)/3)
	early, late := counted[:third], counted[len(counted)-third:]
	for _, s := range late {
		if err := s.Over(most(early)); err != nil {
			t.Errorf("after %q: %v", s.after, err)
		}
	}
	first, last := early[len(early)-1], late[len(late)-1]
	for name, now := range last.Memory {
		before := first.Memory[name]
		if first.pids[name] == last.pids[name] && now > max(before+24, before*5/4) {
			t.Errorf("%s has grown from %d to %d MiB", name, before, now)
		}
	}
}

// most is the greatest of some samples; Over leaves room for what comes and goes.
func most(list []soakSample) cluster.Footprint {
	top := cluster.Footprint{Goroutines: map[string]int{}, Files: map[string]int{}}
	for _, s := range list {
		for name, n := range s.Goroutines {
			top.Goroutines[name] = max(top.Goroutines[name], n)
		}
		for name, n := range s.Files {
			top.Files[name] = max(top.Files[name], n)
		}
		top.Postgres, top.Redis = max(top.Postgres, s.Postgres), max(top.Redis, s.Redis)
	}
	return top
}

func soakTable(counted []soakSample) string {
	var b strings.Builder
	b.WriteString("Soak, counted once a minute; an asterisk is a process started again since the line above:\n\n| minute | fault | goroutines of servers | open files | MiB | connections to Postgres | to Redis |\n|---|---|---|---|---|---|---|\n")
	for i, s := range counted {
		before := counted[max(0, i-1)].pids
		fmt.Fprintf(&b, "| %.0f | %s | %s | %s | %s | %d | %d |\n", s.at.Sub(counted[0].at).Minutes(), s.after,
			inOneCell(s.Goroutines, nil, nil), inOneCell(s.Files, nil, nil), inOneCell(s.Memory, s.pids, before), s.Postgres, s.Redis)
	}
	return b.String()
}

func inOneCell(values, pids, before map[string]int) string {
	var cells []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		cell := fmt.Sprint(values[name])
		if pids[name] != before[name] {
			cell += "*"
		}
		cells = append(cells, cell)
	}
	return strings.Join(cells, " ")
}
