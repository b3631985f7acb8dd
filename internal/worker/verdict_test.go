package worker

import (
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
)

func TestAnExitStatusSaysNeverAgain(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, agents(sh("bad", `echo "no such customer" >&2; exit 65`, "max_attempts: 5", "backoff: {initial: 10ms}"),
			sh("own", "exit 9", "max_attempts: 5", "exit_never: [9]")))
		for _, name := range []string{"bad", "own"} {
			d := untilState(t, s, enqueue(t, s, name).ID, "discarded")
			if len(d.Runs) != 1 || d.Runs[0].Outcome != "failed" || !strings.Contains(*d.Runs[0].Error, "not tried again") {
				t.Errorf("%s: %+v", name, d.Runs)
			}
		}
	})
}

func TestAnExitStatusSaysLater(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, agents(
			sh("busy", `if [ -e "$AGENTOS_DATA/went" ]; then echo done; else touch "$AGENTOS_DATA/went"; echo '{"retry_after":0.2,"usage":{"input_tokens":3}}' >&2; echo "rate limit" >&2; exit 75; fi`, "max_attempts: 1"),
			sh("later", `echo '{"retry_after":"1h"}' >&2; exit 75`, "max_attempts: 1"),
			sh("plain", `exit 75`, "max_attempts: 1", "exit_later: []")))
		d := untilState(t, s, enqueue(t, s, "busy").ID, "completed")
		if len(d.Runs) != 2 || *d.Attempt != 1 || len(d.Errors) != 0 {
			t.Fatalf("%d runs, attempt %d, errors %v", len(d.Runs), d.Attempt, d.Errors)
		}
		if r := d.Runs[1]; r.Outcome != "later" || *r.ExitCode != 75 || *r.Error != "put off for 200ms: exit status 75: rate limit" || r.Usage.InputTokens != 3 {
			t.Errorf("the run is %+v, %s", r, *r.Error)
		}
		if pause := d.Runs[0].StartedAt.Sub(d.Runs[1].EndedAt.Time); pause < 150*time.Millisecond {
			t.Errorf("it came again after %s", pause)
		}
		later := untilState(t, s, enqueue(t, s, "later").ID, "scheduled")
		if wait := time.Until(later.ScheduledAt.Time); wait < 55*time.Minute || *later.Attempt != 0 {
			t.Errorf("it is due in %s, attempt %d", wait, later.Attempt)
		}
		if d := untilState(t, s, enqueue(t, s, "plain").ID, "discarded"); d.Runs[0].Outcome != "failed" {
			t.Errorf("%+v", d.Runs[0])
		}
		failures, err := s.Failures(t.Context(), 10)
		if err != nil || len(failures) != 1 || failures[0].Agent != "plain" {
			t.Errorf("failures %+v, %v", failures, err)
		}
	})
}

// However often an attempt asks for it, a job does not go on forever.
func TestLaterIsBounded(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, agents(sh("never-done", `echo '{"retry_after":0.1}' >&2; exit 75`, "max_attempts: 2", "backoff: {initial: 10ms}")))
		job := enqueueWith(t, s, engine.EnqueueParams{Agent: "never-done", ScheduledAt: pointerTo(time.Now().Add(time.Second))})
		exec1(t, s, by(s, `update river_job set metadata = jsonb('{"snoozes":99}') where id = $1`, `update river_job set metadata = '{"snoozes":99}' where id = $1`), job.ID)
		d := untilState(t, s, job.ID, "discarded")
		if len(d.Runs) != 3 || d.Runs[2].Outcome != "later" || d.Runs[1].Outcome != "failed" || !strings.Contains(*d.Runs[0].Error, "put off 100 times") {
			t.Errorf("%+v", d.Runs)
		}
	})
}

func pointerTo[T any](v T) *T { return &v }

// The state of a progress bar is shown while it runs, and is no line of the log.
func TestAProgressBarIsShownLive(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		dir := t.TempDir()
		s := start(t, database, agents(sh("bar", `printf '\r10 %%\r\r20 %%' >&2; `+gated(dir)+`; printf '\r30 %%\nafter\n' >&2`)))
		job := enqueue(t, s, "bar")
		until(t, "the state is shown", func() bool {
			list, err := s.Running(t.Context(), 10)
			return err == nil && len(list) == 1 && list[0].Message != nil && *list[0].Message == "20 %"
		})
		touch(t, dir+"/gate")
		d := untilState(t, s, job.ID, "completed")
		lines, _, err := s.RunLogs(t.Context(), *d.LogRunID, 0, 10)
		if err != nil || len(lines) != 2 || lines[0].Msg != "30 %" || lines[1].Msg != "after" {
			t.Errorf("%+v, %v", lines, err)
		}
	})
}
