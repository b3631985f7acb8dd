package jobs

import (
	"context"
	"fmt"
	"time"
)

// How long rows are kept. Counts bound the file when there is much work; River prunes its jobs itself.
const (
	runsKept    = 14 * 24 * time.Hour
	maxRuns     = 500_000
	logsKept    = 14 * 24 * time.Hour
	maxLogs     = 1_000_000
	minutesKept = 48 * time.Hour
	hoursKept   = 90 * 24 * time.Hour

	sweepEvery  = time.Minute
	sweepChunk  = 500 // rows of one transaction: others wait only a moment
	sweepChunks = 40  // of one sweep and table; the rest is for the next
)

// sweep deletes what is old, oldest first, in small transactions.
func (s *Service) sweep(ctx context.Context) error {
	now := time.Now()
	for _, rule := range []struct {
		what, delete string
		args         []any
	}{
		// Ids grow with time, so the oldest rows are the first of their table; each look goes over one chunk of those.
		{"log lines", `delete from run_log where id < (select min(id) from run_log) + $1 and id <= (select max(id) from run_log) - $2`, []any{maxLogs}},
		{"log lines", `delete from run_log where id < (select min(id) from run_log) + $1 and at_ms < $2`, []any{now.Add(-logsKept).UnixMilli()}},
		{"runs", `delete from run where id < (select min(id) from run) + $1 and rolled = 1 and id <= (select max(id) from run) - $2`, []any{maxRuns}},
		{"runs", `delete from run where id < (select min(id) from run) + $1 and rolled = 1 and ended_ms < $2`, []any{now.Add(-runsKept).UnixMilli()}},
		{"sums by minute", `delete from rollup where step_s = 60 and start_s in (select start_s from rollup
			where step_s = 60 and start_s < $2 order by start_s limit $1)`, []any{now.Add(-minutesKept).Unix()}},
		{"sums by hour", `delete from rollup where step_s = 3600 and start_s in (select start_s from rollup
			where step_s = 3600 and start_s < $2 order by start_s limit $1)`, []any{now.Add(-hoursKept).Unix()}},
	} {
		for range sweepChunks {
			result, err := s.db.Write.ExecContext(ctx, rule.delete, append([]any{sweepChunk}, rule.args...)...)
			if err != nil {
				return fmt.Errorf("delete old %s: %w", rule.what, err)
			}
			if n, err := result.RowsAffected(); err != nil || n == 0 {
				break
			}
		}
	}
	return nil
}
