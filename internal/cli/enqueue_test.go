package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/app"
	"github.com/agentos/agentos/internal/config"
	"github.com/agentos/agentos/internal/engine"
)

// enqueue --wait ends when no worker runs the job: with what it waits for, and leaving it in the queue.
func TestWaitEndsWhenNobodyRunsTheJob(t *testing.T) {
	dir := t.TempDir()
	cfg := &config.Config{File: filepath.Join(dir, "agentos.yaml"), Data: filepath.Join(dir, "data")}
	if err := os.WriteFile(cfg.File, []byte("agents: {greet: {command: [echo, hello]}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	c := &call{stdout: &stderr, stderr: &stderr, getenv: func(name string) string { return map[string]string{"AGENTOS_DATA": cfg.Data}[name] }}
	if err := runMigrate(t.Context(), c, nil); err != nil {
		t.Fatal(err)
	}
	service, database, err := app.OpenJobs(t.Context(), c.caller(), cfg, app.NewLogger(c.stderr, &config.Config{LogLevel: "error"}))
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	job, err := service.Enqueue(t.Context(), engine.EnqueueParams{Agent: "greet"})
	if err != nil {
		t.Fatal(err)
	}
	err = (&follower{call: c, service: service, timeout: time.Millisecond}).follow(t.Context(), job.ID)
	if err == nil || !strings.Contains(err.Error(), "job 1 stays in the queue: no live worker runs the agent greet") {
		t.Errorf("error %v", err)
	}
	if !strings.Contains(stderr.String(), "job 1 waits, because no live worker runs the agent greet") {
		t.Errorf("it was not reported at once: %s", stderr.String())
	}
	if d, err := service.Get(t.Context(), job.ID); err != nil || d.State != "available" {
		t.Errorf("the job: %+v, %v", d.Job, err)
	}
}
