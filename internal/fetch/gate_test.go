package fetch

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/riverqueue/river/rivertype"

	"github.com/agentos/agentos/internal/agent/agenttest"
	"github.com/agentos/agentos/internal/engine/river"
)

// Fleets are written and read by short names: each test has many of them.
var (
	fleetOf = agenttest.Fleet
	agents  = agenttest.Agents
	sh      = agenttest.Sh
)

func TestTheGateWakesWhatALimitKeptBack(t *testing.T) {
	var woken []string
	g := NewGate(2, func(queue string) { woken = append(woken, queue) })
	g.SetLimits(fleetOf(t, agents(sh("aa", "true", "concurrency: 5"), sh("bb", "true", "concurrency: 5"))))
	take := func(queue, kind string, want, found int) []*rivertype.JobRow {
		t.Helper()
		p := g.ask(queue, []string{"aa", "bb"}, want)
		var jobs []*rivertype.JobRow
		for range min(found, p.most) {
			jobs = append(jobs, &rivertype.JobRow{Kind: kind})
		}
		if p.most == 0 {
			return nil
		}
		kept, surplus, suspects := g.endFetch(p, nil, jobs)
		if len(surplus)+len(suspects) != 0 {
			t.Errorf("surplus %v", surplus)
		}
		return kept
	}
	first := take("aa", "aa", 5, 5)
	if len(first) != 2 {
		t.Fatalf("%d jobs beside a bound of 2", len(first))
	}
	if got := take("bb", "bb", 5, 5); got != nil || len(woken) != 0 {
		t.Fatalf("took %v, woke %v", got, woken)
	}
	g.release(first[0])
	if !slices.Equal(woken, []string{"aa"}) {
		t.Errorf("woke %v, want the one that waited longest", woken)
	}
	if got := take("aa", "aa", 5, 0); got != nil || !slices.Equal(woken, []string{"aa", "bb"}) {
		t.Errorf("took %v, woke %v: what finds nothing lets the next one try", got, woken)
	}
	g.release(first[0]) // a second time
	if got := take("bb", "bb", 1, 1); len(got) != 1 {
		t.Errorf("took %v", got)
	}
	if got := g.ask("bb", []string{"bb"}, 1); got.most != 0 {
		t.Errorf("a slot was released twice: %+v", got)
	}
}

func TestTheGateRestsLongerEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(0, func(string) {})
		g.SetLimits(fleetOf(t, agents(sh("aa", "true"))))
		for i, want := range []time.Duration{RestFirst, 2 * RestFirst, 4 * RestFirst} {
			if got := g.Rest(); got != want {
				t.Errorf("rest %d: %v, want %v", i, got, want)
			}
			if got := g.Rest(); got != want {
				t.Errorf("the same trouble: %v", got)
			}
			if p := g.ask("aa", []string{"aa"}, 1); p.most != 0 {
				t.Errorf("asked while it rests: %+v", p)
			}
			time.Sleep(want)
			if p := g.ask("aa", []string{"aa"}, 1); p.most != 1 {
				t.Errorf("asked after the rest: %+v", p)
			}
		}
		g.Started()
		if got := g.Rest(); got != RestFirst {
			t.Errorf("after a success: %v", got)
		}
	})
}

func TestSuspectsAreKnownByTheirMetadata(t *testing.T) {
	for losses, want := range map[int]bool{0: false, 1: false, SuspectFrom: true, 9: true} {
		metadata, err := json.Marshal(map[string]any{river.LossesKey: losses})
		if err != nil {
			t.Fatal(err)
		}
		if got := IsSuspect(&rivertype.JobRow{Metadata: metadata}); got != want {
			t.Errorf("%s: %v", metadata, got)
		}
	}
	for _, other := range []string{``, `{}`, `[]`, `{"agentos_losses":"x"}`, fmt.Sprintf(`{"x":%q}`, river.LossesKey)} {
		if IsSuspect(&rivertype.JobRow{Metadata: []byte(other)}) {
			t.Errorf("%s is one", other)
		}
	}
}
