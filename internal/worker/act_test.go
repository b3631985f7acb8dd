package worker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
)

func TestActionsSayWhyTheyCannotBe(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		dir := t.TempDir()
		s := start(t, database, agents(sh("slow", gated(dir), "kill_grace: 10ms"), sh("quick", "true"),
			sh("left", "true", "queue: both"), sh("right", "true", "queue: both"))+"queues:\n  both: {concurrency: 2}\n")
		running := enqueue(t, s, "slow").ID
		until(t, "it runs", func() bool { return exists(dir + "/began") })
		waiting := enqueue(t, s, "slow").ID
		ended := untilState(t, s, enqueue(t, s, "quick").ID, "completed").ID
		retry := func(id engine.ID) func(context.Context) error {
			return func(ctx context.Context) error { _, err := s.Retry(ctx, id); return err }
		}
		cancel := func(id engine.ID) func(context.Context) error {
			return func(ctx context.Context) error { _, err := s.Cancel(ctx, id); return err }
		}
		remove := func(id engine.ID) func(context.Context) error {
			return func(ctx context.Context) error { return s.Delete(ctx, id) }
		}
		named := func(act func(context.Context, string) error, name string) func(context.Context) error {
			return func(ctx context.Context) error { return act(ctx, name) }
		}
		for _, c := range []struct {
			name string
			act  func(context.Context) error
			kind error
			text string
		}{
			{"retry a running job", retry(running), engine.ErrConflict, "is running: cancel it first"},
			{"retry a waiting job", retry(waiting), engine.ErrConflict, "already waiting"},
			{"retry no job", retry("99"), engine.ErrNotFound, "there is no job 99"},
			{"cancel an ended job", cancel(ended), engine.ErrConflict, "has already ended (completed)"},
			{"cancel no job", cancel("99"), engine.ErrNotFound, "there is no job 99"},
			{"delete a running job", remove(running), engine.ErrConflict, "is running: cancel it first"},
			{"delete no job", remove("99"), engine.ErrNotFound, "there is no job 99"},
			{"pause no queue", named(s.PauseQueue, "nix"), engine.ErrNotFound, `there is no queue "nix"; there are: slow, quick, both, default`},
			{"pause all queues", named(s.PauseQueue, "*"), engine.ErrNotFound, `there is no queue "*"`},
			{"pause no agent", named(s.PauseAgent, "nix"), engine.ErrNotFound, `there is no agent "nix"`},
			{"pause an agent on a shared queue", named(s.PauseAgent, "left"), engine.ErrConflict, "shares the queue both with others (left, right): pause the queue instead"},
			{"resume an agent on a shared queue", named(s.ResumeAgent, "left"), engine.ErrConflict, "resume the queue instead"},
		} {
			t.Run(c.name, func(t *testing.T) {
				err := c.act(t.Context())
				if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.text) {
					t.Errorf("error %v, want %v with %q", err, c.kind, c.text)
				}
			})
		}
	})
}

func TestEnqueueSaysWhatIsWrong(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newService(t, start(t, database, agents(sh("quick", "true"))).db, "", fleetOf(t, agents(sh("quick", "true"))))
		for _, c := range []struct {
			p    engine.EnqueueParams
			kind error
			text string
		}{
			{engine.EnqueueParams{Agent: "nix"}, engine.ErrNotFound, `there is no agent "nix"; there are: quick`},
			{engine.EnqueueParams{Agent: "quick", Args: []byte(`[1]`)}, engine.ErrInvalid, "not a JSON object"},
			{engine.EnqueueParams{Agent: "quick", Args: []byte(`null`)}, engine.ErrInvalid, "not a JSON object"},
			{engine.EnqueueParams{Agent: "quick", Args: []byte(`{`)}, engine.ErrInvalid, "not a JSON object"},
			{engine.EnqueueParams{Agent: "quick", Args: []byte(`{"a":"` + strings.Repeat("x", 1<<20) + `"}`)}, engine.ErrInvalid, "put the data in a file"},
			{engine.EnqueueParams{Agent: "quick", Priority: 5}, engine.ErrInvalid, "use 1 (first) to 4"},
			{engine.EnqueueParams{Agent: "quick", MaxAttempts: -1}, engine.ErrInvalid, "use 1 to"},
			{engine.EnqueueParams{Agent: "quick", Queue: "nix"}, engine.ErrInvalid, `no worker serves the queue "nix"; there are: quick, default`},
			{engine.EnqueueParams{Agent: "quick", Tags: []string{"a b"}}, engine.ErrInvalid, `"a b" cannot be a tag`},
		} {
			_, err := s.Enqueue(t.Context(), c.p)
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%+v: error %v, want %v with %q", c.p, err, c.kind, c.text)
			}
		}
	})
}

func TestRetryRunsAnEndedJobAgain(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		dir := t.TempDir()
		s := start(t, database, agents(sh("picky", `test -e `+dir+`/good`, "max_attempts: 1")))
		job := enqueue(t, s, "picky")
		untilState(t, s, job.ID, "discarded")
		touch(t, dir+"/good")
		if again, err := s.Retry(t.Context(), job.ID); err != nil || !slices.Contains([]engine.State{"available", "running"}, again.State) || *again.MaxAttempts != 2 {
			t.Fatalf("%+v, %v", again, err)
		}
		d := untilState(t, s, job.ID, "completed")
		if len(d.Runs) != 2 || d.Runs[0].Outcome != "ok" || d.Runs[1].Outcome != "failed" {
			t.Errorf("runs %+v", d.Runs)
		}
	})
}

// River keeps the note of the cancellation. Left there, it would cancel the job again instead of trying it again.
func TestACancelledJobRetriedIsAnOrdinaryJob(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, agents(sh("bad", `exit 1`, "max_attempts: 3", "backoff: {initial: 1h, max: 1h}")))
		if err := s.PauseAgent(t.Context(), "bad"); err != nil {
			t.Fatal(err)
		}
		job := enqueue(t, s, "bad")
		if cancelled, err := s.Cancel(t.Context(), job.ID); err != nil || cancelled.State != "cancelled" {
			t.Fatalf("%+v, %v", cancelled, err)
		}
		if _, err := s.Retry(t.Context(), job.ID); err != nil {
			t.Fatal(err)
		}
		if err := s.ResumeAgent(t.Context(), "bad"); err != nil {
			t.Fatal(err)
		}
		d := untilState(t, s, job.ID, "retryable")
		if d.Runs[0].Outcome != "failed" {
			t.Errorf("run %+v", d.Runs[0])
		}
	})
}

func TestDeleteRemovesRunsAndLogs(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, agents(sh("quick", "echo hi >&2")))
		job := enqueue(t, s, "quick")
		untilState(t, s, job.ID, "completed")
		until(t, "it is summed up", func() bool { return one[int](t, s, `select count(*) from run where rolled = 1`) == 1 })
		if err := s.Delete(t.Context(), job.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(t.Context(), job.ID); !errors.Is(err, engine.ErrNotFound) {
			t.Errorf("error %v", err)
		}
		if n := one[int](t, s, `select (select count(*) from run) + (select count(*) from run_log)`); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
}

func TestAPausedAgentDoesNotBegin(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, agents(sh("one", "true"), sh("two", "true")))
		if err := s.PauseAgent(t.Context(), "one"); err != nil {
			t.Fatal(err)
		}
		job := enqueue(t, s, "one")
		untilState(t, s, enqueue(t, s, "two").ID, "completed")
		queues, err := s.Queues(t.Context())
		if err != nil || queues[0].PausedAt == nil || *queues[0].Pending != 1 || queues[0].OldestAt == nil || queues[1].PausedAt != nil {
			t.Errorf("queues %+v, %v", queues, err)
		}
		if d := get(t, s, job.ID); d.State != "available" {
			t.Errorf("job %+v", d.Job)
		}
		if err := s.ResumeAgent(t.Context(), "one"); err != nil {
			t.Fatal(err)
		}
		untilState(t, s, job.ID, "completed")
	})
}
