package schedule

import (
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/agent/agenttest"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine/river"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(dbtest.Main(m)) }

// Fleets are written and read by short names: each test has many of them.
var (
	fleetOf = agenttest.Fleet
	agents  = agenttest.Agents
	sh      = agenttest.Sh
)

func newKeeper(t testing.TB, d *db.DB) *Keeper {
	t.Helper()
	actor, err := river.NewActor(d, "", nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return NewKeeper(d, actor.Client(), "a process", slog.New(slog.DiscardHandler), func() {})
}

// one reads a single value.
func one[T any](t testing.TB, s *Keeper, query string, args ...any) (value T) {
	t.Helper()
	if err := s.db.Read.QueryRowContext(t.Context(), query, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

func exec1(t testing.TB, s *Keeper, query string, args ...any) {
	t.Helper()
	if _, err := s.db.Write.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// nextOf reads when an agent is due by the table; zero when it has no row.
func nextOf(t testing.TB, s *Keeper, name string) time.Time {
	t.Helper()
	ms := one[int64](t, s, `select coalesce(max(next_ms), 0) from schedule where agent = $1`, name)
	if ms == 0 {
		return time.Time{}
	}
	return db.FromMS(ms)
}

// A clock that was set back a little does not repeat what has come by its hour.
func TestSmallSetBackRepeatsNothing(t *testing.T) {
	fleet := fleetOf(t, agents(sh("daily", `true`, `schedule: "TZ=UTC 0 12 * * *"`), sh("hourly", `true`, `schedule: "TZ=UTC @hourly"`)))
	p, err := newPlan(fleet)
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		next   time.Time
		now    time.Time
		tooFar bool
	}{
		{"daily", noon.Add(24 * time.Hour), noon.Add(time.Second), false},
		{"daily", noon.Add(24 * time.Hour), noon.Add(-2 * time.Hour), false},
		{"daily", noon.Add(24 * time.Hour), noon.Add(-4 * time.Hour), true},
		{"hourly", noon.Add(time.Hour), noon.Add(-time.Second), false},
		{"hourly", noon.Add(time.Hour), noon.Add(-30 * time.Minute), true},
	} {
		if got := p.tooFar(c.name, c.next.UnixMilli(), c.now); got != c.tooFar {
			t.Errorf("%s due %v at %v: too far is %v", c.name, c.next, c.now, got)
		}
	}
}

// The steps of "@every" go on from the time before; after one that was missed they begin again.
func TestStepsCountFromTheTimeBefore(t *testing.T) {
	step, err := agent.ParseSchedule("@every 20s")
	if err != nil {
		t.Fatal(err)
	}
	due := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for late, want := range map[time.Duration]time.Duration{
		0: 20 * time.Second, 700 * time.Millisecond: 20 * time.Second, 15 * time.Second: 35 * time.Second, time.Hour: time.Hour + 20*time.Second,
	} {
		if got := following(step, due, due.Add(late)).Sub(due); got != want {
			t.Errorf("%v late: the next one after %v, want %v", late, got, want)
		}
	}
}

func TestClockThatIsSetIsNoticed(t *testing.T) {
	start := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	type reading struct{ clock, asked, answered, want time.Duration }
	for name, readings := range map[string][]reading{
		"steady":            {{0, 0, 0, 0}, {time.Second, time.Second, time.Second, 0}, {time.Hour, time.Hour, time.Hour, 0}},
		"slow answers":      {{0, 0, 0, 0}, {time.Second, time.Second, 9 * time.Second, 0}, {10 * time.Second, 10 * time.Second, 10 * time.Second, 0}, {20 * time.Second, 12 * time.Second, 20 * time.Second, 0}},
		"put forward":       {{0, 0, 0, 0}, {time.Hour + time.Second, time.Second, time.Second, time.Hour}, {time.Hour + 2*time.Second, 2 * time.Second, 2 * time.Second, 0}},
		"set back":          {{0, 0, 0, 0}, {-119 * time.Minute, time.Minute, time.Minute, -2 * time.Hour}},
		"adjusted a little": {{0, 0, 0, 0}, {1500 * time.Millisecond, time.Second, time.Second, 0}},
	} {
		var c clock
		for i, r := range readings {
			if got := c.look(start.Add(r.clock), r.asked, r.answered); (got-r.want).Abs() > time.Minute || (got == 0) != (r.want == 0) {
				t.Errorf("%s, reading %d: a jump of %v, want %v", name, i, got, r.want)
			}
		}
	}
}

// A clock that is put forward does not make the next step of "@every" due, one that is set back does not put it off.
func TestStepsDoNotJumpWithTheClock(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		fleet := fleetOf(t, agents(sh("step", `true`, `schedule: "@every 1h"`), sh("daily", `true`, `schedule: "@daily"`)))
		s := newKeeper(t, database)
		if err := s.Load(t.Context(), fleet); err != nil {
			t.Fatal(err)
		}
		step, daily := nextOf(t, s, "step"), nextOf(t, s, "daily")
		for _, jump := range []time.Duration{40 * time.Minute, -50 * time.Minute, 5 * time.Hour, -5 * time.Hour} {
			// By the clock as it is now, the row and the reading before are off by what it jumped.
			exec1(t, s, `update schedule set next_ms = next_ms - $1 where agent = 'step'`, jump.Milliseconds())
			row := s.rows["step"]
			row.next -= jump.Milliseconds()
			s.rows["step"] = row
			s.clock.low, s.clock.high = s.clock.low-jump, s.clock.high-jump
			if _, err := s.InsertDue(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := nextOf(t, s, "step").Sub(step); got.Abs() > time.Minute {
				t.Errorf("after a jump of %v the step is due %v later", jump, got)
			}
			if !nextOf(t, s, "daily").Equal(daily) {
				t.Error("what goes by the clock moved")
			}
		}
		if n := one[int](t, s, `select count(*) from river_job`); n != 0 {
			t.Errorf("%d jobs", n)
		}
	})
}
