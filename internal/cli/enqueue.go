package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/app"
	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/config"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/worker"
)

func runEnqueue(ctx context.Context, c *call, args []string) (err error) {
	set := newFlags(c, "enqueue")
	loader := config.Register(set, "config", "data", "database", "log-level", "log-format")
	jobArgs := set.String("args", "{}", "the job's arguments, a JSON object; @FILE reads it from a file, - from standard input")
	priority := set.Int("priority", 0, "1 (first) to 4 (default: the agent's)")
	delay := set.Duration("delay", 0, "how long to wait before the job is due")
	wait := set.Bool("wait", false, "wait for the end, print the log and the result, fail if the job fails or no worker runs it")
	rest, err := parse(set, args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return usagef("name one agent")
	}
	object, err := readArgs(c, *jobArgs)
	if err != nil {
		return err
	}
	cfg, err := loader.Load(clientEnv(c.getenv), nil)
	if err != nil {
		return err
	}
	service, database, err := app.OpenJobs(ctx, c.caller(), cfg, app.NewLogger(c.stderr, cfg))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, database.Close()) }()

	params := engine.EnqueueParams{Agent: rest[0], Args: object, Priority: *priority}
	if *delay > 0 {
		due := time.Now().Add(*delay)
		params.ScheduledAt = &due
	}
	job, err := service.Enqueue(ctx, params)
	if err != nil {
		return notInTheFile(ctx, service, cfg, err)
	}
	if err := auth.RecordCommand(withOperator(ctx), database, auth.Entry{
		Action: "job.enqueue", Target: fmt.Sprintf("job %s of %s", job.ID, job.Agent),
	}); err != nil {
		fmt.Fprintf(c.stderr, "agentos enqueue: job %s is enqueued, but the audit log does not say so: %v\n", job.ID, err)
	}
	if *wait {
		return (&follower{call: c, service: service, timeout: workerTimeout}).follow(ctx, job.ID)
	}
	fmt.Fprintln(c.stdout, job.ID)
	if why, err := unserved(ctx, service, job); err == nil && why != "" {
		fmt.Fprintf(c.stderr, "agentos enqueue: job %s waits, because %s: start `agentos serve` or `agentos work` with it\n", job.ID, why)
	}
	return nil
}

// maxArgsRead is more than a job may have, so that what is too long is reported as such.
const maxArgsRead = 2 << 20

// readArgs gives the JSON object of --args, of a file or of standard input.
func readArgs(c *call, text string) (json.RawMessage, error) {
	from := "--args"
	data := []byte(text)
	var err error
	switch path, isFile := strings.CutPrefix(text, "@"); {
	case isFile:
		from = path
		var file *os.File
		if file, err = os.Open(path); err == nil {
			data, err = io.ReadAll(io.LimitReader(file, maxArgsRead))
			err = errors.Join(err, file.Close())
		}
	case text == "-":
		from = "standard input"
		data, err = io.ReadAll(io.LimitReader(c.stdin, maxArgsRead))
	}
	if err != nil {
		return nil, usagef("--args: %v", err)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil {
		return nil, usagef("%s is not a JSON object: %v; write for example --args '{\"path\":\"/tmp\"}', --args @file.json or --args -", from, err)
	}
	if object == nil {
		return nil, usagef("%s is null and not a JSON object: write {} for no arguments", from)
	}
	return data, nil
}

// notInTheFile adds to an agent that the file does not name that some worker runs it all the same.
func notInTheFile(ctx context.Context, service *worker.Service, cfg *config.Config, err error) error {
	var unknown *engine.UnknownAgentError
	if !errors.As(err, &unknown) {
		return err
	}
	if runs, _, served := service.Served(ctx, unknown.Agent, ""); served == nil && runs {
		return fmt.Errorf("%w; a worker runs one of that name: %s is not the file of the fleet, name that with --config", err, cfg.File)
	}
	return fmt.Errorf("%w (in %s)", err, cfg.File)
}

// unserved returns why no live worker would run a job; "" when one would.
func unserved(ctx context.Context, service *worker.Service, job engine.Job) (string, error) {
	runs, serves, err := service.Served(ctx, job.Agent, job.Queue)
	switch {
	case err != nil || runs && serves:
		return "", err
	case runs:
		return fmt.Sprintf("no live worker serves its queue %s", job.Queue), nil
	}
	return fmt.Sprintf("no live worker runs the agent %s", job.Agent), nil
}

// workerTimeout is how long enqueue --wait waits for a worker that would run its job: one may be starting.
const workerTimeout = 20 * time.Second

// follower waits for the end of a job.
type follower struct {
	*call
	service *worker.Service
	timeout time.Duration // with no worker that would run it

	looked   time.Time // when workers were last looked for
	unserved time.Time // since when there is none; zero when there is one
	paused   bool      // it was reported that the queue is paused
}

// look reports on standard error why a job that is due waits, and fails when no worker has been there for too long.
func (f *follower) look(ctx context.Context, job engine.Job) error {
	due := job.State == "available" || job.State == "retryable" && time.Now().After(job.ScheduledAt.Time)
	if !due || time.Since(f.looked) < time.Second {
		return nil
	}
	f.looked = time.Now()
	why, err := unserved(ctx, f.service, job)
	if err != nil {
		return err
	}
	if why == "" {
		f.unserved = time.Time{}
		return f.lookAtQueue(ctx, job)
	}
	if f.unserved.IsZero() {
		f.unserved = time.Now()
		fmt.Fprintf(f.stderr, "agentos enqueue: job %s waits, because %s\n", job.ID, why)
	}
	if time.Since(f.unserved) >= f.timeout {
		return fmt.Errorf("job %s stays in the queue: %s, for %s now: start `agentos serve` or `agentos work` with it", job.ID, why, f.timeout)
	}
	return nil
}

func (f *follower) lookAtQueue(ctx context.Context, job engine.Job) error {
	if f.paused {
		return nil
	}
	queues, err := f.service.PausedQueues(ctx)
	if err == nil && queues[job.Queue] != nil {
		f.paused = true
		fmt.Fprintf(f.stderr, "agentos enqueue: job %s waits, because its queue %s is paused\n", job.ID, job.Queue)
	}
	return err
}

// follow prints the log lines of a job to standard error as they come and its result to standard output. Its error
// says how the job failed.
func (f *follower) follow(ctx context.Context, id engine.ID) error {
	const poll = 200 * time.Millisecond
	c, service := f.call, f.service
	var after int64
	for {
		detail, err := service.Get(ctx, id)
		if err != nil {
			return err
		}
		if detail.LogRunID != nil {
			lines, _, err := service.RunLogs(ctx, *detail.LogRunID, after, 500)
			if err != nil {
				return err
			}
			for _, line := range lines {
				fmt.Fprintf(c.stderr, "%s %-5s %s\n", line.At.Local().Format(time.TimeOnly), line.Level, line.Msg)
				after = line.ID
			}
			if len(lines) > 0 {
				continue
			}
		}
		switch detail.State {
		case "completed":
			if detail.Result != nil {
				return printResult(ctx, c, service, &detail)
			}
			return nil
		case "cancelled", "discarded":
			reason := "see its log"
			if detail.Error != nil {
				reason = *detail.Error
			}
			return fmt.Errorf("job %s was %s: %s", id, detail.State, reason)
		}
		if err := f.look(ctx, detail.Job); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("job %s goes on without being watched: %w", id, context.Cause(ctx))
		case <-time.After(poll):
		}
	}
}

// printResult prints the whole result: a job's answer has the beginning of a long one.
func printResult(ctx context.Context, c *call, service *worker.Service, detail *engine.Detail) error {
	text := *detail.Result
	if detail.ResultCut {
		whole, err := service.Result(ctx, *detail.ResultRunID)
		if err != nil {
			return err
		}
		text = whole.Text
	}
	_, err := fmt.Fprint(c.stdout, text)
	return err
}
