package worker

import (
	"testing"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
)

// nextOf reads when an agent is due by the table; zero when it has no row.
func nextOf(t testing.TB, s *Service, name string) time.Time {
	t.Helper()
	ms := one[int64](t, s, `select coalesce(max(next_ms), 0) from schedule where agent = $1`, name)
	if ms == 0 {
		return time.Time{}
	}
	return db.FromMS(ms)
}

func within(at time.Time, reach time.Duration) bool {
	return time.Until(at) > 0 && time.Until(at) <= reach
}

// A time that was set while the clock was wrong is mended, whether the process began with it or runs.
func TestTimeOfAWrongClockDoesNotLast(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		yaml := agents(sh("daily", `true`, `schedule: "@daily"`), sh("hourly", `true`, `schedule: "@hourly"`), sh("step", `true`, `schedule: "@every 1h"`))
		dir := t.TempDir()
		s := startOn(t, database, dir, fleetOf(t, yaml))
		mended := func() bool {
			return within(nextOf(t, s, "daily"), 25*time.Hour) && within(nextOf(t, s, "hourly"), time.Hour) && within(nextOf(t, s, "step"), time.Hour)
		}
		if !mended() {
			t.Fatalf("at first %v, %v, %v", nextOf(t, s, "daily"), nextOf(t, s, "hourly"), nextOf(t, s, "step"))
		}
		wrong := time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
		exec1(t, s, `update schedule set next_ms = $1`, wrong)
		until(t, "the running process mends it", mended)
		if next := s.NextRun("daily"); next == nil || !within(*next, 25*time.Hour) {
			until(t, "it is shown", func() bool { return within(*s.NextRun("daily"), 25*time.Hour) })
		}
		stop(t, s)
		exec1(t, s, `update schedule set next_ms = $1`, wrong)
		startOn(t, database, dir, fleetOf(t, yaml))
		if !mended() {
			t.Error("the start does not mend it")
		}
		if n := one[int](t, s, `select count(*) from river_job`); n != 0 {
			t.Errorf("%d jobs were made", n)
		}
	})
}

func TestVanishedRowOfAScheduleIsMadeAgain(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, agents(sh("daily", `true`, `schedule: "@daily"`)))
		exec1(t, s, `delete from schedule`)
		until(t, "it is there again", func() bool { return within(nextOf(t, s, "daily"), 25*time.Hour) })
	})
}

// The jobs that wait follow an agent to its new queue: those that are due, later, to be tried again, and the tick of its
// schedule, which would hold back every further one.
func TestWaitingJobsFollowTheirAgent(t *testing.T) {
	yaml := func(queue string) string {
		return agents(sh("mover", `true`, `schedule: "@every 1s"`, "queue: "+queue), sh("stays", "true", "queue: left")) +
			"queues:\n  left: {concurrency: 1}\n  right: {concurrency: 1}\n"
	}
	for _, restart := range []bool{false, true} {
		name := "reload"
		if restart {
			name = "restart"
		}
		t.Run(name, func(t *testing.T) {
			dbtest.Together(t, func(t *testing.T, database *db.DB) {
				dir := t.TempDir()
				s := startOn(t, database, dir, fleetOf(t, yaml("left")))
				if err := s.PauseQueue(t.Context(), "left"); err != nil {
					t.Fatal(err)
				}
				until(t, "a tick waits", func() bool {
					return one[int](t, s, `select count(*) from river_job where kind = 'mover' and state = 'available'`) > 0
				})
				tick := one[int64](t, s, `select max(job_id) from schedule`)
				later := time.Now().Add(time.Hour)
				delayed := enqueueWith(t, s, engine.EnqueueParams{Agent: "mover", ScheduledAt: &later})
				failed := enqueueWith(t, s, engine.EnqueueParams{Agent: "mover", ScheduledAt: &later})
				exec1(t, s, `update river_job set state = 'retryable' where id = $1`, failed.ID)
				other := enqueue(t, s, "stays")
				if restart {
					stop(t, s)
					s = startOn(t, database, dir, fleetOf(t, yaml("right")))
				} else if err := s.Reload(t.Context(), fleetOf(t, yaml("right"))); err != nil {
					t.Fatal(err)
				}
				untilState(t, s, engine.NumberID(tick), "completed")
				until(t, "the schedule goes on", func() bool { return one[int64](t, s, `select max(job_id) from schedule`) > tick })
				for _, id := range []engine.ID{delayed.ID, failed.ID} {
					if d := get(t, s, id); d.Queue != "right" {
						t.Errorf("job %s waits in %s", id, d.Queue)
					}
				}
				if d := get(t, s, other.ID); d.Queue != "left" {
					t.Errorf("another agent's job is in %s", d.Queue)
				}
			})
		})
	}
}

// An attempt that began in the queue its agent left, and is tried again, follows too.
func TestJobTriedAgainFollowsItsAgent(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		dir := t.TempDir()
		s := start(t, database, agents(sh("mover", gated(dir)+`; exit $((2 - AGENTOS_ATTEMPT))`, "backoff: {initial: 1ms}")))
		job := enqueue(t, s, "mover")
		until(t, "it runs", func() bool { return exists(dir + "/began") })
		yaml := agents(sh("mover", `true`, "queue: other")) + "queues:\n  other: {concurrency: 1}\n"
		if err := s.Reload(t.Context(), fleetOf(t, yaml)); err != nil {
			t.Fatal(err)
		}
		touch(t, dir+"/gate")
		until(t, "it failed", func() bool { return get(t, s, job.ID).State != "running" })
		s.schedule.LookAgain()
		if d := untilState(t, s, job.ID, "completed"); d.Queue != "other" || len(d.Runs) != 2 {
			t.Errorf("%+v", d)
		}
	})
}

// A process that comes late with the file of before neither takes the schedule away nor sets it by its old rule; one that has
// other agents decides on those. When the last process with the newer file ends, the older one is in force again.
func TestNewestFileDecides(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		before := agents(sh("tick", `true`, `schedule: "@every 1h"`), sh("fresh", "true"), sh("gone", `true`, `schedule: "@every 3h"`), sh("moved", "true"))
		after := agents(sh("tick", `true`, `schedule: "@every 2h"`), sh("fresh", "true", `schedule: "@every 5h"`), sh("gone", `true`),
			sh("moved", "true", "queue: other")) + "queues:\n  other: {concurrency: 1}\n"
		none := []string{}
		server := startWith(t, Options{DB: database, Fleet: fleetOf(t, before), Agents: none})
		if err := server.Reload(t.Context(), fleetOf(t, after)); err != nil {
			t.Fatal(err)
		}
		check := func(who string, s *Service, tick, fresh, gone time.Duration) {
			t.Helper()
			for name, want := range map[string]time.Duration{"tick": tick, "fresh": fresh, "gone": gone} {
				next := nextOf(t, server, name)
				if want == 0 && !next.IsZero() || want > 0 && (next.IsZero() || !within(next, want) || within(next, want-50*time.Minute)) {
					t.Errorf("%s: %s is due %v, want within %v", who, name, next, want)
				}
			}
		}
		check("the server", server, 2*time.Hour, 5*time.Hour, 0)
		moved := enqueue(t, server, "moved")

		late := startWith(t, Options{DB: database, Fleet: fleetOf(t, before), Agents: none})
		if _, err := late.schedule.InsertDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		check("a late worker", late, 2*time.Hour, 5*time.Hour, 0)
		if d := get(t, server, moved.ID); d.Queue != "other" {
			t.Errorf("the job was moved back to %s", d.Queue)
		}
		other := startWith(t, Options{DB: database, Fleet: fleetOf(t, agents(sh("elsewhere", `true`, `schedule: "@every 7h"`))), Agents: none})
		if next := nextOf(t, other, "elsewhere"); !within(next, 7*time.Hour) {
			t.Errorf("an agent of another file is due %v", next)
		}
		check("a file of other agents", other, 2*time.Hour, 5*time.Hour, 0)

		exec1(t, server, `update schedule set next_ms = $1 where agent = 'tick'`, time.Now().Add(-time.Second).UnixMilli())
		if _, err := late.schedule.InsertDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		until(t, "the server inserts what is due", func() bool {
			return one[int](t, server, `select count(*) from river_job where kind = 'tick'`) == 1
		})
		check("the next time", server, 2*time.Hour, 5*time.Hour, 0)

		stop(t, server)
		late.schedule.LookAgain()
		until(t, "the older file is in force again", func() bool {
			return within(nextOf(t, server, "tick"), time.Hour) && within(nextOf(t, server, "gone"), 3*time.Hour) && nextOf(t, server, "fresh").IsZero()
		})
		until(t, "its queues too", func() bool { return get(t, server, moved.ID).Queue == "moved" })
	})
}

// A file that nobody had yet is newer, unless it was written before the one in force; the first file of all is in force whatever its age.
func TestFileThatWasWrittenEarlierIsOlder(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		file := func(every string, written time.Time) *agent.Fleet {
			fleet := fleetOf(t, agents(sh("tick", `true`, `schedule: "@every `+every+`"`)))
			fleet.ModTime = written
			return fleet
		}
		now := time.Now()
		none := []string{}
		s := startWith(t, Options{DB: database, Fleet: file("2h", now.Add(-time.Hour)), Agents: none})
		startWith(t, Options{DB: database, Fleet: file("9h", now.Add(-24*time.Hour)), Agents: none})
		if next := nextOf(t, s, "tick"); !within(next, 2*time.Hour) {
			t.Errorf("an older file that comes late: due %v", next)
		}
		startWith(t, Options{DB: database, Fleet: file("5h", now), Agents: none})
		if next := nextOf(t, s, "tick"); within(next, 4*time.Hour) || !within(next, 5*time.Hour) {
			t.Errorf("a newer file: due %v", next)
		}
	})
}

func TestMissedTimeIsMadeUpForAsTheAgentSays(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		yaml := agents(sh("always", `true`, `schedule: "@daily"`), sh("never", `true`, `schedule: "@daily"`, "catch_up: never"),
			sh("soon", `true`, `schedule: "@every 24h"`, "catch_up: 1h"), sh("late", `true`, `schedule: "@daily"`, "catch_up: 1h"),
			sh("ontime", `true`, `schedule: "@daily"`, "catch_up: false"))
		fleet := fleetOf(t, yaml)
		s := newService(t, database, "", fleet)
		if err := s.schedule.Load(t.Context(), fleet); err != nil {
			t.Fatal(err)
		}
		for name, ago := range map[string]time.Duration{"always": 90 * time.Hour, "never": 2 * time.Minute, "soon": 50 * time.Minute, "late": 70 * time.Minute, "ontime": 20 * time.Second} {
			exec1(t, s, `update schedule set next_ms = $2 where agent = $1`, name, time.Now().Add(-ago).UnixMilli())
		}
		if _, err := s.schedule.InsertDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]int{"always": 1, "never": 0, "soon": 1, "late": 0, "ontime": 1} {
			if n := one[int](t, s, `select count(*) from river_job where kind = $1`, name); n != want {
				t.Errorf("%s: %d jobs, want %d", name, n, want)
			}
			if next := nextOf(t, s, name); !within(next, 25*time.Hour) {
				t.Errorf("%s: next %v", name, next)
			}
		}
	})
}
