package worker

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	engineriver "github.com/agentos/agentos/internal/engine/river"
	"github.com/agentos/agentos/internal/fingerprint"
	"github.com/agentos/agentos/internal/runlog"
	"github.com/agentos/agentos/internal/runner"
)

const cancelledText = "cancelled on request"

var (
	errRefused = errors.New("what it asked to enqueue was refused")
)

// endWritten reports to River that what becomes of the job is written already. River leaves it to an error that stands for
// several jobs to say which of them failed, and how; this one stands for none.
type endWritten struct{}

func (endWritten) Error() string               { return "the end of the attempt is written" }
func (endWritten) Jobs() []*rivertype.JobRow   { return nil }
func (endWritten) ErrorsByID() map[int64]error { return nil }

// ending is what the run row says at the end.
type ending struct {
	outcome string
	err     string
	pause   time.Duration // before the job may be fetched again, when it goes back
	result  runner.Result
	ended   time.Time
	pending *runlog.Pending // log lines and progress not written yet
	verdict verdict
}

// exitCode is nil when the program did not exit by itself.
func (e *ending) exitCode() *int {
	if e.result.Started.IsZero() || e.result.ExitCode < 0 {
		return nil
	}
	return &e.result.ExitCode
}

// clean takes the secrets out of a text of the attempt's.
func (a *attempt) clean(text string) string {
	if a.said == nil { // it never ran
		return a.service.redact.Text(text)
	}
	return a.said.Text(text)
}

// stdout is what a text column can take of the result; nil when there is none.
func (e *ending) stdout(d *db.DB) *string {
	if len(e.result.Stdout) == 0 {
		return nil
	}
	text := d.Clean(strings.ToValidUTF8(string(e.result.Stdout), "\uFFFD"))
	return &text
}

// finish writes the end of the attempt. River takes what it returns as the end of the job.
func (a *attempt) finish(ctx context.Context, result runner.Result, failure error) error {
	if a.said != nil {
		result.Stdout = []byte(a.said.Output(string(result.Stdout), result.StdoutDropped > 0))
	}
	end := &ending{outcome: a.outcome(ctx, failure), result: result, ended: time.Now()}
	end.pause = a.service.judgeHost(result, failure)
	if end.outcome == "failed" {
		failure = a.judge(end, failure)
	}
	var jobs []river.InsertManyParams
	if end.outcome == "ok" {
		if jobs, failure = a.insertParams(result.Enqueue); failure != nil {
			end.outcome = "failed"
		}
	}
	err := a.conclude(end, jobs, failure)
	switch {
	case errors.Is(err, errRefused): // the jobs it asked for cannot be inserted
		end.outcome = "failed"
		err = a.conclude(end, nil, err)
	case err == nil, errors.Is(err, engineriver.ErrSuperseded), isClosed(a.service.gone):
	case end.outcome == "lost": // River's statement cannot read what stands in the job's row
		err = a.requeue(lostText(failure) + backText)
	default: // the database refuses what it said
		err = a.conclude(&ending{outcome: "failed", ended: end.ended}, nil, unwritten(err))
	}
	switch {
	case err == nil:
		return endWritten{}
	case errors.Is(err, engineriver.ErrSuperseded):
		a.service.log.Warn("the end of an attempt does not count: another worker has its job", "job", a.job.ID, "run", a.runID)
		a.endSuperseded()
		return endWritten{}
	case isClosed(a.service.gone): // nothing of it happened: the next worker finds this one gone and runs the job again
		return endWritten{}
	}
	return unwritten(err)
}

// requeue ends an attempt that uses up none by statements of ours, which read nothing of the job.
func (a *attempt) requeue(text string) error {
	s, pending := a.service, a.service.logs.Close(a.runID)
	return s.persistUntilGone("requeue a job", func(ctx context.Context) error {
		return s.db.InTx(ctx, func(tx *db.Tx) error {
			moved, err := s.actor.Requeue(ctx, tx, engineriver.Running{ID: a.job.ID, Attempt: a.job.Attempt, Queue: a.job.Queue, Client: a.client})
			if err == nil && !moved {
				err = engineriver.ErrSuperseded
			}
			if err != nil {
				return err
			}
			if pending != nil {
				if _, err := pending.Write(ctx, tx); err != nil {
					return err
				}
			}
			_, err = s.endRuns(ctx, tx, text, `id = $1`, a.runID)
			return err
		})
	})
}

func unwritten(err error) *attemptError {
	return &attemptError{text: fmt.Sprintf("its end could not be written: %v", err)}
}

// endSuperseded ends the run of an attempt that lost its job, if those who took it did not: the run may have been written
// after they looked.
func (a *attempt) endSuperseded() {
	s := a.service
	err := s.persistUntilGone("end a run that lost its job", func(ctx context.Context) error {
		return s.db.InTx(ctx, func(tx *db.Tx) error {
			_, err := s.endRuns(ctx, tx, lostWorker(s.id)+backText, `id = $1`, a.runID)
			return err
		})
	})
	s.health.report("end a run that lost its job", err)
}

func (a *attempt) outcome(ctx context.Context, failure error) string {
	switch {
	case failure == nil:
		return "ok"
	case errors.Is(failure, runner.ErrTimeout):
		return "timeout"
	case errors.Is(failure, rivertype.ErrJobCancelledRemotely):
		return "cancelled"
	case errors.As(failure, new(*absentError)), errors.As(failure, new(*runner.HostError)):
		return "lost"
	case errors.Is(failure, runner.ErrFenced), ctx.Err() != nil && errors.Is(failure, context.Cause(ctx)):
		return "lost"
	}
	return "failed"
}

// conclude makes the end of an attempt one transaction: the jobs it asked for, its last log lines, the end of its run,
// and the state of its job. If that fails, nothing of it happened. A job that another worker has taken over is left
// alone.
func (a *attempt) conclude(end *ending, jobs []river.InsertManyParams, failure error) error {
	s := a.service
	if failure != nil {
		end.err = s.db.Clean(engine.Clip(a.clean(errorText(a.spec, end.outcome, failure)), engine.MaxErrorText))
	}
	end.pending = s.logs.Close(a.runID)
	err := s.persistUntilGone("write the end of a run", func(ctx context.Context) error {
		return s.db.InTx(ctx, func(tx *db.Tx) error {
			if mine, err := a.mayEnd(ctx, tx); err != nil || !mine {
				return err
			}
			if len(jobs) > 0 {
				if _, err := s.queue.InsertManyTx(ctx, tx, jobs); err != nil {
					return fmt.Errorf("%w: %w", errRefused, err)
				}
			}
			if err := a.writeEnd(ctx, tx, end); err != nil {
				return err
			}
			return a.moveJob(ctx, tx, end)
		})
	})
	if err != nil && !errors.Is(err, engineriver.ErrSuperseded) {
		s.logs.Reopen(a.runID, end.pending)
	}
	s.logs.Wake(a.runID)
	return err
}

// mayEnd reports whether the attempt still has its end before it. It is false when an earlier try did commit after all, and
// ErrSuperseded when the job was given to another worker.
func (a *attempt) mayEnd(ctx context.Context, tx *db.Tx) (bool, error) {
	held := a.hold(ctx, tx) // first: it waits for an earlier try that is still being committed
	if held != nil && !errors.Is(held, engineriver.ErrSuperseded) {
		return false, held
	}
	var ended sql.NullInt64
	var outcome string
	err := tx.QueryRowContext(ctx, `select ended_ms, outcome from run where id = $1`, a.runID).Scan(&ended, &outcome)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, err
	}
	if ended.Valid && outcome != "lost" {
		return false, nil
	}
	return true, held
}

// hold keeps the job as it is until the transaction ends, or returns ErrSuperseded when it is not this attempt's any more.
func (a *attempt) hold(ctx context.Context, tx *db.Tx) error {
	return a.service.actor.Hold(ctx, tx, a.job.ID, a.job.Attempt, a.client)
}

// moveJob brings the job to the state River would, but in our transaction: River does it later and on its own, and a
// crash in between would leave a job running whose run has ended.
func (a *attempt) moveJob(ctx context.Context, tx *db.Tx, end *ending) error {
	to, err := a.jobState(end)
	if err != nil {
		return err
	}
	return a.service.actor.SetState(ctx, tx, to)
}

// retryLeast gives River the time to let go of the attempt before the job may come again.
const retryLeast = 100 * time.Millisecond

func (a *attempt) jobState(end *ending) (*riverdriver.JobSetStateIfRunningParams, error) {
	id := a.job.ID
	switch end.outcome {
	case "ok":
		return riverdriver.JobSetStateCompleted(id, end.ended, nil), nil
	case "lost": // this worker stops, or its host lacks something: it does not use up an attempt
		return riverdriver.JobSetStateInterrupted(id, time.Now().Add(end.pause), max(a.job.Attempt-1, 0), nil), nil
	case engine.Later:
		return a.putOff(end)
	}
	failure, err := json.Marshal(rivertype.AttemptError{At: a.begun.UTC(), Attempt: a.job.Attempt, Error: end.err})
	if err != nil {
		return nil, err
	}
	delay := max(cmp.Or(end.verdict.pause, a.spec.Backoff.Wait(a.job.Attempt)), retryLeast)
	switch {
	case end.outcome == "cancelled":
		return riverdriver.JobSetStateCancelled(id, end.ended, failure, nil), nil
	case a.job.Attempt >= a.job.MaxAttempts, end.verdict.never:
		return riverdriver.JobSetStateDiscarded(id, end.ended, failure, nil), nil
	case delay <= engineriver.ScheduleAbove:
		return riverdriver.JobSetStateErrorAvailable(id, time.Now().Add(delay), failure, nil), nil
	}
	return riverdriver.JobSetStateErrorRetryable(id, time.Now().Add(delay), failure, nil), nil
}

// writeEnd ends the run row, unless the reaper did.
func (a *attempt) writeEnd(ctx context.Context, tx *db.Tx, end *ending) error {
	if end.pending != nil {
		if _, err := end.pending.Write(ctx, tx); err != nil {
			return err
		}
	}
	var group, failure, signal any
	if end.err != "" {
		failure = end.err
	}
	if isFailure(end.outcome) {
		group = a.fingerprint(end)
	}
	if end.result.Signal != "" {
		signal = end.result.Signal
	}
	outcome, laterMS := end.outcome, any(nil)
	if outcome == engine.Later { // as a version before it knows it; the pause distinguishes them
		outcome, laterMS = "cancelled", end.verdict.pause.Milliseconds()
	}
	_, err := tx.ExecContext(ctx, `update run set outcome = $2, ended_ms = $3, run_ms = $4, exit_code = $5, signal = $6,
		error = $7, fingerprint = $8, result = $9, result_dropped = $10, later_ms = $11 where id = $1 and ended_ms is null`,
		a.runID, outcome, end.ended.UnixMilli(), end.ended.Sub(a.begun).Milliseconds(), end.exitCode(), signal,
		failure, group, end.stdout(a.service.db), end.result.StdoutDropped, laterMS)
	return err
}

// fingerprint groups the failure: by what the agent calls it, by the stack that its runtime printed, or by the text of the error.
func (a *attempt) fingerprint(end *ending) string {
	text, explicit := end.err, ""
	if end.outcome == "failed" {
		text, explicit = a.clean(end.result.Stack)+"\n"+end.err, a.clean(end.result.Fingerprint)
	}
	return fingerprint.Of(text, explicit).In(a.spec.Name)
}

// lostText says what became of the attempt's worker.
func lostText(failure error) string {
	for _, known := range []error{runner.ErrFenced, errCutOff, engineriver.ErrSuperseded} {
		if errors.Is(failure, known) {
			return known.Error()
		}
	}
	if absent := new(absentError); errors.As(failure, &absent) {
		return absent.Error()
	}
	if host := new(runner.HostError); errors.As(failure, &host) {
		return engine.Clip(host.Error(), engine.MaxErrorText/2)
	}
	return "the worker was stopped"
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
		return lostText(failure) + backText
	}
	return failure.Error()
}

// insertParams turns what an attempt asked for into jobs, or returns why that cannot be.
func (a *attempt) insertParams(requests []runner.EnqueueRequest) ([]river.InsertManyParams, error) {
	now := time.Now()
	all := make([]river.InsertManyParams, 0, len(requests))
	for _, r := range requests {
		p := engine.EnqueueParams{Agent: r.Agent, Args: r.Args, Queue: r.Queue, Priority: r.Priority}
		if r.Delay > 0 {
			due := now.Add(r.Delay)
			p.ScheduledAt = &due
		}
		params, err := a.service.paramsOf(p)
		if err != nil {
			return nil, fmt.Errorf("it ended well but asked to enqueue what cannot be: %w", err)
		}
		all = append(all, params)
	}
	return all, nil
}
