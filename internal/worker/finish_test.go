package worker

import (
	"context"
	"database/sql"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
	engineriver "github.com/agentos/agentos/internal/engine/river"
	"github.com/agentos/agentos/internal/runner"
)

const manySlots = "concurrency: 50"

// startQuick runs a service on Postgres whose attempts are made by run instead of a program.
func startQuick(t *testing.T, url string, run func(context.Context, runner.Attempt) (runner.Result, error)) *Service {
	t.Helper()
	return startWith(t, Options{DB: dbtest.OpenURL(t, url), Fleet: fleetOf(t, agents(sh("quick", "true", manySlots, "max_attempts: 1"))), Run: run})
}

// insertQuick inserts n jobs at once.
func insertQuick(t *testing.T, s *Service, n int) {
	t.Helper()
	exec1(t, s, `insert into river_job (kind, queue, args, max_attempts) select 'quick', 'quick', jsonb_build_object('n', n), 1 from generate_series(1, $1::int) n`, n)
}

func completed(t *testing.T, s *Service) int {
	t.Helper()
	return one[int](t, s, `select count(*) from river_job where state = 'completed'`)
}

// checkRuns checks that each completed job has one run that ended well, which the sums hold once.
func checkRuns(t *testing.T, s *Service, n int) {
	t.Helper()
	if runs := one[int](t, s, `select count(*) from river_job j join run r on r.job_id = j.id where j.state = 'completed' and r.outcome = 'ok' and r.ended_ms is not null`); runs != n {
		t.Errorf("%d runs of %d jobs", runs, n)
	}
	until(t, "all is summed up", func() bool {
		return one[int](t, s, `select (select count(*) from run where rolled = 0) + (select count(*) from rollup_fresh)`) == 0
	})
	if sum := one[int](t, s, `select coalesce(sum(ok), 0) from rollup where step_s = 60 and agent = ''`); sum != n {
		t.Errorf("%d runs in the sums, want %d", sum, n)
	}
}

func TestEndsAtTheSameTimeAreEachItsOwn(t *testing.T) {
	s := startQuick(t, dbtest.PostgresURL(t), func(_ context.Context, a runner.Attempt) (runner.Result, error) {
		if a.JobID%10 == 0 { // some have something to say
			a.OnLine(runner.Line{At: time.Now(), Level: "info", Msg: "hello", HasMsg: true, Usage: &runner.Usage{InputTokens: 2}})
		}
		now := time.Now()
		return runner.Result{Started: now, Ended: now, Stdout: []byte("result of " + strconv.FormatInt(a.JobID, 10) + "\x00\xff")}, nil
	})
	const n = 500
	insertQuick(t, s, n)
	until(t, "all are done", func() bool { return completed(t, s) == n })
	checkRuns(t, s, n)
	for _, id := range []int64{1, 10, n} {
		d := get(t, s, engine.NumberID(id))
		if len(d.Runs) != 1 || *d.Result != "result of "+strconv.FormatInt(id, 10)+"\uFFFD\uFFFD" || *d.Runs[0].ExitCode != 0 || d.Runs[0].Worker != s.Worker() {
			t.Errorf("run %+v", d.Runs)
		}
	}
	if lines, tokens := one[int](t, s, `select count(*) from run_log`), one[int](t, s, `select sum(input_tokens) from rollup where step_s = 3600 and agent = 'quick'`); lines != n/10 || tokens != 2*n/10 {
		t.Errorf("%d lines, %d tokens", lines, tokens)
	}
}

// One that Postgres refuses must not hold up the others.
func TestAnEndThatCannotBeWrittenFailsAlone(t *testing.T) {
	s := startQuick(t, dbtest.PostgresURL(t), func(_ context.Context, a runner.Attempt) (runner.Result, error) {
		text := "fine"
		if strings.Contains(string(a.Args), `"n": 7}`) {
			text = "poison"
		}
		return runner.Result{Stdout: []byte(text)}, nil
	})
	exec1(t, s, `alter table run add constraint no_poison check (result <> 'poison')`)
	const n = 40
	insertQuick(t, s, n)
	until(t, "all but one are done", func() bool { return completed(t, s) == n-1 })
	d := untilState(t, s, "7", "discarded")
	if len(d.Runs) != 1 || d.Runs[0].Outcome != "failed" || !strings.Contains(*d.Runs[0].Error, "its end could not be written") {
		t.Errorf("runs %+v", d.Runs)
	}
	until(t, "none is held", func() bool { return len(s.active.held()) == 0 })
	well := one[int](t, s, `select count(*) from run where outcome = 'ok'`)
	if well != n-1 {
		t.Errorf("%d runs ended well", well)
	}
}

func TestEndsWaitForTheDatabase(t *testing.T) {
	url, proxy := proxied(t, dbtest.PostgresURL(t))
	gate := make(chan struct{})
	var begun atomic.Int64
	s := startQuick(t, url, func(context.Context, runner.Attempt) (runner.Result, error) {
		begun.Add(1)
		<-gate
		return runner.Result{}, nil
	})
	insertQuick(t, s, 30)
	until(t, "they run", func() bool { return begun.Load() == 30 })
	proxy.Cut()
	close(gate)
	until(t, "the ends are waiting", func() bool { return s.done.Load() == 30 })
	mend(t, proxy)
	until(t, "all are done", func() bool { return s.db.Ping(t.Context()) == nil && completed(t, s) == 30 })
	checkRuns(t, s, 30)
	if again := begun.Load(); again != 30 {
		t.Errorf("%d attempts", again)
	}
}

func TestStopWritesTheEndsOfWhatRan(t *testing.T) {
	url := dbtest.PostgresURL(t)
	s := startQuick(t, url, func(context.Context, runner.Attempt) (runner.Result, error) { return runner.Result{}, nil })
	insertQuick(t, s, 3000)
	until(t, "some are done", func() bool { return completed(t, s) > 200 })
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if n := one[int](t, s, `select count(*) from river_job where state not in ('available', 'completed') or state = 'available' and attempt > 0`); n != 0 {
		t.Errorf("%d jobs are neither done nor waiting", n)
	}
	if done := int(s.done.Load()); completed(t, s) != done {
		t.Errorf("%d jobs are completed after %d attempts", completed(t, s), done)
	}
	checkRuns(t, s, completed(t, s))
}

// An attempt whose job was given to another before its end was written changes nothing.
func TestTheEndOfALostJobDoesNotCount(t *testing.T) {
	var s *Service
	took := make(chan struct{})
	s = startQuick(t, dbtest.PostgresURL(t), func(ctx context.Context, a runner.Attempt) (runner.Result, error) {
		<-took
		return runner.Result{Stdout: []byte("late")}, nil
	})
	insertQuick(t, s, 1)
	until(t, "it runs", func() bool { return one[int](t, s, `select count(*) from run where outcome = 'running'`) == 1 })
	insertWorker(t, s, engineriver.WorkerPrefix+"other-1-aa", time.Now().Add(time.Hour))
	exec1(t, s, `update river_job set attempted_by = array[$1]`, engineriver.ClientID(engineriver.WorkerPrefix+"other-1-aa", 1))
	close(took)
	until(t, "the attempt let go", func() bool { return s.done.Load() == 1 && len(s.active.held()) == 0 })
	d := get(t, s, "1")
	if d.State != "running" || len(d.Runs) != 1 || d.Runs[0].Outcome != "lost" || d.Runs[0].Result != nil {
		t.Errorf("job %+v, runs %+v", d.Job, d.Runs)
	}
}

func TestRunsAreNumberedWithoutWaste(t *testing.T) {
	s := startQuick(t, dbtest.PostgresURL(t), func(context.Context, runner.Attempt) (runner.Result, error) { return runner.Result{}, nil })
	const n = 400
	insertQuick(t, s, n)
	until(t, "all are done", func() bool { return completed(t, s) == n })
	if most := one[int](t, s, `select last_value from run_id_seq`); most > 3*n {
		t.Errorf("%d ids for %d runs", most, n)
	}
	if twice := one[int](t, s, `select count(*) - count(distinct id) from run`); twice != 0 {
		t.Errorf("%d ids came twice", twice)
	}
}

// A reader who sees that a run has ended must have all its lines before.
func TestAllLinesAreThereWhenARunHasEnded(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := startWith(t, Options{DB: database, Fleet: fleetOf(t, agents(sh("loud", "true", "concurrency: 8"))), Run: func(_ context.Context, a runner.Attempt) (runner.Result, error) {
			for i := range 1000 {
				a.OnLine(runner.Line{At: time.Now(), Level: "info", Msg: strconv.Itoa(i), HasMsg: true})
				if i == 500 { // time for a part to be on its way
					<-time.After(100*time.Millisecond + time.Duration(a.JobID%7)*time.Millisecond)
				}
			}
			return runner.Result{}, nil
		}})
		for range 40 {
			enqueue(t, s, "loud")
		}
		until(t, "all are done", func() bool {
			rows, err := database.Read.QueryContext(t.Context(), `select r.id, (select count(*) from run_log l where l.run_id = r.id) from run r where r.ended_ms is not null`)
			short, err := db.Collect(rows, err, func(rows *sql.Rows) (short bool, err error) {
				var id, n int64
				err = rows.Scan(&id, &n)
				return n != 1000, err
			})
			if err != nil || slices.Contains(short, true) {
				t.Fatalf("a run has ended without all its lines, %v", err)
			}
			return len(short) == 40
		})
	})
}

// An attempt whose start, lines, usage, children and end are all committed without an answer is there once.
func TestAttemptsAreWrittenOnceThoughAnswersAreLost(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		const n = 5
		d.LoseCommits("run", 0, 0)
		s := startWith(t, Options{
			DB: d.DB, Fleet: fleetOf(t, agents(sh("parent", "true", "concurrency: 5", "max_attempts: 1"), sh("child", "true"))),
			Run: func(_ context.Context, a runner.Attempt) (runner.Result, error) {
				now := time.Now()
				result := runner.Result{Started: now, Ended: now}
				if a.Spec.Name == "parent" {
					for i := range 3 {
						a.OnLine(runner.Line{At: now, Level: "info", Msg: strconv.Itoa(i), HasMsg: true, Usage: &runner.Usage{InputTokens: 1, CostUSD: 0.5}})
					}
					result.Enqueue = []runner.EnqueueRequest{{Agent: "child"}, {Agent: "child"}}
				}
				return result, nil
			},
		})
		d.LoseCommits("run", 4, 50*time.Millisecond)
		for range n {
			enqueue(t, s, "parent")
		}
		until(t, "all are done", func() bool { return d.ToLose() == 0 && completed(t, s) == 3*n })
		d.LoseCommits("run", 0, 0)
		if got := one[string](t, s, `select (select count(*) from river_job) || ' jobs ' || (select count(*) from run) || ' runs ' ||
					(select count(*) from run where outcome = 'ok') || ' ok ' || (select count(*) from run_log) || ' lines ' ||
					(select sum(input_tokens) from run) || ' tokens'`); got != "15 jobs 15 runs 15 ok 15 lines 15 tokens" {
			t.Error(got)
		}
		until(t, "all is summed up", func() bool {
			return one[int](t, s, `select coalesce(sum(ok), 0) from rollup where step_s = 60 and agent = ''`) == 3*n
		})
		if tokens := one[int](t, s, `select sum(input_tokens) from rollup where step_s = 60 and agent = ''`); tokens != 3*n {
			t.Errorf("%d tokens in the sums", tokens)
		}
	})
}

// The start of a run whose commit is not answered, and the end of one that is still being committed when it is tried again.
func TestAnAttemptFindsItselfWritten(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		s := startWith(t, Options{DB: d.DB, Fleet: fleetOf(t, agents(sh("agent0", "true")))})
		client := engineriver.ClientID(s.Worker(), 9)
		job, _ := insertRunning(t, s, client).Number()
		a := &attempt{
			worker: &worker{service: s, spec: s.Fleet().Agent("agent0"), client: client},
			job:    &river.Job[engineriver.Args]{JobRow: &rivertype.JobRow{ID: job, Attempt: 2, MaxAttempts: 3, Queue: "gone", ScheduledAt: time.Now()}},
		}
		d.LoseCommits("run", 1, 100*time.Millisecond)
		if err := a.record(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := one[int](t, s, `select count(*) from run where job_id = $1`, job); n != 1 || d.ToLose() != 0 {
			t.Errorf("%d runs of one attempt", n)
		}
		d.LoseCommits("run", 1, 300*time.Millisecond)
		if err := a.conclude(&ending{outcome: "ok", ended: time.Now()}, nil, nil); err != nil || d.ToLose() != 0 {
			t.Errorf("the end of an attempt: %v", err)
		}
	})
}
