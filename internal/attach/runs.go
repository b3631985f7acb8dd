package attach

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river"
	"github.com/agentos/agentos/internal/engine/river/ends"
	"github.com/agentos/agentos/internal/paced"
	"github.com/agentos/agentos/internal/redact"
	"github.com/agentos/agentos/internal/runner"
)

const (
	// attemptBits hold the attempt in the id of a run; River counts attempts in 16 bits with a sign.
	attemptBits = 15
	// maxLogs bounds the metadata, in bytes, that is looked at for log lines in the list of the newest.
	maxLogs = 64 << 10
	// maxOutput bounds the metadata, in bytes as stored, in which a job's output is looked for.
	maxOutput = 16 << 20
	// inlineOutput is what a job's page has of an output.
	inlineOutput = 64 << 10
	// maxLatest is how much of a log the newest lines are taken from.
	maxLatest = 8 << 10
	// Of a longer log the beginning and the end are read.
	headOfLog = 256 << 10
	tailOfLog = 768 << 10
	// logJobs is of how many jobs that ended last the newest log lines are shown.
	logJobs    = 30
	linesOfJob = 5
	maxLine    = 300
)

// runOf makes the id of an attempt; River has none. A job or an attempt whose number is too large has none either: false.
func runOf(id engine.ID, attempt int) (engine.ID, bool) {
	job, ok := id.Number()
	if !ok || job >= 1<<(63-attemptBits) || attempt < 0 || attempt >= 1<<attemptBits {
		return "", false
	}
	return engine.NumberID(job<<attemptBits | int64(attempt)), true
}

// attemptOf takes the id of an attempt apart.
func attemptOf(run engine.ID) (job int64, attempt int, ok bool) {
	n, ok := run.Number()
	return n >> attemptBits, int(n & (1<<attemptBits - 1)), ok
}

// Get returns everything River keeps of a job. Of its attempts that is the last, and the errors of those that failed.
func (s *Service) Get(ctx context.Context, id engine.ID) (engine.Detail, error) {
	job, err := river.JobNumber(id)
	if err != nil {
		return engine.Detail{}, err
	}
	d, err := s.Row(ctx, job)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return engine.Detail{}, engine.NoSuchJob(id)
	case err != nil:
		return engine.Detail{}, engine.WrapDB(fmt.Sprintf("read job %d", job), err)
	}
	output, some, err := s.output(ctx, job, inlineOutput)
	switch {
	case errors.Is(err, sql.ErrNoRows): // deleted meanwhile
	case err != nil:
		return engine.Detail{}, engine.WrapDB(fmt.Sprintf("read job %d", job), err)
	case some:
		d.Result, d.ResultBytes, d.ResultCut = &output.Text, &output.Bytes, output.Cut
	}
	if run, some := lastRun(&d); some {
		d.Runs, d.RunsTotal = []engine.Run{run}, 1
		d.LogRunID = &run.ID
		if d.Result != nil {
			d.ResultRunID = &run.ID
		}
	}
	return d, nil
}

// output reads the beginning of what a job's worker recorded.
func (s *Service) output(ctx context.Context, job int64, most int) (text engine.Text, some bool, err error) {
	var output sql.NullString
	var size sql.NullInt64
	err = s.foreign.Read.QueryRowContext(ctx, `select `+s.sql.output+` from river_job j where j.id = $1`, job, most).Scan(&output, &size)
	if size.Int64 < 0 {
		note := fmt.Sprintf("(not shown: the job's metadata has %d MB)", -size.Int64>>20)
		return engine.Text{Text: note, Bytes: -size.Int64, Cut: true}, true, err
	}
	return s.Text(output.String, size.Int64), output.Valid, err
}

// Result returns what the worker of an attempt recorded as its output.
func (s *Service) Result(ctx context.Context, run engine.ID) (engine.Text, error) {
	job, _, ok := attemptOf(run)
	if !ok {
		return engine.Text{}, engine.NoSuchRun(run)
	}
	text, _, err := s.output(ctx, job, engine.MaxText)
	if errors.Is(err, sql.ErrNoRows) {
		return engine.Text{}, engine.NoSuchJob(engine.NumberID(job))
	}
	return text, engine.WrapDB("read the result", err)
}

// Runs returns the attempts of which more is known than an error: the last one.
func (s *Service) Runs(ctx context.Context, job engine.ID, _ engine.Cursor, _ int) (engine.RunPage, error) {
	d, err := s.Get(ctx, job)
	if err != nil {
		return engine.RunPage{}, err
	}
	return engine.RunPage{Runs: d.Runs}, nil
}

// lastRun makes a run of what a job's row says about its last attempt.
func lastRun(d *engine.Detail) (engine.Run, bool) {
	attempt := *d.Attempt
	run, ok := runOf(d.ID, attempt)
	if d.AttemptedAt == nil || attempt < 1 || !ok {
		return engine.Run{}, false
	}
	r := engine.Run{
		ID: run, JobID: d.ID, Attempt: attempt, Agent: d.Agent, Queue: d.Queue,
		ScheduledAt: *d.ScheduledAt, StartedAt: *d.AttemptedAt,
	}
	if d.Worker != nil {
		r.Worker = *d.Worker
	}
	var failure *engine.AttemptError
	for i := range d.Errors {
		if d.Errors[i].Attempt == attempt {
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
	case failure != nil && strings.HasPrefix(failure.Error, ends.RescuedText):
		r.Outcome, r.EndedAt, r.Error = "lost", &failure.At, &failure.Error
	case failure != nil:
		r.Outcome, r.EndedAt, r.Error = "failed", &failure.At, &failure.Error
	default: // snoozed, or put back by hand: nothing says how the attempt ended
		return engine.Run{}, false
	}
	if waited, known := d.AttemptedAt.Since(*d.ScheduledAt); known { // 0 when it is already when the next one is due
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

// RunLogs returns what an attempt logged, if the application keeps that by River's log middleware: whole, once the attempt is
// over, but of more than a megabyte the beginning and the end. Ids of lines are their numbers.
func (s *Service) RunLogs(ctx context.Context, run engine.ID, after int64, limit int) (lines []engine.LogLine, done bool, err error) {
	job, attempt, ok := attemptOf(run)
	if !ok {
		return nil, false, engine.NoSuchRun(run)
	}
	var kind, state string
	var ended engine.Time
	var head, tail sql.NullString
	var size sql.NullInt64
	err = s.foreign.Read.QueryRowContext(ctx, `select j.kind, j.state, j.finalized_at, l.size, l.head, l.tail from river_job j `+s.sql.logsOf+` where j.id = $1`,
		job, strconv.Itoa(attempt), headOfLog, tailOfLog).Scan(engine.ScanName(&kind), &state, &ended, &size, &head, &tail)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, false, engine.NoSuchJob(engine.NumberID(job))
	case err != nil:
		return nil, false, engine.WrapDB("read the log", err)
	}
	if limit <= 0 {
		limit = 500
	}
	w := lineWriter{after: after, limit: limit, like: engine.LogLine{Agent: kind, JobID: engine.NumberID(job), RunID: run}, clean: s.redact.Attempt(nil, nil)}
	if left := size.Int64 - int64(len(head.String)+len(tail.String)); left > 0 {
		first, cut := cutLast(head.String)
		_, last, _ := strings.Cut(tail.String, "\n") // the first line has lost its beginning
		left += int64(len(cut) + len(tail.String) - len(last))
		w.text(first)
		w.gap(left)
		w.text(last)
	} else {
		w.text(head.String + tail.String)
	}
	return w.lines, state != "running" && !w.more, nil
}

// cutLast takes off the line that has no end.
func cutLast(text string) (lines, cut string) {
	end := strings.LastIndexByte(text, '\n') + 1
	return text[:end], text[end:]
}

// lineWriter makes lines of a log, of those that are asked for.
type lineWriter struct {
	after int64
	limit int
	like  engine.LogLine
	clean *redact.Attempt

	number int64
	lines  []engine.LogLine
	bytes  int
	more   bool // lines follow that were not asked for
}

const maxLines = 256 << 10 // bytes of the lines of one answer

func (w *lineWriter) text(text string) {
	for line := range strings.Lines(text) {
		line = w.clean.Line(strings.TrimRight(line, "\r\n"))
		if line == "" {
			continue
		}
		if l := w.next(); l != nil {
			l.Level, l.Msg = runner.CleanLine(line)
			if at, ok := timeOf(line); ok {
				l.At = at
			}
			w.bytes += len(l.Msg)
		}
	}
}

// gap writes that some of the log is left out here.
func (w *lineWriter) gap(bytes int64) {
	if l := w.next(); l != nil {
		l.Level, l.Gap = "warn", &engine.LogGap{Bytes: &bytes}
		l.Msg = fmt.Sprintf("%d bytes are left out here: of a log of more than a megabyte, the beginning and the end are shown", bytes)
	}
}

// next begins a line; it returns nil for one that is not asked for.
func (w *lineWriter) next() *engine.LogLine {
	if w.lines == nil {
		w.lines = []engine.LogLine{}
	}
	w.number++
	switch {
	case w.number <= w.after:
		return nil
	case len(w.lines) == w.limit || w.bytes > maxLines:
		w.more = true
		return nil
	}
	l := w.like
	l.ID, l.Order = w.number, w.number
	w.lines = append(w.lines, l)
	return &w.lines[len(w.lines)-1]
}

// maxWholeLog bounds the metadata in which the log of one job is looked for: River's middleware keeps up to 8 MB.
const maxWholeLog = 16 << 20

// WaitRunLogs is RunLogs: lines appear at the end of an attempt, all at once. While it runs, it waits.
func (s *Service) WaitRunLogs(ctx context.Context, run engine.ID, after int64, limit int) ([]engine.LogLine, bool, error) {
	for {
		lines, done, err := s.RunLogs(ctx, run, after, limit)
		if err != nil && ctx.Err() == nil {
			return nil, false, err
		}
		if done || len(lines) > 0 {
			return lines, done, nil
		}
		if !paced.Pause(ctx, 2*time.Second) {
			return []engine.LogLine{}, false, nil
		}
	}
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
		if at, err := time.Parse(time.RFC3339Nano, rest); err == nil && engine.TimeOf(at.UTC()).Known() {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}

// latest is the newest log lines.
type latest struct {
	paced.Answer[[]engine.LogLine]
}

// LatestLogs returns the last lines of the jobs that ended last, newest first, if the application keeps them by River's log
// middleware. Jobs whose metadata is above 64 KB are left out: their log is on their own page.
func (s *Service) LatestLogs(ctx context.Context, n int) ([]engine.LogLine, error) {
	if s.noEnded() {
		return nil, missing(endedIndex)
	}
	lines, _, err := s.latest.Get(ctx, s.refresher, s.fresh(), shareLogs, func(ctx context.Context) ([]engine.LogLine, error) {
		lines, err := s.readLatest(ctx)
		return lines, engine.WrapDB("read the newest log lines", err)
	})
	return slices.Clone(lines[:min(n, len(lines))]), err
}

func (s *Service) readLatest(ctx context.Context) ([]engine.LogLine, error) {
	all := []engine.LogLine{}
	for _, state := range []string{"completed", "discarded"} {
		rows, err := s.foreign.Read.QueryContext(ctx, `select j.id, j.kind, j.finalized_at, `+s.sql.lastLog+` from river_job j where j.id in (
			select id from river_job where state = '`+state+`' and finalized_at is not null and finalized_at < $2 order by finalized_at desc limit $1)`, logJobs, s.foreign.Stamp(s.now().Add(ends.Ahead)))
		_, err = db.Collect(rows, err, func(rows *sql.Rows) (struct{}, error) {
			var id int64
			var kind string
			var ended engine.Time
			var attempt, text sql.NullString
			if err := rows.Scan(&id, engine.ScanName(&kind), &ended, &attempt, &text); err != nil {
				return struct{}{}, err
			}
			if !ended.Known() {
				ended = engine.Time{}
			}
			number, _ := strconv.Atoi(attempt.String)
			like := engine.LogLine{At: ended.Time, Agent: kind, JobID: engine.NumberID(id)}
			like.RunID, _ = runOf(like.JobID, number)
			w := lineWriter{limit: maxLatest, like: like, clean: s.redact.Attempt(nil, nil)}
			end := text.String
			if len(end) >= maxLatest { // the first line may have lost its beginning, and its level with it
				if _, whole, _ := strings.Cut(end, "\n"); whole != "" {
					end = whole
				} else {
					end = "…" + end
				}
			}
			w.text(end)
			for _, line := range w.lines[max(0, len(w.lines)-linesOfJob):] {
				line.ID = id*1000 + line.ID%1000 // one of its own among all
				all = append(all, line)
			}
			return struct{}{}, nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b engine.LogLine) int { return b.At.Compare(a.At) })
	for i := range all {
		l := &all[i]
		l.Order, l.Msg = -l.At.UnixMilli(), engine.Clip(l.Msg, maxLine)
	}
	return all, nil
}
