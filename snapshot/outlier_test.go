package snapshot_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/snapshot/snapshottest"
)

// sixSections are as many as share a budget in earnest, s0 to s5, each collected within 3 ms.
func sixSections() (sections []snapshot.Section, sources []*snapshottest.Source) {
	for i := range 6 {
		s, source := section(fmt.Sprintf("s%d", i))
		source.Delay(3 * time.Millisecond)
		sections, sources = append(sections, s), append(sources, source)
	}
	return sections, sources
}

func TestOneSlowAnswerDoesNotSlowASection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sections, sources := sixSections()
		sources[1].Delay(1500 * time.Millisecond) // a cold start
		cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, sections...)
		run(t, warmer)
		pass(2 * time.Second)
		sources[1].Delay(3 * time.Millisecond)
		pass(14 * time.Second) // the ticks of 0, 5, 10 and 15 s
		if n := sources[1].Calls(); n != 4 {
			t.Errorf("the section with a slow start was collected %d times at 4 ticks", n)
		}
		sources[0].Delay(1500 * time.Millisecond)
		pass(7 * time.Second) // the tick of 20 s
		sources[0].Delay(3 * time.Millisecond)
		before := sources[0].Calls()
		pass(10 * time.Second)
		if n := sources[0].Calls() - before; n != 2 {
			t.Errorf("the section was collected %d times in the 10 s after a slow answer, want 2", n)
		}
		if every := decode(t, cache.Current()).Meta.Sections["s0"].EveryMS; every != 5000 {
			t.Errorf("its pace is %v ms", every)
		}
	})
}

// A source that fails only after it has waited, for a lock say, is not slow: it is back as soon as the wait is over.
func TestFailingAfterAWaitDoesNotSlowASection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sections, sources := sixSections()
		cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{Interval: time.Second}, sections...)
		run(t, warmer)
		pass(3 * time.Second)
		for _, source := range sources {
			source.Delay(time.Second)
			source.Fail(errors.New("another transaction holds a lock for too long"))
		}
		for range 20 {
			warmer.Nudge()
			pass(time.Second)
		}
		for _, source := range sources {
			source.Delay(3 * time.Millisecond)
			source.Fail(nil)
		}
		for range 5 {
			warmer.Nudge()
			pass(time.Second)
		}
		for name, s := range decode(t, cache.Current()).Meta.Sections {
			if s.Error != nil || s.EveryMS != 1000 {
				t.Errorf("5 s after the lock was gone %s is collected every %d ms, its error %v", name, s.EveryMS, s.Error)
			}
		}
	})
}

// A section that is costly is collected rarely. When the database is back it does not show its failure until its next turn.
func TestACostlySectionIsBackWithTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sections, sources := sixSections()
		sources[0].Delay(900 * time.Millisecond)
		cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{Interval: time.Second}, sections...)
		run(t, warmer)
		pass(time.Minute)
		if every := decode(t, cache.Current()).Meta.Sections["s0"].EveryMS; every < 5000 {
			t.Fatalf("it is collected every %d ms: it is not costly", every)
		}
		for _, source := range sources {
			source.Fail(errors.New("the database is not there"))
		}
		failed := func() bool { return decode(t, cache.Current()).Meta.Sections["s0"].Error != nil }
		for range 60 {
			if failed() {
				break
			}
			pass(time.Second)
		}
		if !failed() {
			t.Fatal("it has not failed")
		}
		for _, source := range sources {
			source.Fail(nil)
		}
		pass(3500 * time.Millisecond)
		if failed() {
			t.Error("it shows its failure 3.5 s after the database is back")
		}
		calls := sources[0].Calls()
		pass(4 * time.Second)
		if n := sources[0].Calls() - calls; n > 1 {
			t.Errorf("it was collected %d times in 4 s: the budget is forgotten", n)
		}
	})
}

// Outages follow each other within seconds: none leaves a costly section failed for longer than the others, wherever between two ticks they
// begin and end.
func TestACostlySectionIsBackAfterEachOfManyOutages(t *testing.T) {
	for _, off := range []time.Duration{0, 300 * time.Millisecond, 500 * time.Millisecond, 700 * time.Millisecond} {
		t.Run(off.String(), func(t *testing.T) { manyOutages(t, off) })
	}
}

func manyOutages(t *testing.T, off time.Duration) {
	t.Helper()
	bubble(t, func(t *testing.T) {
		sections, sources := sixSections()
		costly := func() { sources[0].Delay(900 * time.Millisecond) }
		costly()
		cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{Interval: time.Second}, sections...)
		run(t, warmer)
		pass(time.Minute + off)
		failed := func() (n int) {
			for _, s := range decode(t, cache.Current()).Meta.Sections {
				if s.Error != nil {
					n++
				}
			}
			return n
		}
		for outage := range 10 {
			for _, source := range sources {
				source.Delay(time.Millisecond)
				source.Fail(errors.New("the database is not there"))
			}
			for range 60 {
				if failed() == len(sources) {
					break
				}
				pass(time.Second)
			}
			if n := failed(); n != len(sources) {
				t.Fatalf("outage %d: only %d sections have failed", outage, n)
			}
			for _, source := range sources {
				source.Delay(3 * time.Millisecond)
				source.Fail(nil)
			}
			costly()
			pass(4 * time.Second)
			if n := failed(); n > 0 {
				t.Errorf("outage %d: %d sections show their failure 4 s after it", outage, n)
			}
		}
	})
}

// An attempt that began before the database was back may fail after the others have succeeded.
func TestAnAttemptThatBeganBeforeTheEndOfAnOutageIsRepeatedAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sections, sources := sixSections()
		sources[0].Delay(900 * time.Millisecond)
		cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{Interval: time.Second}, sections...)
		run(t, warmer)
		pass(time.Minute)
		for _, source := range sources[1:] {
			source.Fail(errors.New("the database is not there"))
		}
		calls := sources[0].Calls()
		for range 600 { // until an attempt at the costly one begins
			if sources[0].Calls() > calls {
				break
			}
			pass(100 * time.Millisecond)
		}
		sources[0].Fail(errors.New("the connection is lost")) // 0.9 s after its begin
		for _, source := range sources[1:] {
			source.Fail(nil)
		}
		pass(1500 * time.Millisecond)
		sources[0].Fail(nil)
		pass(2500 * time.Millisecond)
		if d := decode(t, cache.Current()); d.Meta.Sections["s0"].Error != nil {
			t.Errorf("it shows %q 2.5 s after all is well", d.failure("s0"))
		}
	})
}
