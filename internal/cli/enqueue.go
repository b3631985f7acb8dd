package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/agentos/agentos/internal/config"
	"github.com/agentos/agentos/internal/jobs"
)

func runEnqueue(ctx context.Context, c *call, args []string) (err error) {
	set := newFlags(c, "enqueue")
	loader := config.Register(set, "config", "data", "database", "log-level", "log-format")
	jobArgs := set.String("args", "{}", "the job's arguments, a JSON object")
	priority := set.Int("priority", 0, "1 (first) to 4 (default: the agent's)")
	delay := set.Duration("delay", 0, "how long to wait before the job is due")
	wait := set.Bool("wait", false, "wait for the end, print the log and the result, fail if the job fails")
	rest, err := parse(set, args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return usagef("name one agent")
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(*jobArgs), &object); err != nil {
		return usagef("--args is not a JSON object: %v; write for example --args '{\"path\":\"/tmp\"}'", err)
	}
	cfg, err := loader.Load(c.getenv, nil)
	if err != nil {
		return err
	}
	service, database, err := openJobs(ctx, cfg, newLogger(c.stderr, cfg))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, database.Close()) }()

	params := jobs.EnqueueParams{Agent: rest[0], Args: json.RawMessage(*jobArgs), Priority: *priority}
	if *delay > 0 {
		due := time.Now().Add(*delay)
		params.ScheduledAt = &due
	}
	job, err := service.Enqueue(ctx, params)
	if err != nil {
		return err
	}
	if !*wait {
		fmt.Fprintln(c.stdout, job.ID)
		return nil
	}
	return follow(ctx, c, service, job.ID)
}

// follow prints the log lines of a job to standard error as they come and its result to standard output. Its error
// tells how the job failed.
func follow(ctx context.Context, c *call, service *jobs.Service, id int64) error {
	const poll = 200 * time.Millisecond
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
				fmt.Fprint(c.stdout, *detail.Result)
			}
			return nil
		case "cancelled", "discarded":
			reason := "see its log"
			if detail.Error != nil {
				reason = *detail.Error
			}
			return fmt.Errorf("job %d was %s: %s", id, detail.State, reason)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("job %d goes on without being watched: %w", id, context.Cause(ctx))
		case <-time.After(poll):
		}
	}
}
