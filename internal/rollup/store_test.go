package rollup

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/rollup/rolluptest"
)

// TestMain checks that nothing is left behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(dbtest.Main(m)) }

func execute(t testing.TB, d *db.DB, query string, args ...any) {
	t.Helper()
	if _, err := d.Write.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func number(t testing.TB, d *db.DB, query string, args ...any) (n int) {
	t.Helper()
	if err := d.Read.QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// Histograms are expensive to read: those of closed minutes and hours only when something was added to them.
func TestClosedSumsAreKept(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := New(database)
		random := rand.New(rand.NewPCG(5, 6))
		grow := func() {
			rolluptest.InsertRuns(t, s.db, random, 300)
			if _, err := s.AddEnded(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		now := time.Now()
		keep := func() map[part]partSums {
			if err := s.SumByAgent(t.Context(), now, map[string]*engine.AgentStats{"agent0": {}}); err != nil {
				t.Fatal(err)
			}
			return s.kept()
		}
		same := func(a, b partSums) bool {
			return reflect.ValueOf(a.byAgent).Pointer() == reflect.ValueOf(b.byAgent).Pointer()
		}
		grow()
		first := keep()
		if len(first) < 2 {
			t.Fatalf("%d parts of a day are closed", len(first))
		}
		for p, kept := range keep() {
			if !same(kept, first[p]) {
				t.Errorf("%v was read again", p)
			}
		}
		grow()
		read := 0
		for p, kept := range keep() {
			if (kept.mark == first[p].mark) != same(kept, first[p]) {
				t.Errorf("%v: marks %+v and %+v, kept: %v", p, first[p].mark, kept.mark, same(kept, first[p]))
			}
			if !same(kept, first[p]) {
				read++
			}
		}
		if read < 2 {
			t.Errorf("%d parts were read again", read)
		}
	})
}

// Sums made again from the runs must be the same: nothing in them depends on when and how they were made.
func TestSumsMadeAgainAreTheSame(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := New(database)
		random := rand.New(rand.NewPCG(3, 4))
		for range 3 {
			rolluptest.InsertRuns(t, s.db, random, 300)
			if _, err := s.AddEnded(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		before := rollups(t, s)
		execute(t, s.db, `delete from rollup`)
		execute(t, s.db, `update run set rolled = 0`)
		if _, err := s.AddEnded(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, rollups(t, s)); diff != "" {
			t.Error(diff)
		}
	})
}

func rollups(t testing.TB, s *Store) []string {
	t.Helper()
	rows, err := s.db.Read.Query(`select step_s, start_s, agent, queue, ` + sumColumns + ` from rollup order by 1, 2, 3, 4`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var step, start int64
		var agent, queue string
		sum := newSums()
		if err := sum.scan(rows.Scan, &step, &start, &agent, &queue); err != nil {
			t.Fatal(err)
		}
		w := sum.window(time.Now(), time.Hour, time.Time{})
		all = append(all, fmt.Sprint(step, start, agent, queue, w.Runs, w.OK, w.Failed, *w.Cancelled, *w.Usage, *cmpOr(w.Run.P50MS), *cmpOr(w.Wait.P95MS), sum.timeout, sum.lost))
	}
	return all
}

func cmpOr(p *float64) *float64 {
	if p == nil {
		return new(float64)
	}
	return p
}

// A worker of an earlier version ends several attempts in one transaction, with their sums beside them: whoever adds up takes these too.
func TestSumsLeftByAnEarlierVersionAreTakenOver(t *testing.T) {
	s := New(dbtest.OpenURL(t, dbtest.PostgresURL(t)))
	minute := floorTo(time.Now().Unix(), minuteStep)
	left := newSums()
	for range 3 {
		left.add(endedRun{outcome: "ok", run: 20, wait: 5})
	}
	execute(t, s.db, `insert into rollup_fresh (ended_ms, start_s, agent, queue, `+sumColumns+`)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
		append([]any{minute*1000 + 1, minute, "agent0", "agent0"}, left.values()...)...)
	if to, err := s.RollupsCompleteTo(t.Context()); err != nil || to.UnixMilli() > minute*1000+1 {
		t.Errorf("complete to %v, %v: the sums that are left are not added yet", to, err)
	}
	for range 2 {
		if _, err := s.AddEnded(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, agent := range []string{"", "agent0"} {
		for _, step := range []int{minuteStep, hourStep} {
			if n := number(t, s.db, `select coalesce(sum(ok), 0) from rollup where step_s = $1 and agent = $2`, step, agent); n != 3 {
				t.Errorf("%d attempts in the sums of agent %q by %d s, want 3", n, agent, step)
			}
		}
	}
	if n := number(t, s.db, `select count(*) from rollup_fresh`); n != 0 {
		t.Errorf("%d sums are left", n)
	}
}

// BenchmarkSumByAgent is what the sums of a day by agent cost at 60 pairs of agent and queue, while nothing is added.
func BenchmarkSumByAgent(b *testing.B) {
	s := New(dbtest.New(b))
	now, random := time.Now(), rand.New(rand.NewPCG(7, 8))
	stats := map[string]*engine.AgentStats{}
	err := s.db.InTx(b.Context(), func(tx *db.Tx) error {
		for i := range 60 {
			name := fmt.Sprintf("agent%d", i%12)
			stats[name] = &engine.AgentStats{}
			for minute := range 26 * 60 {
				at := now.Add(-time.Duration(minute) * time.Minute).Unix()
				step, start := int64(hourStep), floorTo(at, hourStep)
				if minute < 120 || minute > 23*60 {
					step, start = minuteStep, floorTo(at, minuteStep)
				} else if minute%60 != 0 {
					continue
				}
				sums := newSums()
				for range 40 {
					sums.add(endedRun{outcome: "ok", run: 1 + random.Int64N(8000), wait: random.Int64N(400)})
				}
				for _, of := range []bucket{{step, start, name, fmt.Sprintf("queue%d", i/12)}, {step, start, "", ""}} {
					if err := storeSums(b.Context(), tx, of, sums); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := s.SumByAgent(b.Context(), now, stats); err != nil {
			b.Fatal(err)
		}
	}
}

// What another program's attempts came to is added batch by batch: to the minute, the hour, the queue and all.
func TestBatchesAreAddedUp(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := New(database)
		now := time.Now()
		for range 3 {
			batch := &Minutes{}
			batch.Add(Ended{Queue: "alpha", At: now, OK: 5, Failed: 1})
			batch.Add(Ended{Queue: "beta", At: now, OK: 1})
			batch.Add(Ended{At: now, OK: 2}) // of queues that are not kept apart
			if err := database.InTx(t.Context(), func(tx *db.Tx) error { return s.Add(t.Context(), tx, batch) }); err != nil {
				t.Fatal(err)
			}
		}
		hour, day, err := s.Windows(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range []engine.Window{hour, day} {
			if w.OK != 24 || w.Failed != 3 || w.Run.P50MS != nil {
				t.Errorf("the window is %+v", w)
			}
		}
		byQueue, err := s.EndedByQueue(t.Context(), now.Add(-time.Hour))
		if diff := cmp.Diff(map[string]EndedOf{"alpha": {15, 3}, "beta": {3, 0}}, byQueue); err != nil || diff != "" {
			t.Errorf("by queue (-want +got):\n%s\n%v", diff, err)
		}
	})
}

// The sums of one source are never mixed with those of another.
func TestSumsBelongToOneSource(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := New(database)
		for range 2 {
			if err := s.Claim(t.Context(), "one", "redis://one"); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Claim(t.Context(), "two", "redis://two"); !errors.Is(err, ErrOtherSource) || !strings.Contains(err.Error(), "redis://one") {
			t.Errorf("another source: %v", err)
		}
		execute(t, database, `delete from attach_source`)
		rolluptest.InsertRuns(t, database, rand.New(rand.NewPCG(1, 2)), 1)
		if err := s.Claim(t.Context(), "two", "redis://two"); !errors.Is(err, ErrOtherSource) {
			t.Errorf("a fleet's own database: %v", err)
		}
	})
}
