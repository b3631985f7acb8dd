package snapshot_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/snapshot/snapshottest"
)

// Half an hour of random trouble for many seeds: sources and a tier that fail, panic, stall, hang and recover, slow and
// fast, under nudges and refreshes. Whatever happens, what the package promises holds.
func TestPromisesHoldUnderRandomTrouble(t *testing.T) {
	const seeds = 20
	var shares float64
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) { shares += trouble(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
	// The budget goes by what sections have cost so far. Here their costs change at random every few seconds, and what
	// nothing foretold comes on top; without a budget it would be several times as much.
	if share := shares / seeds; share > 0.33 {
		t.Errorf("collecting took %.1f %% of the time on the whole", 100*share)
	}
}

// trouble returns the share of the time that collecting took.
func trouble(t *testing.T, random *rand.Rand) float64 {
	var sections []snapshot.Section
	var sources []*snapshottest.Source
	for i := range 5 {
		s, source := section(fmt.Sprintf("s%d", i))
		sections, sources = append(sections, s), append(sources, source)
	}
	shelf := snapshottest.NewMemory("shelf")
	cache, warmer := newWarmer(t, snapshot.CacheOptions{Tiers: []snapshot.Tier{shelf}}, snapshot.WarmerOptions{}, sections...)
	run(t, warmer)
	pass(time.Second)

	began, last := time.Now(), cache.Current()
	for time.Since(began) < 30*time.Minute {
		source := sources[random.IntN(len(sources))]
		switch random.IntN(12) {
		case 0:
			source.Fail(errors.New("down"))
		case 1:
			source.Panic("boom")
		case 2:
			source.Stall()
		case 3:
			source.Hang()
		case 4, 5:
			source.Delay(time.Duration(random.IntN(2500)) * time.Millisecond)
		case 6:
			[]func(){shelf.Hang, shelf.Stall, shelf.Mend, func() { shelf.Fail(errors.New("full")) }}[random.IntN(4)]()
		case 7:
			shelf.Put([]byte("garbage"))
		case 8:
			warmer.Nudge()
		default:
			source.Return(obj{"n": random.IntN(1000)})
		}
		pass(time.Duration(random.IntN(3000)) * time.Millisecond)

		now := cache.Current()
		if now.Revision < last.Revision || len(decode(t, now).Sections) != 7 {
			t.Fatalf("revision %d after %d: %s", now.Revision, last.Revision, now.JSON)
		}
		if age := time.Since(now.At); age > 6*time.Second {
			t.Fatalf("the document is %v old", age)
		}
		if got := rungOf(t, cache); got != snapshot.RungMemory {
			t.Fatalf("served from %s", got)
		}
		last = now
	}
	stats := warmer.Stats()
	if rate := float64(stats.Publishes) / time.Since(began).Seconds(); rate > 4 {
		t.Errorf("%.1f publishes a second", rate)
	}
	var took time.Duration
	for _, s := range stats.Sections {
		took += s.TotalTook
	}
	share := took.Seconds() / time.Since(began).Seconds()
	if share > 0.4 {
		t.Errorf("collecting took %.0f %% of the time", 100*share)
	}
	for i, source := range sources {
		if n := source.Overlap(); n != 1 {
			t.Errorf("source %d ran %d times at once", i, n)
		}
		source.Delay(0)
		source.Mend()
	}
	shelf.Mend()
	pass(2 * time.Minute)
	d := decode(t, cache.Current())
	for name, s := range d.Meta.Sections {
		if s.Error != nil || s.Overdue {
			t.Errorf("mended, yet %s: %q, overdue %v", name, d.failure(name), s.Overdue)
		}
	}
	if string(shelf.Document()) != string(cache.Current().JSON) {
		t.Error("mended, yet the tier lacks the newest document")
	}
	return share
}
