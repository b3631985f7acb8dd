package worker

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/riverqueue/river"

	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/rollup/rolluptest"
)

// cluster starts n services on one database, each with connections and a folder of its own, as on as many hosts.
func cluster(t *testing.T, url string, n int, o Options) []*Service {
	t.Helper()
	all := make([]*Service, n)
	for i := range all {
		o.DB = dbtest.OpenURL(t, url)
		all[i] = startWith(t, o)
	}
	return all
}

func TestASchedulesTimeComesOnceInACluster(t *testing.T) {
	t.Parallel()
	url := dbtest.PostgresURL(t)
	s := cluster(t, url, 3, Options{Fleet: fleetOf(t, agents(sh("tick", `true`, `schedule: "@every 1s"`, "concurrency: 5")))})[0]
	// In one transaction the job comes and the agent's next time moves on: however late that is, there are no more jobs than times.
	look := func() (next int64, jobs int) {
		t.Helper()
		text := one[string](t, s, `select coalesce((select next_ms from schedule where agent = 'tick'), 0) || ' ' || (select count(*) from river_job where kind = 'tick')`)
		if _, err := fmt.Sscan(text, &next, &jobs); err != nil {
			t.Fatal(err)
		}
		return next, jobs
	}
	var began int64
	var before int
	until(t, "it is due", func() bool { began, before = look(); return began > 0 })
	until(t, "it ran some times", func() bool { return one[int](t, s, `select count(*) from run where agent = 'tick'`) >= before+6 })
	ended, after := look()
	if times := (ended - began) / time.Second.Milliseconds(); int64(after-before) > times {
		t.Errorf("%d jobs at %d times", after-before, times)
	}
}

// Jobs come and end everywhere, and a worker is killed amid it: every job is done, none twice at once, and the sums are
// those of the runs.
func TestAClusterLosesNothing(t *testing.T) {
	dir, url := t.TempDir(), dbtest.PostgresURL(t)
	script := `exec 9>` + dir + `/$AGENTOS_JOB_ID; flock -n 9 || touch ` + dir + `/overlap; sleep 0.01`
	yaml := agents(sh("work", script, "concurrency: 4"), sh("flaky", script+`; test $AGENTOS_ATTEMPT = 2`, "concurrency: 2", "backoff: {initial: 10ms}"))
	all := cluster(t, url, 3, Options{Fleet: fleetOf(t, yaml)})
	doomed := startProcess(t, url, all[0].dataDir, yaml)
	const least = 150
	n := 0
	for i := range least {
		enqueue(t, all[i%3], []string{"work", "work", "flaky"}[i%3])
		n++
		if i == least/2 {
			running := func() bool {
				return one[int](t, all[0], `select count(*) from run where worker = $1 and outcome = 'running'`, doomed.id) > 0
			}
			until(t, "the doomed one works", func() bool {
				if running() {
					doomed.signal(t, syscall.SIGSTOP) // an attempt that is under way now cannot end before the kill
					if running() {
						return true
					}
					doomed.signal(t, syscall.SIGCONT)
				}
				enqueue(t, all[0], "work") // the others may have taken all there was
				n++
				return false
			})
			doomed.kill(t)
		}
	}
	until(t, "all are done", func() bool {
		return one[int](t, all[0], `select count(*) from river_job where state = 'completed'`) == n
	})
	if exists(dir + "/overlap") {
		t.Error("a job ran twice at once")
	}
	if n := one[int](t, all[0], `select count(*) from run where ended_ms is null`); n != 0 {
		t.Errorf("%d runs have no end", n)
	}
	if lost, running := one[int](t, all[0], `select count(*) from run where outcome = 'lost'`), one[int](t, all[0], `select count(*) from run where outcome = 'lost' and worker <> $1`, doomed.id); lost == 0 || running != 0 {
		t.Errorf("%d runs were lost, %d of them by workers that live", lost, running)
	}
	until(t, "all is summed up", func() bool {
		return one[int](t, all[0], `select (select count(*) from run where rolled = 0) + (select count(*) from rollup_fresh)`) == 0
	})
	for _, outcome := range []string{"ok", "failed", "lost"} {
		runs := one[int](t, all[0], `select count(*) from run where outcome = $1`, outcome)
		for _, step := range []int{60, 3600} {
			if sum := one[int](t, all[0], `select coalesce(sum(`+outcome+`), 0) from rollup where step_s = $1 and agent = ''`, step); sum != runs {
				t.Errorf("%d runs are %s, %d in the sums of step %d", runs, outcome, sum, step)
			}
		}
	}
	if workers := one[int](t, all[0], `select count(distinct worker) from run`); workers != 4 {
		t.Errorf("%d workers took part", workers)
	}
}

func TestManyProcessesSumUpOnce(t *testing.T) {
	url := dbtest.PostgresURL(t)
	all := cluster(t, url, 3, Options{Fleet: fleetOf(t, agents(sh("agent0", "true"))), Agents: []string{}})
	random := rand.New(rand.NewPCG(9, 10))
	for range 5 {
		rolluptest.InsertRuns(t, all[0].db, random, 700)
		for _, s := range all {
			s.signalEnded()
		}
	}
	until(t, "all is summed up", func() bool {
		return one[int](t, all[0], `select (select count(*) from run where rolled = 0) + (select count(*) from rollup_fresh)`) == 0
	})
	if n := one[int](t, all[0], `select sum(ok + failed + timeout + lost + cancelled) from rollup where step_s = 3600 and agent = ''`); n != 3500 {
		t.Errorf("%d runs in the sums, want 3500", n)
	}
}

// What one process is asked to do with jobs that others run.
func TestActionsReachOtherProcesses(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		dir := t.TempDir()
		fleet := fleetOf(t, agents(sh("slow", `trap "" TERM; touch `+dir+`/began-$AGENTOS_JOB_ID; while [ ! -e `+dir+`/gate ]; do sleep 0.1; done`, "kill_grace: 1m"), sh("quick", "true"),
			sh("picky", `test -e `+dir+`/good`, "max_attempts: 1")))
		database := dbtest.OpenURL(t, url)
		server := startWith(t, Options{DB: database, Fleet: fleet, Agents: []string{}})
		worker := cluster(t, url, 1, Options{Fleet: fleet})[0]

		job := enqueue(t, server, "slow")
		until(t, "it runs", func() bool { return exists(fmt.Sprintf("%s/began-%s", dir, job.ID)) })
		began := time.Now()
		if d, err := server.Cancel(t.Context(), job.ID); err != nil || d.State != "running" {
			t.Fatalf("%+v, %v", d, err)
		}
		touch(t, dir+"/gate")
		if d := untilState(t, server, job.ID, "cancelled"); d.Runs[0].Outcome != "cancelled" {
			t.Errorf("run %+v", d.Runs[0])
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("the cancellation took %v", took)
		} else {
			t.Logf("cancelled after %v", took)
		}

		picky := enqueue(t, server, "picky")
		untilState(t, server, picky.ID, "discarded")
		touch(t, dir+"/good")
		if _, err := server.Retry(t.Context(), picky.ID); err != nil {
			t.Fatal(err)
		}
		untilState(t, server, picky.ID, "completed")

		pauses, stop := worker.current.Load().client.Subscribe(river.EventKindQueuePaused)
		defer stop()
		if err := server.PauseAgent(t.Context(), "quick"); err != nil {
			t.Fatal(err)
		}
		until(t, "the worker leaves the queue alone", func() bool { // that the table says so is not enough
			select {
			case event := <-pauses:
				return event != nil && event.Queue.Name == "quick"
			default:
				return false
			}
		})
		waiting := enqueue(t, server, "quick")
		untilState(t, server, enqueue(t, server, "picky").ID, "completed")
		if d := get(t, server, waiting.ID); d.State != "available" {
			t.Errorf("job of a paused agent %+v", d.Job)
		}
		if err := server.ResumeQueue(t.Context(), "quick"); err != nil {
			t.Fatal(err)
		}
		untilState(t, server, waiting.ID, "completed")
	})
}
