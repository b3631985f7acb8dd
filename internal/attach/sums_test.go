package attach

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river/ends"
)

// scatter inserts jobs that ended at random times of the last days; the same seed makes the same jobs at the same distance from now.
func scatter(t testing.TB, s *site, seed uint64, n int, over time.Duration, now time.Time) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 0))
	for range n {
		at := now.Add(-time.Duration(random.Int64N(int64(over)))).Truncate(time.Millisecond)
		kind := fmt.Sprintf("kind_%d", random.IntN(3))
		switch random.IntN(10) {
		case 0:
			s.insert(t, done(kind, "discarded", at, "no 1", "no 2", fmt.Sprintf("cannot reach host %d", random.IntN(3))))
		case 1:
			s.insert(t, done(kind, "cancelled", at, ends.CancelledText+"enough"))
		case 2:
			s.insert(t, done(kind, "completed", at, "at first it failed"))
		default:
			s.insert(t, done(kind, "completed", at))
		}
	}
}

// stored is all sums of our own database as lines, in order. Sums by minute older than they are kept are left out.
func stored(t testing.TB, own *db.DB) []string {
	t.Helper()
	rows, err := own.Read.QueryContext(t.Context(), `select step_s, start_s, agent, queue, ok, failed, lost, cancelled, run_max_ms, wait_max_ms from rollup
		order by step_s, start_s, agent, queue`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		var n [8]int64
		var agent, queue string
		if err := rows.Scan(&n[0], &n[1], &agent, &queue, &n[2], &n[3], &n[4], &n[5], &n[6], &n[7]); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprint(n, agent, queue))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestSumsHoldEveryEndedJob(t *testing.T) {
	eachSite(t, func(t *testing.T, site *site) {
		now := time.Now()
		scatter(t, site, 1, 400, 20*time.Hour, now.Add(-time.Second))
		s := site.begun(t, nil)
		filled(t, s)
		_, day, err := s.Windows(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var ok, discarded, cancelled, retried int64
		err = site.pool.QueryRowContext(t.Context(), fmt.Sprintf(`select sum(case when state = 'completed' then 1 else 0 end), sum(case when state = 'discarded' then 1 else 0 end),
			sum(case when state = 'cancelled' then 1 else 0 end), sum(case when state = 'completed' and errors is not null then 1 else 0 end) from %s`, site.table())).Scan(&ok, &discarded, &cancelled, &retried)
		if err != nil {
			t.Fatal(err)
		}
		if want := (engine.Window{OK: ok, Failed: 3*discarded + retried, Cancelled: &cancelled}); day.OK != want.OK || day.Failed != want.Failed || *day.Cancelled != cancelled {
			t.Errorf("the day has %d ok, %d failed, %d cancelled, want %d, %d, %d", day.OK, day.Failed, *day.Cancelled, want.OK, want.Failed, cancelled)
		}
		if p := s.Progress(); !p.Done || p.Jobs == 0 {
			t.Errorf("progress is %+v", p)
		}
		if day.Run.P50MS == nil || *day.Run.P50MS < 1900 || *day.Run.P50MS > 2100 {
			t.Errorf("the median run took %v, want 2 s", day.Run.P50MS)
		}
	})
}

func (s *site) table() string {
	if s.schema != "" {
		return s.schema + ".river_job"
	}
	return "river_job"
}

// TestKilledAnywhere interrupts the reading at many points: what is stored in the end must be the same as without.
func TestKilledAnywhere(t *testing.T) {
	eachSite(t, func(t *testing.T, site *site) {
		now := time.Now()
		scatter(t, site, 2, 300, 70*time.Hour, now.Add(-2*time.Minute))
		scatter(t, site, 3, 60, 3*time.Minute, now.Add(-time.Second))

		calm := dbtest.New(t)
		s := site.begun(t, calm)
		s.now = func() time.Time { return now }
		filled(t, s)
		want := stored(t, calm)

		killed := dbtest.New(t)
		random := rand.New(rand.NewPCG(4, 0))
		interruptions := 0
		for range 500 {
			s := site.service(t, killed)
			s.now = func() time.Time { return now }
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.Int64N(int64(40*time.Millisecond))))
			finished := func() bool {
				if s.begin(ctx) != nil || s.step(ctx) != nil {
					return false
				}
				for {
					more, err := s.fillStep(ctx, &filler{width: minute})
					if err != nil || !more {
						return err == nil
					}
				}
			}()
			cancel()
			_ = s.foreign.Close()
			if finished {
				break
			}
			interruptions++
		}
		last := site.begun(t, killed)
		last.now = func() time.Time { return now }
		filled(t, last)
		if got := stored(t, killed); !slices.Equal(got, want) {
			t.Errorf("after %d interruptions %d rows are stored, want %d as without: %v", interruptions, len(got), len(want), differing(got, want))
		}
		if interruptions < 3 {
			t.Errorf("it was interrupted only %d times", interruptions)
		}
	})
}

func differing(got, want []string) (lines []string) {
	for _, line := range got {
		if !slices.Contains(want, line) {
			lines = append(lines, "+ "+line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			lines = append(lines, "- "+line)
		}
	}
	return lines[:min(len(lines), 12)]
}

// TestMinutesClose lets time pass: what was shown while a minute was open is what is stored of it, and what comes to light
// late is added when the minute is counted again.
func TestMinutesClose(t *testing.T) {
	eachSite(t, func(t *testing.T, site *site) {
		own := dbtest.New(t)
		s := site.begun(t, own)
		clock := time.Now().Truncate(minute)
		s.now = func() time.Time { return clock }
		step := func(pass time.Duration) {
			t.Helper()
			clock = clock.Add(pass)
			if err := s.step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		first := clock
		step(5 * time.Second)
		s.live.overlap = ends.Overlap // as after some quiet minutes
		for i := range 10 {
			site.insert(t, done("mail", "completed", first.Add(time.Duration(i)*time.Second)))
		}
		step(5 * time.Second)
		step(5 * time.Second) // the overlap shows them again
		wantOK(t, own, minuteRow, first, 10)
		site.insert(t, done("mail", "completed", first.Add(time.Second))) // committed late, behind the overlap
		step(70 * time.Second)
		wantOK(t, own, minuteRow, first, 11)
		wantOK(t, own, hourRow, first, 11)
		site.insert(t, done("mail", "completed", first.Add(2*time.Second))) // later still
		step(10 * time.Second)
		wantOK(t, own, hourRow, first, 11)
		for range 8 {
			step(time.Minute)
		}
		wantOK(t, own, minuteRow, first, 12)
		if first.Add(10 * time.Minute).Truncate(time.Hour).Equal(first.Truncate(time.Hour)) {
			wantOK(t, own, hourRow, first, 12)
		}
		site.exec(t, `delete from river_job`) // as River's cleaner does
		for range 70 {
			step(time.Minute)
		}
		wantOK(t, own, minuteRow, first, 12)
		wantOK(t, own, hourRow, first, 12)
	})
}

const (
	minuteRow = 60
	hourRow   = 3600
)

func wantOK(t *testing.T, own *db.DB, step int64, at time.Time, want int64) {
	t.Helper()
	var got int64
	err := own.Read.QueryRowContext(t.Context(), `select coalesce(sum(ok), 0) from rollup where step_s = $1 and start_s = $2 and agent = 'mail'`, step, at.Unix()-at.Unix()%step).Scan(&got)
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("the row of %d s holds %d jobs, want %d", step, got, want)
	}
}

func TestGaps(t *testing.T) {
	at := func(n int64) time.Time { return time.Unix(n, 0) }
	for _, c := range []struct {
		covered [][2]int64
		want    string
	}{
		{nil, "[0-100]"},
		{[][2]int64{{0, 100}}, "[]"},
		{[][2]int64{{40, 60}}, "[60-100 0-40]"},
		{[][2]int64{{-50, 20}, {40, 60}, {90, 200}}, "[60-90 20-40]"},
		{[][2]int64{{-50, -20}}, "[0-100]"},
		{[][2]int64{{100, 120}}, "[0-100]"},
		{[][2]int64{{-10, 0}, {100, 101}}, "[0-100]"},
	} {
		var covered []span
		for _, c := range c.covered {
			covered = append(covered, span{at(c[0]), at(c[1])})
		}
		texts := []string{}
		for _, g := range gaps(span{at(0), at(100)}, covered) {
			texts = append(texts, fmt.Sprintf("%d-%d", g.from.Unix(), g.to.Unix()))
		}
		if got := fmt.Sprint(texts); got != c.want {
			t.Errorf("gaps of %v are %s, want %s", c.covered, got, c.want)
		}
	}
}
