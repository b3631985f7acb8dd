package runlog

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/redact"
)

const maxShownLine = 300 // bytes of a line among the latest

const (
	logsDefault = 500
	logsMax     = 5000
	logsBytes   = 256 << 10 // of the lines of one answer
)

// Reader reads the log lines of runs.
type Reader struct {
	database *db.DB
	rules    *redact.Rules
	kept     string // how much is, for users
}

// NewReader makes a reader of a database that may still have to be migrated; kept says to users how much is kept.
func NewReader(d *db.DB, rules *redact.Rules, kept string) *Reader {
	return &Reader{database: d, rules: rules, kept: kept}
}

// LatestLogs returns the n log lines written last, newest first.
func (l *Reader) LatestLogs(ctx context.Context, n int) ([]engine.LogLine, error) {
	lines, err := l.lines(ctx, `order by id desc limit $1`, n)
	for i := range lines {
		lines[i].Order = -lines[i].ID
		lines[i].Msg = engine.Clip(lines[i].Msg, maxShownLine)
	}
	return lines, engine.WrapDB("read the newest log lines", err)
}

func (l *Reader) lines(ctx context.Context, condition string, args ...any) ([]engine.LogLine, error) {
	rows, err := l.database.Read.QueryContext(ctx, `select id, run_id, job_id, agent, at_ms, level, msg, left_lines, left_bytes from run_log `+condition, args...)
	return db.Collect(rows, err, func(rows *sql.Rows) (line engine.LogLine, err error) {
		var at int64
		var lines, bytes sql.Null[int64]
		err = rows.Scan(&line.ID, &line.RunID, &line.JobID, &line.Agent, &at, &line.Level, &line.Msg, &lines, &bytes)
		if lines.Valid {
			line.Gap = &engine.LogGap{Lines: db.Ptr(lines), Bytes: db.Ptr(bytes)}
		}
		line.Msg = l.rules.Text(line.Msg)
		line.At, line.Order = db.FromMS(at), line.ID
		return line, err
	})
}

// RunLogs returns at most limit lines of a run that come after a line's id, oldest first, and whether these are the last:
// the run has ended and nothing follows. An answer has 256 KB of lines at most. If the first lines were deleted because of their
// age or because logs take too much, a line in their place says so.
func (l *Reader) RunLogs(ctx context.Context, id engine.ID, after int64, limit int) (lines []engine.LogLine, done bool, err error) {
	run, ok := id.Number()
	if !ok {
		return nil, false, engine.NoSuchRun(id)
	}
	limit = min(cmp.Or(max(limit, 0), logsDefault), logsMax)
	var ended, first sql.NullInt64 // before the lines: what is written with the end is then among them
	var job engine.ID
	var began int64
	var agent string
	err = l.database.Read.QueryRowContext(ctx, `select ended_ms, first_log, job_id, agent, started_ms from run where id = $1`, run).Scan(&ended, &first, &job, &agent, &began)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, engine.NoSuchRun(id)
	}
	if err != nil {
		return nil, false, engine.WrapDB("read the run", err)
	}
	lines, err = l.lines(ctx, `where id in (select id from (
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
		if err := l.database.Read.QueryRowContext(ctx, `select coalesce(min(id), $1) from run_log`, int64(math.MaxInt64)).Scan(&kept); err != nil {
			return nil, false, engine.WrapDB("read the log", err)
		}
		if kept > first.Int64 {
			removed := engine.LogLine{
				ID: first.Int64, Order: first.Int64, At: db.FromMS(began), Level: "warn", Agent: agent, JobID: job, RunID: id, Gap: &engine.LogGap{},
				Msg: "older lines were removed: " + l.kept,
			}
			lines = slices.Insert(lines, 0, removed)
		}
	}
	return lines, done, nil
}
