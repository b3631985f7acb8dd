package snapshot_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/snapshot/snapshottest"
)

// Who says that something has changed knows more than the budget: the database answers somebody again.
func TestNudgeBringsForwardTheProbeOfAHangingDatabase(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var sections []snapshot.Section
		var sources []*snapshottest.Source
		var names []string
		for i := range 6 {
			s, source := section(fmt.Sprintf("s%d", i))
			source.Delay(3 * time.Millisecond)
			sections, sources, names = append(sections, s), append(sources, source), append(names, s.Name)
		}
		cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, sections...)
		run(t, warmer)
		pass(time.Second)
		for _, s := range sources {
			s.Stall()
		}
		pass(time.Minute)
		calls := func() (n int) {
			for _, s := range sources {
				n += s.Calls()
			}
			return n
		}
		before := calls()
		for range 600 {
			warmer.Nudge(names...)
			pass(100 * time.Millisecond)
		}
		if n := calls() - before; n > 13 {
			t.Errorf("%d probes in a minute of nudges, want at most one an interval", n)
		}
		for _, s := range sources {
			s.Mend()
		}
		warmer.Nudge(names...)
		pass(6 * time.Second)
		d := decode(t, cache.Current())
		for name, s := range d.Meta.Sections {
			if s.Error != nil || s.Overdue {
				t.Errorf("%s: error %q, overdue %v; want all back an interval after the nudge", name, d.failure(name), s.Overdue)
			}
		}
	})
}
