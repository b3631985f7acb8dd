package river

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
)

const maxSimilar = 1000 // failures of one fingerprint that are counted

// Running returns at most n jobs under way, the longest running first. A job waiting for one of its agent's slots in a
// shared queue has no run yet.
func (rd *Reader) Running(ctx context.Context, n int) ([]engine.RunningJob, error) {
	// Most running jobs have a run, whose index is in the order wanted ("cross" keeps SQLite from beginning with the jobs);
	// the rest is found by River's index.
	rows, err := rd.db.Read.QueryContext(ctx, `select `+rd.sql.jobColumns()+`, r.id, r.started_ms, r.progress, r.message
		from run r cross join river_job j
		where j.id = r.job_id and r.ended_ms is null and j.state = 'running' order by r.started_ms, r.id limit $1`, n)
	all, err := db.Collect(rows, err, rd.scanRunning)
	if err != nil {
		return nil, engine.WrapDB("read the running jobs", err)
	}
	if len(all) < n {
		begun := map[engine.ID]bool{}
		for _, j := range all {
			begun[j.ID] = true
		}
		waiting, err := rd.jobsWhere(ctx, `where j.state = 'running' order by j.state, j.queue, j.priority, j.scheduled_at, j.id limit $1`, 2*n)
		if err != nil {
			return nil, engine.WrapDB("read the running jobs", err)
		}
		for _, j := range waiting {
			if !begun[j.ID] && j.AttemptedAt != nil {
				all = append(all, engine.RunningJob{Job: j.Job, StartedAt: *j.AttemptedAt})
			}
		}
		slices.SortStableFunc(all, func(a, b engine.RunningJob) int { return a.StartedAt.Compare(b.StartedAt.Time) })
	}
	all = all[:min(len(all), n)]
	for i := range all {
		all[i].Order = all[i].StartedAt.UnixMilli()
		if all[i].Worker != nil {
			all[i].Host = HostOf(*all[i].Worker)
		}
	}
	return all, nil
}

func (rd *Reader) scanRunning(rows *sql.Rows) (engine.RunningJob, error) {
	var run engine.ID
	var started int64
	var progress sql.Null[float64]
	var message sql.Null[string]
	r, err := rd.scanJob(rows, &run, &started, &progress, &message)
	return engine.RunningJob{Job: r.Job, RunID: &run, StartedAt: engine.TimeOf(db.FromMS(started)), Progress: db.Ptr(progress), Message: rd.redact.Maybe(db.Ptr(message))}, err
}

// readFailures reads failed attempts; countSimilar adds how many failed like each.
func (rd *Reader) readFailures(ctx context.Context, condition string, args ...any) ([]engine.Failure, error) {
	rows, err := rd.db.Read.QueryContext(ctx, `select id, job_id, agent, ended_ms, attempt, max_attempts, outcome, exit_code,
		coalesce(error, ''), coalesce(fingerprint, ''), coalesce(run_ms, 0) from run `+condition, args...)
	return db.Collect(rows, err, func(rows *sql.Rows) (f engine.Failure, err error) {
		var ended int64
		var code sql.Null[int]
		err = rows.Scan(&f.RunID, &f.JobID, &f.Agent, &ended, &f.Attempt, &f.MaxAttempts, &f.Outcome, &code, &f.Error, &f.Fingerprint, &f.RunMS)
		f.At, f.Order, f.ExitCode = engine.TimeOf(db.FromMS(ended)), -ended, db.Ptr(code)
		f.Error = engine.Clip(rd.redact.Text(f.Error), maxListError)
		return f, err
	})
}

// countSimilar fills in how many attempts failed alike.
func (rd *Reader) countSimilar(ctx context.Context, all []engine.Failure) error {
	similar := map[string]int{}
	since := time.Now().Add(-24 * time.Hour).UnixMilli()
	for i, f := range all {
		n, known := similar[f.Fingerprint]
		if !known {
			err := rd.db.Read.QueryRowContext(ctx, `select count(*) from (select 1 from run
				where fingerprint = $1 and ended_ms >= $2 limit $3) same`, f.Fingerprint, since, maxSimilar).Scan(&n)
			if err != nil {
				return err
			}
			similar[f.Fingerprint] = n
		}
		all[i].Similar24h, all[i].Capped = n, n >= maxSimilar
	}
	return nil
}

const runColumns = `id, job_id, attempt, agent, queue, worker, outcome, scheduled_ms, started_ms, ended_ms, wait_ms, run_ms,
	exit_code, signal, error, progress, substr(result, 1, 2048), octet_length(result), result_dropped > 0, input_tokens, output_tokens, cost_usd, later_ms`

func (rd *Reader) scanRun(rows *sql.Rows) (r engine.Run, err error) {
	var scheduled, started int64
	var ended sql.NullInt64
	var runMS, laterMS sql.Null[int64]
	var code sql.Null[int]
	var signal, failure, result sql.Null[string]
	var size sql.Null[int64]
	var progress sql.Null[float64]
	err = rows.Scan(&r.ID, &r.JobID, &r.Attempt, &r.Agent, &r.Queue, &r.Worker, &r.Outcome, &scheduled, &started, &ended,
		&r.WaitMS, &runMS, &code, &signal, &failure, &progress, &result, &size, &r.ResultTruncated,
		&r.Usage.InputTokens, &r.Usage.OutputTokens, &r.Usage.CostUSD, &laterMS)
	if laterMS.Valid {
		r.Outcome = engine.Later
	}
	r.ScheduledAt, r.StartedAt, r.EndedAt = engine.TimeOf(db.FromMS(scheduled)), engine.TimeOf(db.FromMS(started)), engine.TimeOfMS(ended)
	r.RunMS, r.ExitCode, r.Signal, r.Error = db.Ptr(runMS), db.Ptr(code), db.Ptr(signal), rd.redact.Maybe(db.Ptr(failure))
	r.Progress = db.Ptr(progress)
	if result.Valid {
		text := rd.Text(result.V, size.V).Text
		r.Result, r.ResultBytes = &text, db.Ptr(size)
	}
	return r, err
}
