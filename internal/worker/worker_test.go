package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river"

	"github.com/google/go-cmp/cmp"
)

func TestAttemptRunsTheAgent(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, agents(sh("hello", `echo '{"level":"warn","msg":"hi","progress":0.5,"usage":{"input_tokens":3,"cost_usd":0.5}}' >&2
      echo '{"usage":{"input_tokens":4}}' >&2; echo plain >&2; cat`)))
		job := enqueueWith(t, s, engine.EnqueueParams{Agent: "hello", Args: []byte(`{"path":"/x"}`), Tags: []string{"one-tag"}})
		if job.Args != `{"path":"/x"}` || *job.MaxAttempts != 3 || job.Queue != "hello" {
			t.Errorf("enqueued %+v", job)
		}
		d := untilState(t, s, job.ID, "completed")
		if d.Result == nil || strings.ReplaceAll(*d.Result, " ", "") != `{"path":"/x"}` || string(d.ArgsJSON) != `{"path":"/x"}` {
			t.Errorf("result %v, args %s", d.Result, d.ArgsJSON)
		}
		if len(d.Runs) != 1 || d.LogRunID == nil || *d.LogRunID != d.Runs[0].ID {
			t.Fatalf("runs %+v, log run %v", d.Runs, d.LogRunID)
		}
		r := d.Runs[0]
		if r.Outcome != "ok" || r.EndedAt == nil || r.RunMS == nil || *r.RunMS <= 0 || *r.ExitCode != 0 || r.Worker != s.Worker() || r.Attempt != 1 {
			t.Errorf("run %+v", r)
		}
		if *r.Progress != 0.5 || r.Usage != (engine.Usage{InputTokens: 7, CostUSD: 0.5}) {
			t.Errorf("progress %v, usage %+v", r.Progress, r.Usage)
		}
		lines, done, err := s.RunLogs(t.Context(), r.ID, 0, 100)
		if err != nil || !done || len(lines) != 2 || lines[0].Level != "warn" || lines[0].Msg != "hi" || lines[1].Msg != "plain" {
			t.Errorf("log %+v, done %v, %v", lines, done, err)
		}
		if diff := cmp.Diff([]string{"one-tag"}, d.Tags); diff != "" {
			t.Error(diff)
		}
	})
}

func TestFailedAttemptsAreTriedAgainByTheAgentsBackoff(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, agents(sh("bad", `echo "cannot read /tmp/file-$AGENTOS_ATTEMPT" >&2; exit 3`, "max_attempts: 2", "backoff: {initial: 10ms}")))
		job := enqueue(t, s, "bad")
		d := untilState(t, s, job.ID, "discarded")
		if len(d.Runs) != 2 || len(d.Errors) != 2 || *d.Attempt != 2 {
			t.Fatalf("runs %+v, errors %+v", d.Runs, d.Errors)
		}
		for i, r := range d.Runs {
			if r.Outcome != "failed" || *r.ExitCode != 3 || !strings.Contains(*r.Error, "cannot read /tmp/file-") || r.Attempt != 2-i {
				t.Errorf("run %+v", r)
			}
		}
		if d.Error == nil || !strings.Contains(*d.Error, "exit status 3") {
			t.Errorf("error %v", d.Error)
		}
		failures, err := s.Failures(t.Context(), 10)
		if err != nil || len(failures) != 1 || failures[0].Similar24h != 2 || failures[0].GaveUp != 1 {
			t.Errorf("failures %+v, %v", failures, err)
		}
	})
}

func TestTimeoutEndsTheAttempt(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, agents(sh("slow", `sleep 60`, "timeout: 150ms", "max_attempts: 1", "kill_grace: 100ms")))
		d := untilState(t, s, enqueue(t, s, "slow").ID, "discarded")
		if d.Runs[0].Outcome != "timeout" || *d.Runs[0].Error != "timed out after 150ms" {
			t.Errorf("run %+v", d.Runs[0])
		}
	})
}

func TestCancelEndsARunningAttempt(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		dir := t.TempDir()
		s := start(t, database, agents(sh("slow", gated(dir), "kill_grace: 100ms")))
		job := enqueue(t, s, "slow")
		until(t, "it began", func() bool { return exists(dir + "/began") })
		begin := time.Now()
		if _, err := s.Cancel(t.Context(), job.ID); err != nil {
			t.Fatal(err)
		}
		until(t, "the attempt is reported", func() bool { return s.active.running.Load() == 0 })
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("the cancellation took %v", took)
		}
		d := untilState(t, s, job.ID, "cancelled")
		if d.Runs[0].Outcome != "cancelled" || *d.Runs[0].Error != cancelledText || *d.Attempt != 1 {
			t.Errorf("run %+v", d.Runs[0])
		}
	})
}

func TestEnqueuedWorkComesWithTheEnd(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, agents(
			sh("crawl", `for i in 1 2 3; do echo "{\"enqueue\":{\"agent\":\"hash\",\"args\":{\"n\":$i},\"priority\":$i}}" >&2; done`),
			sh("hash", `cat`, "priority: 4")))
		untilState(t, s, enqueue(t, s, "crawl").ID, "completed")
		page, err := s.List(t.Context(), engine.Filter{Agent: "hash"})
		if err != nil || len(page.Jobs) != 3 {
			t.Fatalf("%+v, %v", page, err)
		}
		for i, j := range page.Jobs { // newest first
			if j.Args != fmt.Sprintf(`{"n":%d}`, 3-i) || *j.Priority != 3-i {
				t.Errorf("job %+v", j)
			}
			untilState(t, s, j.ID, "completed")
		}
	})
}

func TestEnqueueOfAnUnknownAgentFailsTheAttempt(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, agents(
			sh("crawl", `echo '{"enqueue":{"agent":"crawl"}}' >&2; echo '{"enqueue":{"agent":"nobody"}}' >&2`, "max_attempts: 1")))
		d := untilState(t, s, enqueue(t, s, "crawl").ID, "discarded")
		if !strings.Contains(*d.Runs[0].Error, `there is no agent "nobody"; there are: crawl`) || d.Runs[0].Outcome != "failed" {
			t.Errorf("run %+v", d.Runs[0])
		}
		if n := one[int](t, s, `select count(*) from river_job`); n != 1 {
			t.Errorf("%d jobs: something was inserted", n)
		}
	})
}

func TestSharedAndDefaultQueuesKeepTheAgentsConcurrency(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		dir := t.TempDir()
		s := start(t, database, agents(sh("solo", `mkdir `+dir+`/busy || exit 1; sleep 0.05; rmdir `+dir+`/busy`, "max_attempts: 1")))
		for i := range 8 { // its own queue and River's default one at the same time
			queue := []string{"", "default"}[i%2]
			enqueueWith(t, s, engine.EnqueueParams{Agent: "solo", Queue: queue})
		}
		until(t, "all ended", func() bool {
			return one[int](t, s, `select count(*) from river_job where state in ('completed', 'discarded')`) == 8
		})
		if n := one[int](t, s, `select count(*) from run where outcome <> 'ok'`); n != 0 {
			t.Errorf("%d attempts ran beside another", n)
		}
	})
}

// The result of a long run must survive that the database cannot be used when it ends.
func TestTheEndWaitsForTheDatabase(t *testing.T) {
	eachOutage(t, func(t *testing.T, database *db.DB, away, back func()) {
		dir := t.TempDir()
		s := start(t, database, agents(sh("slow", gated(dir)+`; echo '{"enqueue":{"agent":"slow","delay":"1h"}}' >&2; echo done; touch `+dir+`/ended`)))
		job := enqueue(t, s, "slow")
		until(t, "it began", func() bool { return exists(dir + "/began") })
		away()
		until(t, "the database is gone", func() bool { return s.db.Ping(t.Context()) != nil })
		touch(t, dir+"/gate")
		until(t, "the program ended", func() bool { return exists(dir + "/ended") })
		if _, err := s.Newest(t.Context(), 1); err == nil {
			t.Error("a read without the database")
		}
		back()
		var d engine.Detail
		until(t, "the job is completed", func() bool {
			var err error
			d, err = s.Get(t.Context(), job.ID)
			return err == nil && d.State == "completed"
		})
		if len(d.Runs) != 1 || d.Runs[0].Outcome != "ok" || *d.Result != "done\n" {
			t.Errorf("runs %+v", d.Runs)
		}
		if n := one[int](t, s, `select count(*) from river_job`); n != 2 {
			t.Errorf("%d jobs, want the one and what it asked for", n)
		}
	})
}

func TestJobsOfOtherProgramsWithStrangeArguments(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, agents(sh("echo", `cat`, "max_attempts: 1")))
		if database.Kind == db.SQLite { // Postgres takes none that are malformed
			exec1(t, s, `insert into river_job (kind, queue, args, max_attempts) values ('echo', 'echo', '{"a":', 1)`)
			malformed := untilState(t, s, "1", "discarded")
			if len(malformed.Runs) != 1 || malformed.Runs[0].Outcome != "failed" || !strings.Contains(*malformed.Runs[0].Error, "decoded") {
				t.Errorf("runs %+v", malformed.Runs)
			}
			if malformed.Args != `{"a":` || !json.Valid(malformed.ArgsJSON) {
				t.Errorf("args %q, %s", malformed.Args, malformed.ArgsJSON)
			}
		}
		exec1(t, s, `insert into river_job (kind, queue, args, max_attempts) values ('echo', 'default', `+by(s, `jsonb('[1,2]')`, `'[1,2]'`)+`, 1)`)
		if array := untilState(t, s, one[engine.ID](t, s, `select max(id) from river_job`), "completed"); strings.ReplaceAll(*array.Result, " ", "") != "[1,2]" {
			t.Errorf("result %q", *array.Result)
		}
		if page, err := s.List(t.Context(), engine.Filter{Text: "a"}); err != nil {
			t.Errorf("search %+v, %v", page, err)
		}
	})
}

func TestWorkFoldersAreTheAgentsOwn(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, agents(sh("where", `printf %s "$AGENTOS_AGENT_DATA"`)))
		d := untilState(t, s, enqueue(t, s, "where").ID, "completed")
		if want := filepath.Join(s.dataDir, "work", "where"); *d.Result != want {
			t.Errorf("%s, want %s", *d.Result, want)
		}
	})
}

func TestStopLetsAttemptsEnd(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		dir := t.TempDir()
		s := start(t, database, agents(sh("slow", gated(dir))))
		job := enqueue(t, s, "slow")
		until(t, "it began", func() bool { return exists(dir + "/began") })
		stopped := make(chan error)
		go func() { stopped <- s.Stop(context.Background()) }()
		until(t, "it drains", func() bool {
			w, err := s.Workers(t.Context())
			return err == nil && len(w) == 1 && w[0].State == "draining" && *w[0].Running == 1
		})
		waiting := enqueue(t, s, "slow")
		touch(t, dir+"/gate")
		if err := <-stopped; err != nil {
			t.Fatal(err)
		}
		if d := get(t, s, job.ID); d.State != "completed" {
			t.Errorf("job %+v", d.Job)
		}
		if d := get(t, s, waiting.ID); d.State != "available" {
			t.Errorf("waiting job %+v", d.Job)
		}
		if w, err := s.Workers(t.Context()); err != nil || len(w) != 0 {
			t.Errorf("workers %+v, %v", w, err)
		}
		if hour, _, err := s.Windows(t.Context()); err != nil || hour.Runs != 1 {
			t.Errorf("the last run is not summed up: %+v, %v", hour, err)
		}
	})
}

func TestStopPutsBackWhatDoesNotEnd(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		dir := t.TempDir()
		s := start(t, database, agents(sh("slow", gated(dir), "kill_grace: 100ms"), sh("blocked", "sleep 60", "kill_grace: 100ms")))
		job := enqueue(t, s, "slow")
		until(t, "it began", func() bool { return exists(dir + "/began") })
		var inDefault []engine.ID
		for range 2 { // one runs, the other waits in its queue
			inDefault = append(inDefault, enqueueWith(t, s, engine.EnqueueParams{Agent: "blocked", Queue: "default"}).ID)
		}
		until(t, "both agents run", func() bool { return len(s.active.held()) == 2 })
		stop(t, s)
		for _, id := range append(inDefault, job.ID) {
			if d := get(t, s, id); d.State != "available" || *d.Attempt != 0 || len(d.Errors) != 0 {
				t.Errorf("job %+v", d.Job)
			}
		}
		d := get(t, s, job.ID)
		if len(d.Runs) != 1 || d.Runs[0].Outcome != "lost" || !strings.Contains(*d.Runs[0].Error, "worker was stopped") {
			t.Errorf("runs %+v", d.Runs)
		}
	})
}

// A worker that was taken for dead must not touch the job that another one has by now, however its own attempt ends.
func TestASupersededAttemptChangesNothing(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		for _, ending := range []string{"exit 0", "exit 1", "sleep 60"} {
			t.Run(ending, func(t *testing.T) {
				dir := t.TempDir()
				s := start(t, database, agents(sh("slow", gated(dir)+`; `+ending, "timeout: 3s", "kill_grace: 0s", "backoff: {initial: 1ms}")))
				job := enqueue(t, s, "slow")
				until(t, "it runs, and its run has a row", func() bool {
					return exists(dir+"/began") && one[int](t, s, `select count(*) from run where ended_ms is null`) == 1
				})
				other := river.WorkerPrefix + "other-1-aa"
				insertWorker(t, s, other, time.Now().Add(time.Hour))
				exec1(t, s, `update river_job set attempted_by = `+by(s, `jsonb_array($1)`, `array[$1]`)+` where id = $2`, river.ClientID(other, 1), job.ID)
				exec1(t, s, `update run set outcome = 'lost', ended_ms = started_ms, error = 'taken over'`)
				touch(t, dir+"/gate")
				until(t, "the attempt ended", func() bool { return s.done.Load() == 1 && len(s.active.held()) == 0 })
				stop(t, s) // and with it River, which writes late
				d := get(t, s, job.ID)
				if d.State != "running" || *d.Worker != other || len(d.Runs) != 1 || d.Runs[0].Outcome != "lost" || *d.Runs[0].Error != "taken over" {
					t.Errorf("job %+v, runs %+v", d.Job, d.Runs)
				}
			})
		}
	})
}

// River must write nothing after us: this fails when it no longer lets an error say so.
func TestRiverLeavesAFinishedJobAlone(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, agents(sh("bad", `exit 1`, "max_attempts: 2", "backoff: {initial: 1h, max: 1h}")))
		job := enqueue(t, s, "bad")
		untilState(t, s, job.ID, "retryable")
		exec1(t, s, `update river_job set state = 'running' where id = $1`, job.ID) // as if it ran again
		stop(t, s)
		if d := get(t, s, job.ID); d.State != "running" || len(d.Errors) != 1 {
			t.Errorf("job %+v, errors %+v", d.Job, d.Errors)
		}
	})
}
