package snapshot_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/snapshot/snapshottest"
)

// documentNow makes a document of section "a", as another process would publish it now.
func documentNow(t *testing.T, value any) []byte {
	t.Helper()
	cache := snapshot.NewCache(snapshot.CacheOptions{})
	warmer, err := snapshot.NewWarmer(cache, []snapshot.Section{{Name: "a", Collect: snapshottest.NewSource(value).Collect}}, snapshot.WarmerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := warmer.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return cache.Current().JSON
}

// The ladder, all of it: what is served for every state of memory, tier and sources, the first time and two seconds
// later, when what was tried in the background is done.
func TestLadder(t *testing.T) {
	const (
		none   = "error"
		memory = snapshot.RungMemory
		tier   = "tier:shelf"
		built  = snapshot.RungRebuild
		last   = snapshot.RungLastGood
	)
	sources := map[string]func(*snapshottest.Source){
		"source works":  func(*snapshottest.Source) {},
		"source fails":  func(s *snapshottest.Source) { s.Fail(errors.New("down")) },
		"source stalls": (*snapshottest.Source).Stall,
		"source hangs":  (*snapshottest.Source).Hang,
	}
	tiers := map[string]func(t *testing.T, tier *snapshottest.Memory, stale, fresh []byte){
		"tier empty":   func(*testing.T, *snapshottest.Memory, []byte, []byte) {},
		"tier fresh":   func(_ *testing.T, s *snapshottest.Memory, _, fresh []byte) { s.Put(fresh) },
		"tier stale":   func(_ *testing.T, s *snapshottest.Memory, stale, _ []byte) { s.Put(stale) },
		"tier corrupt": func(_ *testing.T, s *snapshottest.Memory, _, fresh []byte) { s.Put(fresh[:len(fresh)/2]) },
		"tier fails":   func(_ *testing.T, s *snapshottest.Memory, _, fresh []byte) { s.Put(fresh); s.Fail(errors.New("down")) },
		"tier panics":  func(_ *testing.T, s *snapshottest.Memory, _, fresh []byte) { s.Put(fresh); s.Panic("boom") },
		"tier stalls":  func(_ *testing.T, s *snapshottest.Memory, _, fresh []byte) { s.Put(fresh); s.Stall() },
		"tier hangs":   func(_ *testing.T, s *snapshottest.Memory, _, fresh []byte) { s.Put(fresh); s.Hang() },
	}
	for _, inMemory := range []string{"memory empty", "memory fresh", "memory stale"} {
		for tierState, breakTier := range tiers {
			for sourceState, breakSource := range sources {
				t.Run(inMemory+", "+tierState+", "+sourceState, func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						first, second := none, none
						switch works := sourceState == "source works"; {
						case inMemory == "memory fresh":
							first, second = memory, memory
						case inMemory == "memory stale" && (works || tierState == "tier fresh"):
							first, second = last, memory
						case inMemory == "memory stale":
							first, second = last, last
						case tierState == "tier fresh":
							first, second = tier, memory
						case works:
							first, second = built, memory
						case tierState == "tier stale":
							first, second = last, last
						}

						shelf := snapshottest.NewMemory("shelf")
						source := snapshottest.NewSource(obj{"from": "source"})
						cache, _ := newWarmer(t, snapshot.CacheOptions{Tiers: []snapshot.Tier{shelf}}, snapshot.WarmerOptions{},
							snapshot.Section{Name: "a", Collect: source.Collect})
						stale := documentNow(t, obj{"from": "tier"})
						if inMemory == "memory stale" {
							mustOffer(t, cache, documentNow(t, obj{"from": "memory"}))
						}
						pass(16 * time.Second)
						fresh := documentNow(t, obj{"from": "tier"})
						if inMemory == "memory fresh" {
							mustOffer(t, cache, documentNow(t, obj{"from": "memory"}))
						}
						breakTier(t, shelf, stale, fresh)
						breakSource(source)
						defer shelf.Mend()
						defer source.Mend()

						began := time.Now()
						if got := rungOf(t, cache); got != first {
							t.Errorf("first: %s, want %s", got, first)
						}
						if waited := time.Since(began); inMemory != "memory empty" && waited != 0 {
							t.Errorf("waited %v although there was something in memory", waited)
						} else if waited > 3*time.Second {
							t.Errorf("waited %v", waited)
						}
						pass(4 * time.Second)
						if got := rungOf(t, cache); got != second {
							t.Errorf("then: %s, want %s", got, second)
						}

						shelf.Mend()
						source.Mend()
						pass(21 * time.Second)
						rungOf(t, cache) // begins to try the rungs again
						pass(2 * time.Second)
						if got := rungOf(t, cache); got != memory {
							t.Errorf("mended: %s, want memory", got)
						}
					})
				})
			}
		}
	}
}

func mustOffer(t *testing.T, cache *snapshot.Cache, doc []byte) {
	t.Helper()
	if err := cache.Offer(doc, "shelf"); err != nil {
		t.Fatal(err)
	}
}

// rungOf asks the cache, checks what must hold of every answer, and returns the rung, or "error".
func rungOf(t *testing.T, cache *snapshot.Cache) string {
	t.Helper()
	s, served, err := cache.Get(t.Context())
	if err != nil {
		if !errors.Is(err, snapshot.ErrUnavailable) || s != nil {
			t.Errorf("Get() = %v, %v; want ErrUnavailable", s, err)
		}
		return "error"
	}
	d := decode(t, s)
	if age := time.Since(d.Meta.AsOf); (age - served.Age).Abs() >= time.Millisecond {
		t.Errorf("Age = %v, want %v, but for what the document rounds", served.Age, age)
	}
	if stale := d.Meta.Stale || time.Since(d.Timestamp) > 15*time.Second; served.Stale != stale {
		t.Errorf("Stale = %v, want %v", served.Stale, stale)
	}
	if served.Rung == snapshot.RungLastGood && !served.Stale {
		t.Error("the last good document is not marked as stale")
	}
	return served.Rung
}

// Concurrent viewers of a process that has nothing share one rebuild.
func TestViewersShareOneRebuild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, source := section("a")
		source.Delay(300 * time.Millisecond)
		shelf := snapshottest.NewMemory("shelf")
		cache, _ := newWarmer(t, snapshot.CacheOptions{Tiers: []snapshot.Tier{shelf}}, snapshot.WarmerOptions{}, s)
		rungs := make(chan string)
		for range 100 {
			go func() {
				_, served, err := cache.Get(t.Context())
				rungs <- fmt.Sprint(served.Rung, err)
			}()
		}
		for range 100 {
			if got := <-rungs; got != "rebuild<nil>" {
				t.Errorf("served %s", got)
			}
		}
		if loads, _ := shelf.Calls(); loads != 1 || source.Calls() != 1 {
			t.Errorf("%d loads, %d collections; want one of each", loads, source.Calls())
		}
		if n := cache.Stats().Hits["rebuild"]; n != 100 {
			t.Errorf("%d hits by rebuild counted", n)
		}
	})
}

// While everything is down, viewers get their 503 at once and the sources are asked at most once a second.
func TestFailedRebuildIsRemembered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, source := section("a")
		source.Fail(errors.New("down"))
		cache, _ := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, s)
		for range 1000 {
			began := time.Now()
			if _, _, err := cache.Get(t.Context()); err == nil || time.Since(began) > 0 {
				t.Fatalf("Get() = %v after %v", err, time.Since(began))
			}
			pass(10 * time.Millisecond)
		}
		if n := source.Calls(); n > 11 {
			t.Errorf("%d collections in 10 s", n)
		}
	})
}

// A viewer who leaves while waiting is not waited for.
func TestViewerWhoLeaves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, source := section("a")
		source.Stall()
		cache, _ := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := cache.Get(ctx); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, snapshot.ErrUnavailable) {
			t.Errorf("Get() = %v", err)
		}
	})
}

// Every fault of a tier: broken, checked, mended, checked. Viewers never notice.
func TestTierFaultsAndRecovery(t *testing.T) {
	faults := map[string]struct {
		fault func(*snapshottest.Memory)
		want  string // in TierStats.Error
	}{
		"fails":  {func(s *snapshottest.Memory) { s.Fail(errors.New("disk full")) }, "disk full"},
		"panics": {func(s *snapshottest.Memory) { s.Panic("boom") }, "panic: boom"},
		"stalls": {(*snapshottest.Memory).Stall, "deadline"},
		"hangs":  {(*snapshottest.Memory).Hang, ""}, // not known before it returns
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var book logBook
				shelf := snapshottest.NewMemory("shelf")
				s, _ := section("a")
				cache, warmer := newWarmer(t, snapshot.CacheOptions{Tiers: []snapshot.Tier{shelf}, Log: book.logger()}, snapshot.WarmerOptions{}, s)
				run(t, warmer)
				pass(time.Second)
				if string(shelf.Document()) != string(cache.Current().JSON) {
					t.Error("the document is not stored")
				}
				fault.fault(shelf)
				for range 12 {
					pass(5 * time.Second)
					if got := rungOf(t, cache); got != snapshot.RungMemory {
						t.Errorf("served from %s", got)
					}
				}
				stats := cache.Stats().Tiers[0]
				if fault.want != "" && (!strings.Contains(stats.Error, fault.want) || stats.Errors < 10 || len(book.all()) != 1) {
					t.Errorf("error %q, %d counted, log %q; want it known, counted and logged once", stats.Error, stats.Errors, book.all())
				}
				shelf.Mend()
				pass(10 * time.Second)
				if string(shelf.Document()) != string(cache.Current().JSON) || cache.Stats().Tiers[0].Error != "" {
					t.Errorf("mended, yet the newest document is not stored; error %q", cache.Stats().Tiers[0].Error)
				}
			})
		})
	}
}

// Garbage in a tier is counted, logged once, and overwritten.
func TestCorruptTierIsOverwritten(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var book logBook
		shelf := snapshottest.NewMemory("shelf")
		shelf.Put([]byte(`{"half":`))
		s, _ := section("a")
		cache, _ := newWarmer(t, snapshot.CacheOptions{Tiers: []snapshot.Tier{shelf}, Log: book.logger()}, snapshot.WarmerOptions{}, s)
		for range 3 {
			if err := cache.Restore(t.Context()); err != nil {
				t.Errorf("Restore() = %v; want garbage to be no error", err)
			}
		}
		if stats := cache.Stats().Tiers[0]; stats.Corrupt != 3 || len(book.all()) != 1 {
			t.Errorf("%d corrupt counted, log %q", stats.Corrupt, book.all())
		}
		if got := rungOf(t, cache); got != snapshot.RungRebuild {
			t.Errorf("served from %s", got)
		}
		pass(time.Second)
		if string(shelf.Document()) != string(cache.Current().JSON) {
			t.Error("the garbage is still there")
		}
	})
}

// Of several tiers the newest valid document counts, wherever it is.
func TestRestoreTakesTheNewestValidDocument(t *testing.T) {
	bubble(t, func(t *testing.T) {
		one, two, three := snapshottest.NewMemory("one"), snapshottest.NewMemory("two"), snapshottest.NewMemory("three")
		one.Put(documentNow(t, obj{"from": "one"}))
		pass(time.Second)
		two.Put(documentNow(t, obj{"from": "two"}))
		pass(time.Second)
		newest := documentNow(t, obj{"from": "three"})
		three.Put(newest[:len(newest)-1])
		cache := snapshot.NewCache(snapshot.CacheOptions{Tiers: []snapshot.Tier{one, two, three}})
		snapshot.SetPaths(cache, "a")
		if err := cache.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := string(decode(t, cache.Current()).Sections["a"]); got != `{"from":"two"}` {
			t.Errorf("restored %s", got)
		}
		closeCache(t, cache)
		if _, stores := two.Calls(); stores != 0 {
			t.Error("the tier got its own document back")
		}
		if string(one.Document()) != string(two.Document()) {
			t.Error("the other tiers did not get the document")
		}
	})
}

// Documents come faster than a tier can take them: it gets the newest, and Close waits for it.
func TestSlowTierGetsTheLatest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		shelf := snapshottest.NewMemory("shelf")
		s, source := section("a")
		cache, warmer := newWarmer(t, snapshot.CacheOptions{Tiers: []snapshot.Tier{shelf}}, snapshot.WarmerOptions{}, s)
		stop := run(t, warmer)
		pass(time.Second)
		shelf.Hang()
		for i := range 5 {
			source.Return(obj{"n": i})
			pass(5 * time.Second)
		}
		shelf.Mend()
		stop()
		closeCache(t, cache)
		if string(shelf.Document()) != string(cache.Current().JSON) {
			t.Errorf("the tier has %s", shelf.Document())
		}
		if _, stores := shelf.Calls(); stores != 3 {
			t.Errorf("%d stores, want 3: one before, the one that hung, and the latest", stores)
		}
	})
}

func TestCloseDoesNotWaitForever(t *testing.T) {
	bubble(t, func(t *testing.T) {
		shelf := snapshottest.NewMemory("shelf")
		defer shelf.Mend()
		s, _ := section("a")
		cache, warmer := newWarmer(t, snapshot.CacheOptions{Tiers: []snapshot.Tier{shelf}}, snapshot.WarmerOptions{}, s)
		shelf.Hang()
		if err := warmer.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := cache.Close(ctx); err == nil || !strings.Contains(err.Error(), "shelf") {
			t.Errorf("Close() = %v; want it to name the tier", err)
		}
		shelf.Mend()
	})
}

// The cache keeps to a tier's pace, always with the newest document, and Close does not wait for the pace.
func TestPacedTierIsSpared(t *testing.T) {
	bubble(t, func(t *testing.T) {
		shelf := paced{snapshottest.NewMemory("shelf")}
		s, source := section("a")
		cache, warmer := newWarmer(t, snapshot.CacheOptions{Tiers: []snapshot.Tier{shelf}}, snapshot.WarmerOptions{}, s)
		stop := run(t, warmer)
		for i := range 100 {
			source.Return(obj{"n": i})
			warmer.Nudge()
			pass(300 * time.Millisecond)
		}
		if _, stores := shelf.Calls(); stores > 4 {
			t.Errorf("%d stores in 30 s, want one each 10 s", stores)
		}
		stop()
		began := time.Now()
		closeCache(t, cache)
		if string(shelf.Document()) != string(cache.Current().JSON) || time.Since(began) > 0 {
			t.Errorf("after Close, which took %v, the tier has %s", time.Since(began), shelf.Document())
		}
	})
}

type paced struct{ *snapshottest.Memory }

func (paced) Pace() time.Duration { return 10 * time.Second }

// Revisions grow even over a restart that lost everything, and over one whose clock went back.
func TestRevisionAlwaysGrows(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, _ := section("a")
		cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, s)
		var last uint64
		for range 10 {
			if err := warmer.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			if now := cache.Current().Revision; now <= last {
				t.Fatalf("revision %d after %d", now, last)
			} else {
				last = now
			}
		}
		pass(time.Second)
		fresh, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, s)
		if err := warmer.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if now := fresh.Current().Revision; now <= last {
			t.Errorf("revision %d after a restart from nothing, %d before it", now, last)
		}
	})
}

// Watch shows the latest, not every one, and ends with its context.
func TestWatchIsALevelTrigger(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, source := section("a")
		cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, s)
		ctx, cancel := context.WithCancel(t.Context())
		seen := make(chan string)
		go func() {
			defer close(seen)
			for s := range cache.Watch(ctx) {
				seen <- string(s.JSON[:12])
			}
		}()
		for i := range 5 {
			source.Return(obj{"n": i})
			if err := warmer.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			pass(time.Millisecond)
		}
		if first, second := <-seen, <-seen; first != `{"a":{"n":0}` || second != `{"a":{"n":4}` {
			t.Errorf("saw %s, then %s", first, second)
		}
		cancel()
		if more, ok := <-seen; ok {
			t.Errorf("saw %s after the end", more)
		}
	})
}

// A tier that hangs is called once, not once per viewer or second, until it returns.
func TestHangingTierIsCalledOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		shelf := snapshottest.NewMemory("shelf")
		shelf.Hang()
		s, source := section("a")
		source.Fail(errors.New("down"))
		cache, _ := newWarmer(t, snapshot.CacheOptions{Tiers: []snapshot.Tier{shelf}}, snapshot.WarmerOptions{}, s)
		for range 10 {
			if got := rungOf(t, cache); got != "error" {
				t.Errorf("served from %s", got)
			}
			pass(2 * time.Second)
		}
		if loads, _ := shelf.Calls(); loads != 1 {
			t.Errorf("%d loads while the first hangs", loads)
		}
		shelf.Mend()
		pass(2 * time.Second)
		rungOf(t, cache)
		if loads, _ := shelf.Calls(); loads != 2 {
			t.Errorf("%d loads, want a second after it returned", loads)
		}
	})
}
