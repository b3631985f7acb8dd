package attach

import (
	"testing"
	"time"
)

// TestClientsWhoseClocksAreOff lets three clients end jobs for four minutes, one of them with a clock that is 30 s behind, one with
// one that is 20 s ahead: all jobs are counted, the clients are there, and their clocks are reported.
func TestClientsWhoseClocksAreOff(t *testing.T) {
	eachSite(t, func(t *testing.T, site *site) {
		s := site.begun(t, nil)
		clock := time.Now().Truncate(time.Minute).Add(10 * time.Second)
		s.now = func() time.Time { return clock }
		offs := map[string]time.Duration{"right": 0, "behind": -30 * time.Second, "ahead": 20 * time.Second}
		inserted := int64(0)
		for range 4 * 12 {
			for client, off := range offs {
				j := done("mail", "completed", clock.Add(off-200*time.Millisecond))
				j.client = client
				site.insert(t, j)
				inserted++
			}
			if err := s.step(t.Context()); err != nil {
				t.Fatal(err)
			}
			clock = clock.Add(5 * time.Second)
		}
		sum, err := s.Between(t.Context(), clock.Add(-10*time.Minute), clock.Add(time.Minute))
		if err != nil || sum.OK != inserted {
			t.Errorf("%d of %d ended jobs are counted, %v", sum.OK, inserted, err)
		}
		skews := s.Skews()
		for client, off := range offs {
			got, want := skews[client], off
			if (got - want).Abs() > 2*time.Second {
				t.Errorf("%s: the clock is said to be off by %v, it is by %v", client, got, want)
			}
		}
		workers, err := s.Workers(t.Context())
		if err != nil || len(workers) != len(offs) {
			t.Fatalf("workers: %+v, %v", workers, err)
		}
		for _, w := range workers {
			if *w.Done != inserted/3 {
				t.Errorf("%s has ended %d jobs, want %d", w.ID, *w.Done, inserted/3)
			}
			if off := offs[w.ID]; (off == 0) != (w.SkewS == nil) {
				t.Errorf("%s is off by %v, and is said to be by %v", w.ID, off, w.SkewS)
			}
			if (w.BeatAt.Sub(clock)).Abs() > 8*time.Second {
				t.Errorf("%s: its last sign of life is of %v, now is %v", w.ID, w.BeatAt, clock)
			}
		}
	})
}
