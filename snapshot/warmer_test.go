package snapshot_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/snapshot/snapshottest"
)

// A cycle costs its slowest source, not the sum.
func TestWarmerCollectsInParallel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var sections []snapshot.Section
		for name, delay := range map[string]time.Duration{"a": 100 * time.Millisecond, "b": 150 * time.Millisecond, "c": 300 * time.Millisecond} {
			s, source := section(name)
			source.Delay(delay)
			sections = append(sections, s)
		}
		cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{Budget: -1}, sections...)
		run(t, warmer)
		pass(300*time.Millisecond - 1)
		if cache.Current() != nil {
			t.Fatal("published before all were in")
		}
		pass(1)
		d := decode(t, cache.Current())
		if !d.Timestamp.Equal(start.Add(300 * time.Millisecond)) {
			t.Errorf("published at %v, want 300 ms after the start", d.Timestamp)
		}
		if took := d.Meta.Sections["b"].TookMS; took != 150 {
			t.Errorf("b took_ms = %v, want 150", took)
		}
		first := d.Meta.Revision
		pass(5 * time.Second)
		if d := decode(t, cache.Current()); d.Meta.Revision <= first || !d.Timestamp.Equal(start.Add(5300*time.Millisecond)) {
			t.Errorf("second document: revision %d after %d, at %v; want one tick later", d.Meta.Revision, first, d.Timestamp)
		}
	})
}

// The same by the clock on the wall: at most 10 ms more than a bare clock that takes turns with it; of each the best of several.
func TestWarmerCycleByTheClock(t *testing.T) {
	var sections []snapshot.Section
	for name, delay := range map[string]time.Duration{"a": 100 * time.Millisecond, "b": 150 * time.Millisecond, "c": 300 * time.Millisecond} {
		s, source := section(name)
		source.Delay(delay)
		sections = append(sections, s)
	}
	_, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, sections...)
	const limit = 10 * time.Millisecond
	best, bare := time.Hour, time.Hour
	for range 10 {
		began := time.Now()
		<-time.After(300 * time.Millisecond)
		bare = min(bare, time.Since(began))
		began = time.Now()
		if err := warmer.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if best = min(best, time.Since(began)); best <= bare+limit {
			break
		}
	}
	if best < 300*time.Millisecond || best > bare+limit {
		t.Errorf("a cycle took %v and a bare clock %v, want at most %v more", best, bare, limit)
	}
}

// A hanging source delays nobody, is shown as such, is never started twice, and comes back by itself.
func TestWarmerOutlivesAHangingSource(t *testing.T) {
	for name, hang := range map[string]func(*snapshottest.Source){
		"honours its context": (*snapshottest.Source).Stall,
		"ignores its context": (*snapshottest.Source).Hang,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				good, goodSource := section("good")
				bad, badSource := section("bad")
				cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, good, bad)
				run(t, warmer)
				pass(time.Second)

				hang(badSource)
				pass(5 * time.Second) // the tick at 5 s, delay until 5.5 s
				d := decode(t, cache.Current())
				if !d.Timestamp.Equal(start.Add(5500 * time.Millisecond)) {
					t.Errorf("published at %v, want after half a second of delay", d.Timestamp)
				}
				if as := d.Meta.Sections["good"].AsOf; !as.Equal(start.Add(5 * time.Second)) {
					t.Errorf("good is as of %v, want the last tick", as)
				}
				pass(1500 * time.Millisecond)
				d = decode(t, cache.Current())
				if got := d.failure("bad"); !strings.Contains(got, "no answer") {
					t.Errorf("bad's error is %q, want no answer", got)
				}
				if got := string(d.Sections["bad"]); got != `{"name":"bad"}` {
					t.Errorf("bad is %s, want its last good value", got)
				}
				pass(60 * time.Second)
				d = decode(t, cache.Current())
				if !d.Meta.Sections["bad"].Overdue || !d.Meta.Stale || !d.Meta.AsOf.Equal(start) {
					t.Errorf("overdue %v, stale %v, as of %v; want bad's age to be the document's", d.Meta.Sections["bad"].Overdue, d.Meta.Stale, d.Meta.AsOf)
				}
				if n := goodSource.Calls(); n < 13 {
					t.Errorf("good was collected %d times in 67 s", n)
				}

				badSource.Mend()
				pass(25 * time.Second)
				if n := badSource.Overlap(); n != 1 {
					t.Errorf("bad ran %d times at once", n)
				}
				d = decode(t, cache.Current())
				if d.failure("bad") != "" || d.Meta.Stale {
					t.Errorf("mended, yet error %q, stale %v", d.failure("bad"), d.Meta.Stale)
				}
			})
		})
	}
}

// Every way in which a source can fail leaves its last good value with age and error, and the others alone.
func TestWarmerKeepsLastGoodSection(t *testing.T) {
	faults := map[string]struct {
		fault func(*snapshottest.Source)
		want  string
	}{
		"error":       {func(s *snapshottest.Source) { s.Fail(errors.New("no such table")) }, "no such table"},
		"panic":       {func(s *snapshottest.Source) { s.Panic("index out of range") }, "panic: index out of range"},
		"too large":   {func(s *snapshottest.Source) { s.Return(obj{"x": strings.Repeat("x", 50_000)}) }, "has 50,008 bytes, at most 49,152"},
		"array":       {func(s *snapshottest.Source) { s.Return([]int{1}) }, "not a JSON object"},
		"channel":     {func(s *snapshottest.Source) { s.Return(obj{"x": make(chan int)}) }, "unsupported type"},
		"too deep":    {func(s *snapshottest.Source) { s.Return(deep(70)) }, "nested deeper"},
		"empty error": {func(s *snapshottest.Source) { s.Fail(errors.New("")) }, "without a reason"},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var book logBook
				good, _ := section("good")
				bad, source := section("bad")
				cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{Log: book.logger()}, good, bad)
				run(t, warmer)
				pass(time.Second)
				fault.fault(source)
				pass(20 * time.Second)
				d := decode(t, cache.Current())
				if got := d.failure("bad"); !strings.Contains(got, fault.want) {
					t.Errorf("error %q, want %q", got, fault.want)
				}
				if string(d.Sections["bad"]) != `{"name":"bad"}` || !d.Meta.Sections["bad"].AsOf.Equal(start) {
					t.Errorf("bad is %s as of %v, want the last good value and its age", d.Sections["bad"], d.Meta.Sections["bad"].AsOf)
				}
				if d.failure("good") != "" || d.Meta.Sections["good"].Overdue {
					t.Error("good suffers")
				}
				if n := len(book.all()); n != 1 {
					t.Errorf("%d log lines in four cycles, want one: %v", n, book.all())
				}
				stats := warmer.Stats().Sections["bad"]
				if stats.Failures != 4 || stats.Collects != 5 {
					t.Errorf("%d of %d collections failed, want 4 of 5", stats.Failures, stats.Collects)
				}

				source.Return(obj{"name": "mended"})
				pass(5 * time.Second)
				d = decode(t, cache.Current())
				if d.failure("bad") != "" || d.Meta.Stale || string(d.Sections["bad"]) != `{"name":"mended"}` {
					t.Errorf("mended, yet error %q, stale %v, value %s", d.failure("bad"), d.Meta.Stale, d.Sections["bad"])
				}
			})
		})
	}
}

func deep(levels int) any {
	var value any = obj{}
	for range levels {
		value = obj{"x": value}
	}
	return value
}

func TestWarmerLogsTheStackOfAPanic(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var book logBook
		s, source := section("bad")
		source.Panic("boom")
		_, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{Log: book.logger()}, s)
		if err := warmer.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "panic: boom") {
			t.Errorf("Refresh() = %v", err)
		}
		if lines := strings.Join(book.all(), ""); !strings.Contains(lines, "snapshottest.(*Source).Collect") {
			t.Errorf("no stack in the log: %s", lines)
		}
		if n := warmer.Stats().Sections["bad"].Panics; n != 1 {
			t.Errorf("%d panics counted", n)
		}
	})
}

func TestWarmerOutlivesASourceThatEndsItsGoroutine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		good, _ := section("good")
		bad := snapshot.Section{Name: "bad", Collect: func(context.Context) (any, error) {
			runtime.Goexit()
			return nil, nil
		}}
		cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, good, bad)
		if err := warmer.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := decode(t, cache.Current()).failure("bad"); !strings.Contains(got, "ended its goroutine") {
			t.Errorf("error %q", got)
		}
	})
}

// What comes after delay is published when it comes.
func TestWarmerPublishesStragglers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		quick, _ := section("quick")
		slow, source := section("slow")
		source.Delay(1200 * time.Millisecond)
		cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, quick, slow)
		run(t, warmer)
		pass(500 * time.Millisecond)
		if d := decode(t, cache.Current()); string(d.Sections["slow"]) != "null" || d.Meta.Sections["slow"].AsOf != nil {
			t.Errorf("slow is %s as of %v before it came", d.Sections["slow"], d.Meta.Sections["slow"].AsOf)
		}
		pass(700 * time.Millisecond)
		d := decode(t, cache.Current())
		if string(d.Sections["slow"]) != `{"name":"slow"}` || !d.Timestamp.Equal(start.Add(1200*time.Millisecond)) {
			t.Errorf("slow is %s at %v, want it published when it came", d.Sections["slow"], d.Timestamp)
		}
	})
}

// Nothing is published as long as there is nothing to show; after that, every interval says that the process lives.
func TestWarmerPublishesNothingBeforeThereIsAValue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, source := section("only")
		source.Fail(errors.New("down"))
		cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, s)
		run(t, warmer)
		pass(time.Minute)
		if cache.Current() != nil {
			t.Error("published a document without any value")
		}
		source.Mend()
		pass(5 * time.Second)
		decode(t, cache.Current())
	})
}

func TestWarmerBeatsWhileAllSourcesHang(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, source := section("only")
		cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, s)
		run(t, warmer)
		pass(time.Second)
		source.Hang()
		defer source.Mend()
		for range 10 {
			pass(6 * time.Second)
			if age := time.Since(decode(t, cache.Current()).Timestamp); age > 6*time.Second {
				t.Fatalf("the last document is %v old", age)
			}
		}
	})
}

func TestNudgeIsPublishedAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		touched, touchedSource := section("touched")
		other, otherSource := section("other")
		cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, touched, other)
		run(t, warmer)
		pass(2 * time.Second)
		touchedSource.Return(obj{"new": 1})
		warmer.Nudge("touched", "unknown")
		pass(10 * time.Millisecond)
		d := decode(t, cache.Current())
		if string(d.Sections["touched"]) != `{"new":1}` {
			t.Errorf("10 ms after the nudge: %s", d.Sections["touched"])
		}
		if n := otherSource.Calls(); n != 1 {
			t.Errorf("other was collected %d times, want once: nobody touched it", n)
		}
		if !d.Meta.Sections["other"].AsOf.Equal(start) {
			t.Error("other's age is not its own")
		}
	})
}

// A storm of nudges makes four publishes a second, and the last change is out within a quarter of a second.
func TestNudgesAreDebounced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, source := section("touched")
		cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, s)
		run(t, warmer)
		pass(2 * time.Second)
		before := warmer.Stats().Publishes
		for i := range 2000 { // one each millisecond
			source.Return(obj{"n": i})
			warmer.Nudge()
			pass(time.Millisecond)
		}
		if n := warmer.Stats().Publishes - before; n < 8 || n > 9 {
			t.Errorf("%d publishes in 2 s, want 8 or 9", n)
		}
		pass(250 * time.Millisecond)
		if got := string(decode(t, cache.Current()).Sections["touched"]); got != `{"n":1999}` {
			t.Errorf("a quarter of a second after the last nudge: %s", got)
		}
	})
}

// A nudge during a collection may be about what that collection did not see: there is another one.
func TestNudgeDuringACollectionIsNotLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, source := section("touched")
		source.Delay(100 * time.Millisecond)
		_, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{Budget: -1}, s)
		run(t, warmer)
		pass(50 * time.Millisecond)
		warmer.Nudge("touched")
		pass(time.Second)
		if n := source.Calls(); n != 2 {
			t.Errorf("%d collections, want 2", n)
		}
	})
}

// All metered sections together never take more of a connection's time than the budget, not even under constant
// nudging; the cheap ones keep their pace and the costly one shows its own.
func TestBudgetSlowsTheCostly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var sections []snapshot.Section
		for i := range 3 {
			s, source := section(fmt.Sprintf("cheap%d", i))
			source.Delay(2 * time.Millisecond)
			sections = append(sections, s)
		}
		costly, source := section("costly")
		source.Delay(900 * time.Millisecond)
		host, hostSource := section("host")
		hostSource.Delay(400 * time.Millisecond)
		host.Unmetered = true
		sections = append(sections, costly, host)
		cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, sections...)
		run(t, warmer)
		pass(2 * time.Second)
		before := warmer.Stats()
		const window = 10 * time.Minute
		for range window / (100 * time.Millisecond) {
			warmer.Nudge("cheap0", "cheap1", "cheap2", "costly")
			pass(100 * time.Millisecond)
		}
		var took time.Duration
		after := warmer.Stats()
		for name, s := range after.Sections {
			if name != "host" {
				took += s.TotalTook - before.Sections[name].TotalTook
			}
		}
		if share := took.Seconds() / window.Seconds(); share > 0.101 || share < 0.05 {
			t.Errorf("collecting took %.1f %% of the time, want up to 10 %%", 100*share)
		}
		if n := after.Sections["cheap1"].Collects; n < 2300 {
			t.Errorf("cheap1 was collected %d times, want four times a second", n)
		}
		d := decode(t, cache.Current())
		if every := d.Meta.Sections["costly"].EveryMS; every < 9000 || every > 15000 {
			t.Errorf("costly's every_ms = %d, want what the budget leaves it", every)
		}
		if every := d.Meta.Sections["cheap0"].EveryMS; every != 5000 {
			t.Errorf("cheap0's every_ms = %d, want 5000", every)
		}
		if n := hostSource.Calls(); n < 120 {
			t.Errorf("the unmetered section was collected %d times", n)
		}
		if d.Meta.Stale {
			t.Error("a slower pace is not staleness")
		}
	})
}

// When the database hangs, all sections time out. They are tried in turn within the budget, and as soon as one answers,
// all are collected.
func TestWarmerProbesAHangingDatabase(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sections, sources := sixSections()
		cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, sections...)
		run(t, warmer)
		pass(time.Second)
		calls := func() (n int) {
			for _, s := range sources {
				n += s.Calls()
			}
			return n
		}
		for _, s := range sources {
			s.Stall()
		}
		pass(10 * time.Second) // all time out at 7 s; the first probe at the tick of 10 s
		before := calls()
		pass(5 * time.Minute)
		if n := calls() - before; n < 10 || n > 16 {
			t.Errorf("%d probes in 5 min, want one each 20 s", n)
		}
		tried := slices.MinFunc(sources, func(a, b *snapshottest.Source) int { return a.Calls() - b.Calls() })
		if tried.Calls() < 3 {
			t.Error("the sections were not tried in turn")
		}
		for _, s := range sources {
			s.Mend()
		}
		pass(21 * time.Second)
		d := decode(t, cache.Current())
		for name, s := range d.Meta.Sections {
			if s.Error != nil || s.Overdue {
				t.Errorf("%s: error %q, overdue %v; want all back with the first", name, d.failure(name), s.Overdue)
			}
		}
	})
}

func TestBudgetSharesAreFair(t *testing.T) {
	cases := []struct {
		demands, want []float64
		budget        float64
	}{
		{nil, nil, 1},
		{[]float64{1, 2}, []float64{1, 2}, 3},
		{[]float64{9, 1, 9}, []float64{4.5, 1, 4.5}, 10},
		{[]float64{5, 5, 5, 5}, []float64{2.5, 2.5, 2.5, 2.5}, 10},
		{[]float64{0, 20}, []float64{0, 10}, 10},
	}
	for _, c := range cases {
		if got := snapshot.FairShares(c.demands, c.budget); !slices.Equal(got, c.want) && len(c.want) > 0 {
			t.Errorf("FairShares(%v, %v) = %v, want %v", c.demands, c.budget, got, c.want)
		}
	}
}

// A document over the hard cap is refused; the last one stays, and smaller ones are published again.
func TestOversizedDocumentIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var book logBook
		var sections []snapshot.Section
		var sources []*snapshottest.Source
		for i := range 3 {
			s, source := section(fmt.Sprintf("s%d", i))
			sections, sources = append(sections, s), append(sources, source)
		}
		cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{Log: book.logger()}, sections...)
		run(t, warmer)
		pass(time.Second)
		good := cache.Current()
		for _, s := range sources {
			s.Return(obj{"x": strings.Repeat("x", 45_000)})
		}
		pass(30 * time.Second)
		if cache.Current() != good {
			t.Error("the last good document was replaced")
		}
		stats := warmer.Stats()
		if stats.Refused == 0 || !strings.Contains(stats.Error, "135,") || len(book.all()) != 1 {
			t.Errorf("%d refused, error %q, %d log lines; want it counted, reported, and logged once", stats.Refused, stats.Error, len(book.all()))
		}
		if _, served, err := cache.Get(t.Context()); err != nil || served.Rung != snapshot.RungLastGood || !served.Stale {
			t.Errorf("served %+v, %v; want the last good one", served, err)
		}
		sources[0].Return(obj{"x": 1})
		pass(6 * time.Second)
		if cache.Current() == good || warmer.Stats().Error != "" {
			t.Error("the smaller document was not published")
		}
	})
}

// After a restart the last document's values live on, with their own age, until they are collected again.
func TestWarmerContinuesFromTheRestoredDocument(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tier := snapshottest.NewMemory("memory-tier")
		good, goodSource := section("good")
		bad, badSource := section("bad")
		first, warmer := newWarmer(t, snapshot.CacheOptions{Tiers: []snapshot.Tier{tier}}, snapshot.WarmerOptions{}, good, bad)
		stop := run(t, warmer)
		pass(time.Second)
		revision := first.Current().Revision
		stop()
		closeCache(t, first)

		pass(time.Hour)
		badSource.Fail(errors.New("still down"))
		goodSource.Return(obj{"name": "new"})
		second, warmer := newWarmer(t, snapshot.CacheOptions{Tiers: []snapshot.Tier{tier}}, snapshot.WarmerOptions{}, good, bad)
		if err := second.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, served, err := second.Get(t.Context()); err != nil || served.Rung != snapshot.RungLastGood || served.Age < time.Hour {
			t.Errorf("served %+v, %v; want the document of an hour ago", served, err)
		}
		run(t, warmer)
		pass(time.Second)
		d := decode(t, second.Current())
		if d.Meta.Revision <= revision {
			t.Errorf("revision %d after %d", d.Meta.Revision, revision)
		}
		if string(d.Sections["good"]) != `{"name":"new"}` || string(d.Sections["bad"]) != `{"name":"bad"}` {
			t.Errorf("good is %s, bad is %s", d.Sections["good"], d.Sections["bad"])
		}
		if !d.Meta.Sections["bad"].AsOf.Equal(start) || !d.Meta.AsOf.Equal(start) || !d.Meta.Stale {
			t.Errorf("bad is as of %v, the document %v, stale %v; want its true age", d.Meta.Sections["bad"].AsOf, d.Meta.AsOf, d.Meta.Stale)
		}
	})
}

// Refresh joins the collections under way, and whoever leaves does not end them for the others.
func TestRefreshIsShared(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, source := section("slow")
		source.Delay(400 * time.Millisecond)
		cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, s)
		leaving, leave := context.WithCancel(t.Context())
		results := make(chan error, 10)
		go func() { results <- warmer.Refresh(leaving) }()
		pass(100 * time.Millisecond)
		for range 9 {
			go func() { results <- warmer.Refresh(t.Context()) }()
		}
		leave()
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("who left got %v", err)
		}
		for range 9 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if source.Calls() != 1 || warmer.Stats().Publishes != 1 {
			t.Errorf("%d collections, %d publishes; want one of each", source.Calls(), warmer.Stats().Publishes)
		}
		decode(t, cache.Current())
	})
}

func TestRunTwiceIsAnError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, _ := section("a")
		_, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, s)
		stop := run(t, warmer)
		pass(time.Second)
		if err := warmer.Run(t.Context()); err == nil {
			t.Error("the second Run() = nil")
		}
		stop()
		run(t, warmer)() // one after the other is fine
	})
}

// A source that ignores its context holds up the end of Run for a second at the most.
func TestRunEndsWithAHangingSource(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, source := section("bad")
		source.Hang()
		defer source.Mend()
		_, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, s)
		stop := run(t, warmer)
		pass(time.Second)
		began := time.Now()
		stop()
		if took := time.Since(began); took > time.Second {
			t.Errorf("Run took %v to end", took)
		}
	})
}

func TestNewWarmerNamesAllThatIsWrong(t *testing.T) {
	source := snapshottest.NewSource(nil)
	_, err := snapshot.NewWarmer(snapshot.NewCache(snapshot.CacheOptions{}), []snapshot.Section{
		{Collect: source.Collect}, {Name: "a"}, {Name: "b", Collect: source.Collect}, {Name: "b", Collect: source.Collect, Deadline: -1},
	}, snapshot.WarmerOptions{})
	for _, want := range []string{"has no name", `"a" has no source`, `two sections are named "b"`, "must not be negative"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NewWarmer() = %v; want it to say %q", err, want)
		}
	}
	for path, want := range map[string]string{
		"meta": "own", "timestamp.x": "own", "a..b": "empty", "taken": "another section", "taken.x": "within another", "x": "another section",
	} {
		_, err := snapshot.NewWarmer(snapshot.NewCache(snapshot.CacheOptions{}), []snapshot.Section{
			{Name: "taken", Collect: source.Collect}, {Name: "below", Path: "x.y", Collect: source.Collect}, {Name: "new", Path: path, Collect: source.Collect},
		}, snapshot.WarmerOptions{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("path %q: %v; want it to say %q", path, err, want)
		}
	}
}

// Stragglers that come one after the other share publishes: four a second are the most there are.
func TestStragglersSharePublishes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var sections []snapshot.Section
		for i := range 20 {
			s, source := section(fmt.Sprintf("s%d", i))
			source.Delay(time.Duration(i) * 75 * time.Millisecond)
			sections = append(sections, s)
		}
		cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{Budget: -1}, sections...)
		run(t, warmer)
		pass(1700 * time.Millisecond) // delay ends at 0.5 s, the last is in at 1.425 s
		if n := warmer.Stats().Publishes; n < 4 || n > 5 {
			t.Errorf("%d publishes, want one each 250 ms", n)
		}
		if got := string(decode(t, cache.Current()).Sections["s19"]); got != `{"name":"s19"}` {
			t.Errorf("the last straggler is %s", got)
		}
	})
}

// A warmer that takes up its work again keeps what it knows better than the cache's document does.
func TestWarmerKeepsItsNewerValues(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var sections []snapshot.Section
		var sources []*snapshottest.Source
		for i := range 3 {
			s, source := section(fmt.Sprintf("s%d", i))
			sections, sources = append(sections, s), append(sources, source)
		}
		cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, sections...)
		if err := warmer.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		large := obj{"x": strings.Repeat("x", 45_000)}
		for _, s := range sources {
			s.Return(large)
		}
		if err := warmer.Refresh(t.Context()); !errors.Is(err, snapshot.ErrTooLarge) {
			t.Errorf("Refresh() = %v, want ErrTooLarge", err)
		}
		sources[0].Fail(errors.New("down"))
		sources[1].Return(obj{})
		if err := warmer.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(decode(t, cache.Current()).Sections["s0"]); n != 45_008 {
			t.Errorf("the value has %d bytes, want that of the last good collection", n)
		}
	})
}
