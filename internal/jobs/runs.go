package jobs

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
)

const maxSimilar = 1000 // failures of one fingerprint that are counted

// Running returns at most n jobs under way, the longest running first. A job waiting for one of its agent's slots in a
// shared queue has no run yet.
func (s *Service) Running(ctx context.Context, n int) ([]engine.RunningJob, error) {
	// Most running jobs have a run, whose index is in the order wanted ("cross" keeps SQLite from beginning with the jobs);
	// the rest is found by River's index.
	rows, err := s.db.Read.QueryContext(ctx, `select `+s.sql.jobColumns()+`, r.id, r.started_ms, r.progress, r.message
		from run r cross join river_job j
		where j.id = r.job_id and r.ended_ms is null and j.state = 'running' order by r.started_ms, r.id limit $1`, n)
	all, err := db.Collect(rows, err, s.scanRunning)
	if err != nil {
		return nil, engine.WrapDB("read the running jobs", err)
	}
	if len(all) < n {
		begun := map[int64]bool{}
		for _, j := range all {
			begun[j.ID] = true
		}
		waiting, err := s.jobsWhere(ctx, `where j.state = 'running' order by j.state, j.queue, j.priority, j.scheduled_at, j.id limit $1`, 2*n)
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
			all[i].Host = hostOf(*all[i].Worker)
		}
	}
	return all, nil
}

func (s *Service) scanRunning(rows *sql.Rows) (engine.RunningJob, error) {
	var run, started int64
	var progress sql.Null[float64]
	var message sql.Null[string]
	r, err := s.scanJob(rows, &run, &started, &progress, &message)
	return engine.RunningJob{Job: r.Job, RunID: &run, StartedAt: engine.TimeOf(db.FromMS(started)), Progress: db.Ptr(progress), Message: s.redact.Maybe(db.Ptr(message))}, err
}

// readFailures reads failed attempts; countSimilar adds how many failed like each.
func (s *Service) readFailures(ctx context.Context, condition string, args ...any) ([]engine.Failure, error) {
	rows, err := s.db.Read.QueryContext(ctx, `select id, job_id, agent, ended_ms, attempt, max_attempts, outcome, exit_code,
		coalesce(error, ''), coalesce(fingerprint, ''), coalesce(run_ms, 0) from run `+condition, args...)
	return db.Collect(rows, err, func(rows *sql.Rows) (f engine.Failure, err error) {
		var ended int64
		var code sql.Null[int]
		err = rows.Scan(&f.RunID, &f.JobID, &f.Agent, &ended, &f.Attempt, &f.MaxAttempts, &f.Outcome, &code, &f.Error, &f.Fingerprint, &f.RunMS)
		f.At, f.Order, f.ExitCode = engine.TimeOf(db.FromMS(ended)), -ended, db.Ptr(code)
		f.Error = engine.Clip(s.redact.Text(f.Error), maxListError)
		return f, err
	})
}

// countSimilar fills in how many attempts failed alike.
func (s *Service) countSimilar(ctx context.Context, all []engine.Failure) error {
	similar := map[string]int{}
	since := time.Now().Add(-24 * time.Hour).UnixMilli()
	for i, f := range all {
		n, known := similar[f.Fingerprint]
		if !known {
			err := s.db.Read.QueryRowContext(ctx, `select count(*) from (select 1 from run
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

func (s *Service) scanRun(rows *sql.Rows) (r engine.Run, err error) {
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
		r.Outcome = later
	}
	r.ScheduledAt, r.StartedAt, r.EndedAt = engine.TimeOf(db.FromMS(scheduled)), engine.TimeOf(db.FromMS(started)), engine.TimeOfMS(ended)
	r.RunMS, r.ExitCode, r.Signal, r.Error = db.Ptr(runMS), db.Ptr(code), db.Ptr(signal), s.redact.Maybe(db.Ptr(failure))
	r.Progress = db.Ptr(progress)
	if result.Valid {
		text := s.Text(result.V, size.V).Text
		r.Result, r.ResultBytes = &text, db.Ptr(size)
	}
	return r, err
}

// LatestLogs returns the n log lines written last, newest first.
func (s *Service) LatestLogs(ctx context.Context, n int) ([]engine.LogLine, error) {
	lines, err := s.logLines(ctx, `order by id desc limit $1`, n)
	for i := range lines {
		lines[i].Order = -lines[i].ID
		lines[i].Msg = engine.Clip(lines[i].Msg, maxShownLine)
	}
	return lines, engine.WrapDB("read the newest log lines", err)
}

const maxShownLine = 300 // bytes of a line among the latest

func (s *Service) logLines(ctx context.Context, condition string, args ...any) ([]engine.LogLine, error) {
	rows, err := s.db.Read.QueryContext(ctx, `select id, run_id, job_id, agent, at_ms, level, msg, left_lines, left_bytes from run_log `+condition, args...)
	return db.Collect(rows, err, func(rows *sql.Rows) (l engine.LogLine, err error) {
		var at int64
		var lines, bytes sql.Null[int64]
		err = rows.Scan(&l.ID, &l.RunID, &l.JobID, &l.Agent, &at, &l.Level, &l.Msg, &lines, &bytes)
		if lines.Valid {
			l.Gap = &engine.LogGap{Lines: db.Ptr(lines), Bytes: db.Ptr(bytes)}
		}
		l.Msg = s.redact.Text(l.Msg)
		l.At, l.Order = db.FromMS(at), l.ID
		return l, err
	})
}

const (
	logsDefault = 500
	logsMax     = 5000
	logsBytes   = 256 << 10 // of the lines of one answer
	// logsPoll is how often the lines of another process's run are looked for.
	logsPoll = 200 * time.Millisecond
	// logsCheck is for a run of this process, which tells by itself.
	logsCheck = 2 * time.Second
)

// RunLogs returns at most limit lines of a run that come after a line's id, oldest first, and whether these are the last:
// the run has ended and nothing follows. An answer has 256 KB of lines at most. If the first lines were deleted because of their
// age or because logs take too much, a line in their place says so.
func (s *Service) RunLogs(ctx context.Context, run, after int64, limit int) (lines []engine.LogLine, done bool, err error) {
	limit = min(cmp.Or(max(limit, 0), logsDefault), logsMax)
	var ended, first sql.NullInt64 // before the lines: what is written with the end is then among them
	var job, began int64
	var agent string
	err = s.db.Read.QueryRowContext(ctx, `select ended_ms, first_log, job_id, agent, started_ms from run where id = $1`, run).Scan(&ended, &first, &job, &agent, &began)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, engine.ErrorOf(engine.ErrNotFound, "there is no run %d: it was deleted, or pruned after some days", run)
	}
	if err != nil {
		return nil, false, engine.WrapDB("read the run", err)
	}
	lines, err = s.logLines(ctx, `where id in (select id from (
			select id, coalesce(sum(bytes) over (order by id rows between unbounded preceding and 1 preceding), 0) earlier
			from (select id, octet_length(msg) bytes from run_log where run_id = $1 and id > $2 order by id limit $3) next) sized
			where earlier < $4) order by id`, run, after, limit+1, logsBytes)
	if err != nil {
		return nil, false, engine.WrapDB("read the log", err)
	}
	size := 0
	for i := range lines {
		size += len(lines[i].Msg)
	}
	done = ended.Valid && len(lines) <= limit && size < logsBytes
	lines = lines[:min(len(lines), limit)]
	if first.Valid && after < first.Int64 {
		var kept int64
		if err := s.db.Read.QueryRowContext(ctx, `select coalesce(min(id), $1) from run_log`, int64(math.MaxInt64)).Scan(&kept); err != nil {
			return nil, false, engine.WrapDB("read the log", err)
		}
		if kept > first.Int64 {
			removed := engine.LogLine{
				ID: first.Int64, Order: first.Int64, At: db.FromMS(began), Level: "warn", Agent: agent, JobID: job, RunID: run, Gap: &engine.LogGap{},
				Msg: "older lines were removed: " + s.keep.logs.String(),
			}
			lines = slices.Insert(lines, 0, removed)
		}
	}
	return lines, done, nil
}

// WaitRunLogs is RunLogs that waits for a line or the end of the run, until ctx is done; then it returns no lines and no
// error.
func (s *Service) WaitRunLogs(ctx context.Context, run, after int64, limit int) ([]engine.LogLine, bool, error) {
	news, stop := s.logs.listen(run)
	defer stop()
	for {
		lines, done, err := s.RunLogs(ctx, run, after, limit)
		switch {
		case ctx.Err() != nil:
			return []engine.LogLine{}, false, nil
		case err != nil || done || len(lines) > 0:
			return lines, done, err
		}
		pause := logsPoll
		if s.logs.here(run) {
			pause = logsCheck
		}
		select {
		case <-ctx.Done():
			return []engine.LogLine{}, false, nil
		case <-news:
		case <-time.After(pause):
		}
	}
}
