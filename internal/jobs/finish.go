package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"

	"github.com/agentos/agentos/internal/agent"
)

const (
	maxErrorText  = 4000 // bytes of an error kept with a run
	cancelledText = "cancelled on request"
)

// errSuperseded means that the job was taken away from this worker, which was held for dead.
var errSuperseded = errors.New("another worker has taken the job over")

// ending is what the run row says at the end.
type ending struct {
	outcome string
	err     string
	result  agent.Result
	ended   time.Time
	pending *runLog // log lines and progress not written yet
}

// finish writes the end of the attempt and returns what River is to do with the job.
func (a *attempt) finish(ctx context.Context, result agent.Result, failure error) error {
	end := &ending{outcome: a.outcome(ctx, failure), result: result, ended: time.Now()}
	if end.outcome == "ok" {
		params, err := a.insertParams(result.Enqueue)
		if err == nil {
			err = a.complete(ctx, end, params)
		}
		switch {
		case err == nil:
			return nil
		case a.service.life.Err() != nil: // nothing of it happened; the next worker runs the job again
			return a.interrupted(ctx)
		}
		end.outcome, failure = "failed", err
	}
	end.err = errorText(a.spec, end.outcome, failure)
	if err := a.conclude(end); err != nil {
		return &attemptError{text: fmt.Sprintf("%s (its run could not be written: %v)", end.err, err)}
	}
	switch end.outcome {
	case "cancelled", "lost":
		return a.interrupted(ctx)
	}
	return &attemptError{text: end.err}
}

func (a *attempt) outcome(ctx context.Context, failure error) string {
	switch {
	case failure == nil:
		return "ok"
	case errors.Is(failure, agent.ErrTimeout):
		return "timeout"
	case errors.Is(failure, rivertype.ErrJobCancelledRemotely):
		return "cancelled"
	case ctx.Err() != nil && errors.Is(failure, context.Cause(ctx)):
		return "lost"
	}
	return "failed"
}

// complete makes the attempt's success one transaction: the jobs it asked for, its last log lines, the end of its run
// and of its job. If that fails, nothing of it happened.
func (a *attempt) complete(ctx context.Context, end *ending, jobs []river.InsertManyParams) error {
	s := a.service
	end.pending = s.logs.close(a.runID)
	err := s.persist(s.life, "write the end of a run", func(try context.Context) error {
		tx, err := s.db.Write.BeginTx(try, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		done, err := a.holds(try, tx)
		if err != nil || done {
			return err
		}
		if len(jobs) > 0 {
			if _, err := s.queue.InsertManyTx(try, tx, jobs); err != nil {
				return fmt.Errorf("enqueue what it asked for: %w", err)
			}
		}
		if err := a.writeEnd(try, tx, end); err != nil {
			return err
		}
		if _, err := river.JobCompleteTx[*riversqlite.Driver](joined(try, ctx), tx, a.job); err != nil {
			return fmt.Errorf("complete the job: %w", err)
		}
		return tx.Commit()
	})
	if err != nil {
		s.logs.reopen(a.runID, end.pending)
		return err
	}
	s.logs.wake(a.runID)
	return nil
}

// holds makes sure that the job is still this attempt's. It returns true when an earlier try did commit after all.
func (a *attempt) holds(ctx context.Context, tx *sql.Tx) (done bool, err error) {
	var state, client sql.NullString
	var number int
	err = tx.QueryRowContext(ctx, `select state, attempt, `+lastClient+` from river_job j where id = $1`, a.job.ID).Scan(&state, &number, &client)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, err
	}
	if state.String == string(rivertype.JobStateRunning) && number == a.job.Attempt && client.String == a.client {
		return false, nil
	}
	var outcome string
	if err := tx.QueryRowContext(ctx, `select outcome from run where id = $1`, a.runID).Scan(&outcome); err == nil && outcome == "ok" {
		return true, nil
	}
	return false, errSuperseded
}

// conclude writes the end of a run that did not succeed. What becomes of the job is River's part.
func (a *attempt) conclude(end *ending) error {
	s := a.service
	end.pending = s.logs.close(a.runID)
	err := s.persist(s.life, "write the end of a run", func(ctx context.Context) error {
		tx, err := s.db.Write.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if err := a.writeEnd(ctx, tx, end); err != nil {
			return err
		}
		return tx.Commit()
	})
	s.logs.wake(a.runID)
	return err
}

// writeEnd ends the run row, unless the reaper did.
func (a *attempt) writeEnd(ctx context.Context, tx *sql.Tx, end *ending) error {
	if end.pending != nil {
		if err := end.pending.write(ctx, tx); err != nil {
			return err
		}
	}
	var fingerprint, failure, result, signal any
	if end.err != "" {
		failure = end.err
	}
	if isFailure(end.outcome) {
		fingerprint = fingerprintOf(a.spec.Name, end.err)
	}
	if len(end.result.Stdout) > 0 {
		result = strings.ToValidUTF8(string(end.result.Stdout), "\uFFFD")
	}
	if end.result.Signal != "" {
		signal = end.result.Signal
	}
	var code any
	if !end.result.Started.IsZero() && end.result.ExitCode >= 0 {
		code = end.result.ExitCode
	}
	_, err := tx.ExecContext(ctx, `update run set outcome = $2, ended_ms = $3, run_ms = $4, exit_code = $5, signal = $6,
		error = $7, fingerprint = $8, result = $9, result_dropped = $10 where id = $1 and ended_ms is null`,
		a.runID, end.outcome, end.ended.UnixMilli(), end.ended.Sub(a.begun).Milliseconds(), code, signal,
		failure, fingerprint, result, end.result.StdoutDropped)
	return err
}

func isFailure(outcome string) bool {
	return outcome == "failed" || outcome == "timeout" || outcome == "lost"
}

// errorText says how the attempt ended in words for the dashboard.
func errorText(spec *agent.Spec, outcome string, failure error) string {
	switch outcome {
	case "timeout":
		return fmt.Sprintf("timed out after %s", spec.Timeout)
	case "cancelled":
		return cancelledText
	case "lost":
		return "the worker was stopped; the job went back to the queue"
	}
	return clip(failure.Error(), maxErrorText)
}

// clip shortens a text to at most n bytes of whole characters.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	const mark = "…"
	cut := n - len(mark)
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + mark
}

// joined has the values of a River job's context, which JobCompleteTx needs, and the end of another: the job's own may
// already be over.
func joined(limits, values context.Context) context.Context { return joinedContext{limits, values} }

type joinedContext struct {
	context.Context
	values context.Context
}

func (c joinedContext) Value(key any) any {
	if v := c.Context.Value(key); v != nil {
		return v
	}
	return c.values.Value(key)
}
