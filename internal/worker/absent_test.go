package worker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
)

// A program that is not on this host keeps nothing else from running. Its jobs wait, and run when it comes; when it goes they
// wait again, without having used up an attempt.
func TestAnAgentWhoseProgramIsMissingWaits(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		program := filepath.Join(t.TempDir(), "render")
		install := func() {
			t.Helper()
			if err := os.WriteFile(program, []byte("#!/bin/sh\necho rendered\n"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		s := start(t, database, agents(sh("good", "true"))+"  render: {command: ["+program+"], max_attempts: 1}\n")
		waiting := enqueue(t, s, "render")
		untilState(t, s, enqueue(t, s, "good").ID, "completed")
		stats, err := s.Agents(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if a := stats["render"]; a.Slots != 0 || a.Waiting != 1 || !strings.Contains(a.Problem, program) || !strings.Contains(a.Problem, hostName()) {
			t.Errorf("the missing one is %+v", a)
		}
		if a := stats["good"]; a.Slots != 1 || a.Problem != "" {
			t.Errorf("the other one is %+v", a)
		}

		install()
		s.refit(t.Context())
		untilState(t, s, waiting.ID, "completed")
		if stats, err = s.Agents(t.Context()); err != nil || stats["render"].Slots != 1 || stats["render"].Problem != "" {
			t.Errorf("when it is there: %+v, %v", stats["render"], err)
		}

		if err := os.Remove(program); err != nil {
			t.Fatal(err)
		}
		again := enqueue(t, s, "render") // fetched before anybody has looked
		until(t, "it is shown as missing", func() bool { return one[string](t, s, `select absent from worker`) != "{}" })
		until(t, "its job waits", func() bool {
			d, err := s.Get(t.Context(), again.ID)
			return err == nil && d.State == "available" && *d.Attempt == 0
		})
		install()
		s.refit(t.Context())
		d := untilState(t, s, again.ID, "completed")
		if d.Runs[0].Attempt != 1 || len(d.Errors) != 0 {
			t.Errorf("it used up an attempt: %+v", d)
		}
	})
}

// A worker none of whose agents can run lives, and runs them as soon as it can.
func TestAWorkerThatCanRunNothingWaits(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		dir := t.TempDir()
		program := filepath.Join(dir, "later")
		s := start(t, database, agents()+"  later: {command: ["+program+"]}\n")
		job := enqueue(t, s, "later")
		workers, err := s.Workers(t.Context())
		if err != nil || len(workers) != 1 || workers[0].State != "active" || *workers[0].Slots != 0 {
			t.Errorf("workers %+v, %v", workers, err)
		}
		if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		s.refit(t.Context())
		untilState(t, s, job.ID, "completed")
		if err := s.Reload(t.Context(), fleetOf(t, agents()+"  later: {command: ["+program+"], dir: "+dir+"/gone}\n  other: {command: [sh, -c, 'true']}\n")); err != nil {
			t.Fatal(err)
		}
		untilState(t, s, enqueue(t, s, "other").ID, "completed")
		if stats, err := s.Agents(t.Context()); err != nil || stats["later"].Slots != 0 || !strings.Contains(stats["later"].Problem, "working directory") {
			t.Errorf("after a reload: %+v, %v", stats["later"], err)
		}
	})
}
