package worker

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/rollup/rolluptest"
)

// exact is a window computed from the runs themselves.
func exact(t testing.TB, s *Service, agent string, from, to int64) (w engine.Window, ran []float64) {
	t.Helper()
	rows, err := s.db.Read.Query(`select outcome, run_ms, wait_ms, input_tokens, cost_usd from run
		where ended_ms >= $1 and ended_ms < $2 and ($3 = '' or agent = $3)`, from*1000, to*1000, agent)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	w = engine.Window{Cancelled: new(int64), Usage: &engine.Usage{}}
	for rows.Next() {
		var outcome string
		var run, wait, tokens int64
		var cost float64
		if err := rows.Scan(&outcome, &run, &wait, &tokens, &cost); err != nil {
			t.Fatal(err)
		}
		w.Runs++
		w.Usage.InputTokens += tokens
		w.Usage.CostUSD += cost
		switch outcome {
		case "ok":
			w.OK++
		case "cancelled":
			*w.Cancelled++
		default:
			w.Failed++
		}
		if outcome != "lost" && outcome != "cancelled" {
			ran = append(ran, float64(run))
		}
	}
	slices.Sort(ran)
	return w, ran
}

func checkWindow(t testing.TB, what string, got, want engine.Window, ran []float64) {
	t.Helper()
	if got.Runs != want.Runs || got.OK != want.OK || got.Failed != want.Failed || *got.Cancelled != *want.Cancelled || *got.Usage != *want.Usage {
		t.Errorf("%s: %+v, want %+v", what, got, want)
	}
	if len(ran) == 0 {
		return
	}
	for _, q := range []struct {
		q   float64
		got *float64
	}{{0.5, got.Run.P50MS}, {0.95, got.Run.P95MS}, {0.99, got.Run.P99MS}} {
		exactly := ran[int(q.q*float64(len(ran)-1))]
		if q.got == nil || math.Abs(*q.got-exactly) > 0.011*exactly+0.1 {
			t.Errorf("%s: quantile %v is %v, want %v", what, q.q, q.got, exactly)
		}
	}
	if *got.Run.MaxMS != ran[len(ran)-1] {
		t.Errorf("%s: max %v, want %v", what, *got.Run.MaxMS, ran[len(ran)-1])
	}
}

func TestSumsAreThoseOfTheRuns(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		fleet := fleetOf(t, agents(sh("agent0", "true"), sh("agent1", "true"), sh("agent2", "true")))
		one, two := newService(t, database, "", fleet), newService(t, database, "", fleet)
		random := rand.New(rand.NewPCG(1, 2))
		for range 4 { // two processes, and runs that end in between
			rolluptest.InsertRuns(t, database, random, 600)
			var wait sync.WaitGroup
			for _, s := range []*Service{one, two} {
				wait.Go(func() {
					if _, err := s.AddEnded(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			wait.Wait()
			if _, err := described(t.Context(), two); err != nil { // keeps what it reads
				t.Fatal(err)
			}
		}
		var now time.Time
		var hour, day engine.Window
		var stats map[string]*engine.AgentStats
		var series engine.Series
		var today engine.Today
		until(t, "all is read within one minute", func() bool {
			now = time.Now()
			var errs [4]error
			hour, day, errs[0] = one.Windows(t.Context())
			stats, errs[1] = described(t.Context(), two)
			series, errs[2] = one.Throughput(t.Context(), 15*time.Minute, 96)
			today, errs[3] = one.Today(t.Context())
			if err := errors.Join(errs[:]...); err != nil {
				t.Fatal(err)
			}
			return now.Truncate(time.Minute).Equal(time.Now().Truncate(time.Minute))
		})
		to := now.Unix()/60*60 + 60 // the present minute is the last
		from := to - 3600
		want, ran := exact(t, one, "", from, to)
		checkWindow(t, "hour", hour, want, ran)
		for name, a := range stats {
			want, ran := exact(t, one, name, from, to)
			checkWindow(t, name+"'s hour", a.LastHour, want, ran)
			for i := range a.SparkOK {
				start := a.SparkStart.Unix() + int64(i)*engine.SparkStep
				want, _ := exact(t, one, name, start, start+engine.SparkStep)
				if a.SparkOK[i] != want.OK || a.SparkFailed[i] != want.Failed {
					t.Errorf("%s's spark line, %d: %d and %d, want %+v", name, i, a.SparkOK[i], a.SparkFailed[i], want)
				}
			}
		}
		from = to - 24*3600
		want, ran = exact(t, one, "", from, to)
		checkWindow(t, "day", day, want, ran)
		for name, a := range stats {
			want, ran := exact(t, one, name, from, to)
			checkWindow(t, name, a.LastDay, want, ran)
		}
		for i := range series.OK {
			start := series.Start.Unix() + int64(i)*900
			want, _ := exact(t, one, "", start, start+900)
			if got := []int64{series.OK[i], series.Failed[i], series.Cancelled[i]}; !slices.Equal(got, []int64{want.OK, want.Failed, *want.Cancelled}) {
				t.Errorf("bucket %d: %v, want %+v", i, got, want)
			}
		}
		want, _ = exact(t, one, "", today.DayStart.Unix(), to)
		if *today.Completed != want.OK || *today.Failed != want.Failed {
			t.Errorf("today %+v, want %+v", today, want)
		}
	})
}

func TestAFreshRunIsInTheSumsSoon(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, agents(sh("quick", "true")))
		before := time.Now()
		untilState(t, s, enqueue(t, s, "quick").ID, "completed")
		ended := time.Now()
		until(t, "it is in the sums", func() bool {
			hour, _, err := s.Windows(t.Context())
			return err == nil && hour.Runs == 1 && *hour.SuccessRate == 100
		})
		if took := time.Since(ended); took > 3*time.Second {
			t.Errorf("it took %v", took)
		}
		until(t, "the rollups are complete to then", func() bool {
			to, err := s.RollupsCompleteTo(t.Context())
			return err == nil && to.After(before)
		})
	})
}

func TestSweepKeepsWhatIsYoung(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newService(t, database, "", fleetOf(t, agents(sh("agent0", "true"))))
		random := rand.New(rand.NewPCG(5, 6))
		rolluptest.InsertRuns(t, s.db, random, 300)
		exec1(t, s, `update run set ended_ms = ended_ms - $1 where id <= 200`, (14*24*time.Hour).Milliseconds()+(48*time.Hour).Milliseconds())
		exec1(t, s, `insert into run_log (run_id, job_id, agent, at_ms, level, msg) select id, 1, agent, ended_ms, 'info', 'x' from run`)
		if err := s.sweeper.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := one[int](t, s, `select count(*) from run`); n != 300 {
			t.Errorf("%d runs are left: some were not summed up yet", n)
		}
		if _, err := s.AddEnded(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.sweeper.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if runs, lines := one[int](t, s, `select count(*) from run`), one[int](t, s, `select count(*) from run_log`); runs != 100 || lines != 100 {
			t.Errorf("%d runs and %d lines are left, want 100", runs, lines)
		}
		if old := one[int](t, s, `select count(*) from rollup where step_s = 60 and start_s < $1`, time.Now().Add(-(48 * time.Hour)).Unix()); old != 0 {
			t.Errorf("%d old sums by minute", old)
		}
		if hours := one[int](t, s, `select sum(ok + failed + timeout + lost + cancelled) from rollup where step_s = 3600 and agent = ''`); hours != 300 {
			t.Errorf("%d runs in the sums by hour", hours)
		}
	})
}
