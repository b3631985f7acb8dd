package attach

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/jobs"
)

const (
	// attemptBits hold the attempt in the id of a run; River counts attempts in 16 bits with a sign.
	attemptBits = 15
	// maxLogs bounds the metadata, in bytes, that is looked at for log lines in the list of the newest.
	maxLogs = 64 << 10
	// maxOutput bounds the metadata, in bytes, in which a job's output is looked for.
	maxOutput = 1 << 20
	// logJobs is of how many jobs that ended last the newest log lines are shown.
	logJobs    = 30
	linesOfJob = 5
	maxLine    = 300
)

// runOf makes the id of an attempt; River has none. Of a job or an attempt whose number is too large it is 0: no run.
func runOf(job int64, attempt int) int64 {
	if job < 0 || job >= 1<<(63-attemptBits) || attempt < 0 || attempt >= 1<<attemptBits {
		return 0
	}
	return job<<attemptBits | int64(attempt)
}

// Get returns everything River keeps of a job. Of its attempts that is the last, and the errors of those that failed.
func (s *Service) Get(ctx context.Context, id int64) (jobs.Detail, error) {
	d, err := s.Row(ctx, id)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return jobs.Detail{}, jobs.NoSuchJob(id)
	case err != nil:
		return jobs.Detail{}, jobs.Explain(fmt.Sprintf("read job %d", id), err)
	}
	var output sql.NullString
	err = s.foreign.Read.QueryRowContext(ctx, `select `+s.sql.output+` from river_job j where j.id = $1`, id).Scan(&output)
	switch {
	case errors.Is(err, sql.ErrNoRows): // deleted meanwhile
	case err != nil:
		return jobs.Detail{}, jobs.Explain(fmt.Sprintf("read job %d", id), err)
	case output.Valid:
		text := s.redact.Output(output.String)
		d.Result = &text
	}
	if run, some := lastRun(&d); some {
		d.Runs = []jobs.Run{run}
		d.LogRunID = &run.ID
	}
	return d, nil
}

// lastRun makes a run of what a job's row tells about its last attempt.
func lastRun(d *jobs.Detail) (jobs.Run, bool) {
	if d.AttemptedAt == nil || d.Attempt < 1 || runOf(d.ID, d.Attempt) == 0 {
		return jobs.Run{}, false
	}
	r := jobs.Run{
		ID: runOf(d.ID, d.Attempt), JobID: d.ID, Attempt: d.Attempt, Agent: d.Agent, Queue: d.Queue,
		ScheduledAt: d.ScheduledAt, StartedAt: *d.AttemptedAt,
	}
	if d.Worker != nil {
		r.Worker = *d.Worker
	}
	var failure *jobs.AttemptError
	for i := range d.Errors {
		if d.Errors[i].Attempt == d.Attempt {
			failure = &d.Errors[i]
		}
	}
	switch {
	case d.State == "running":
		r.Outcome = "running"
	case d.State == "completed":
		r.Outcome, r.EndedAt = "ok", d.FinalizedAt
	case failure != nil && d.State == "cancelled":
		r.Outcome, r.EndedAt = "cancelled", &failure.At
	case failure != nil && strings.HasPrefix(failure.Error, rescuedText):
		r.Outcome, r.EndedAt, r.Error = "lost", &failure.At, &failure.Error
	case failure != nil:
		r.Outcome, r.EndedAt, r.Error = "failed", &failure.At, &failure.Error
	default: // snoozed, or put back by hand: nothing tells how the attempt ended
		return jobs.Run{}, false
	}
	if waited, known := d.AttemptedAt.Since(d.ScheduledAt); known { // 0 when it is already when the next one is due
		r.WaitMS = waited.Milliseconds()
	}
	if r.EndedAt != nil && r.Outcome != "lost" {
		if ran, known := r.EndedAt.Since(r.StartedAt); known {
			ms := ran.Milliseconds()
			r.RunMS = &ms
		}
	}
	return r, true
}

// logEntry is what River's log middleware writes into a job's metadata, for each attempt.
type logEntry struct {
	Attempt int    `json:"attempt"`
	Log     string `json:"log"`
}

// RunLogs returns what an attempt logged, if the application keeps that by River's log middleware: whole, once the attempt is
// over. Ids of lines are their numbers.
func (s *Service) RunLogs(ctx context.Context, run, after int64, limit int) (lines []jobs.LogLine, done bool, err error) {
	job, attempt := run>>attemptBits, int(run&(1<<attemptBits-1))
	var kind, state string
	var ended jobs.Time
	var text sql.NullString
	err = s.foreign.Read.QueryRowContext(ctx, `select j.kind, j.state, j.finalized_at, `+strings.Replace(s.sql.logsOf, fmt.Sprint(maxLogs), fmt.Sprint(maxWholeLog), 1)+
		` from river_job j where j.id = $1`, job).Scan(jobs.Name(&kind), &state, &ended, &text)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, false, jobs.NoSuchJob(job)
	case err != nil:
		return nil, false, jobs.Explain("read the log", err)
	}
	all := s.linesOf(job, attempt, kind, text.String, time.Time{})
	if limit <= 0 {
		limit = 500
	}
	for _, l := range all {
		if l.ID > after && len(lines) < limit {
			lines = append(lines, l)
		}
	}
	if lines == nil {
		lines = []jobs.LogLine{}
	}
	return lines, state != "running" && (len(lines) == 0 || lines[len(lines)-1].ID == int64(len(all))), nil
}

// maxWholeLog bounds the metadata in which the log of one job is looked for: River's middleware keeps up to 8 MB.
const maxWholeLog = 16 << 20

// WaitRunLogs is RunLogs: lines appear at the end of an attempt, all at once. While it runs, it waits.
func (s *Service) WaitRunLogs(ctx context.Context, run, after int64, limit int) ([]jobs.LogLine, bool, error) {
	for {
		lines, done, err := s.RunLogs(ctx, run, after, limit)
		if err != nil && ctx.Err() == nil {
			return nil, false, err
		}
		if done || len(lines) > 0 {
			return lines, done, nil
		}
		if !pause(ctx, 2*time.Second) {
			return []jobs.LogLine{}, false, nil
		}
	}
}

// linesOf splits the log of one attempt, or of the last one when attempt is 0. The zero time stands for the time in the line.
func (s *Service) linesOf(job int64, attempt int, kind, text string, at time.Time) []jobs.LogLine {
	var entries []logEntry
	if text == "" || json.Unmarshal([]byte(text), &entries) != nil {
		return nil
	}
	var lines []jobs.LogLine
	for i, e := range entries {
		if attempt == 0 && i < len(entries)-1 || attempt != 0 && e.Attempt != attempt {
			continue
		}
		clean := s.redact.Attempt(nil)
		for line := range strings.Lines(e.Log) {
			line = clean.Line(strings.TrimRight(line, "\r\n"))
			if line == "" {
				continue
			}
			l := jobs.LogLine{ID: int64(len(lines) + 1), At: at, Agent: kind, JobID: job, RunID: runOf(job, e.Attempt)}
			l.Level, l.Msg = agent.CleanLine(line)
			if told, ok := timeOf(line); ok {
				l.At = told
			}
			l.Order = l.ID
			lines = append(lines, l)
		}
	}
	return lines
}

// timeOf reads the time as slog's two handlers write it.
func timeOf(line string) (time.Time, bool) {
	for _, mark := range []string{"time=", `"time":"`} {
		_, rest, found := strings.Cut(line, mark)
		if !found {
			continue
		}
		if end := strings.IndexAny(rest, " \""); end > 0 {
			rest = rest[:end]
		}
		if at, err := time.Parse(time.RFC3339Nano, rest); err == nil && jobs.TimeOf(at.UTC()).Known() {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}

// latest is the newest log lines.
type latest struct {
	paced[[]jobs.LogLine]
}

// LatestLogs returns the last lines of the jobs that ended last, newest first, if the application keeps them by River's log
// middleware. Jobs whose metadata is above 64 KB are left out: their log is on their own page.
func (s *Service) LatestLogs(ctx context.Context, n int) ([]jobs.LogLine, error) {
	if s.noEnded() {
		return nil, missing(endedIndex)
	}
	lines, _, err := s.latest.get(ctx, s.askers, s.fresh(), shareLogs, func(ctx context.Context) ([]jobs.LogLine, error) {
		lines, err := s.readLatest(ctx)
		return lines, jobs.Explain("read the newest log lines", err)
	})
	return slices.Clone(lines[:min(n, len(lines))]), err
}

func (s *Service) readLatest(ctx context.Context) ([]jobs.LogLine, error) {
	all := []jobs.LogLine{}
	for _, state := range []string{"completed", "discarded"} {
		rows, err := s.foreign.Read.QueryContext(ctx, `select j.id, j.kind, j.finalized_at, `+s.sql.logsOf+` from river_job j where j.id in (
			select id from river_job where state = '`+state+`' and finalized_at is not null and finalized_at < $2 order by finalized_at desc limit $1)`, logJobs, s.foreign.Stamp(s.now().Add(ahead)))
		_, err = jobs.Collect(rows, err, func(rows *sql.Rows) (struct{}, error) {
			var id int64
			var kind string
			var ended jobs.Time
			var text sql.NullString
			if err := rows.Scan(&id, jobs.Name(&kind), &ended, &text); err != nil {
				return struct{}{}, err
			}
			if !ended.Known() {
				ended = jobs.Time{}
			}
			lines := s.linesOf(id, 0, kind, text.String, ended.Time)
			all = append(all, lines[max(0, len(lines)-linesOfJob):]...)
			return struct{}{}, nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b jobs.LogLine) int { return b.At.Compare(a.At) })
	for i := range all {
		l := &all[i]
		l.ID = l.JobID*1000 + l.ID%1000 // one of its own among all
		l.Order, l.Msg = -l.At.UnixMilli(), jobs.Clip(l.Msg, maxLine)
	}
	return all, nil
}
