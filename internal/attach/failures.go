package attach

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river"
	"github.com/agentos/agentos/internal/engine/river/ends"
	"github.com/agentos/agentos/internal/fingerprint"
	"github.com/agentos/agentos/internal/paced"
)

// failures are the newest failed attempts.
type failures struct {
	paced.Answer[[]engine.Failure]
}

const (
	failuresRead  = 200 // jobs that were given up
	failuresShown = 50  // kinds of failures
	// maxRetried bounds at how many jobs that wait for another attempt the newest failures are looked for.
	maxRetried = 2_000
)

// Failures returns the newest failure of each of n kinds at most, those of jobs that were given up first: see jobs.GroupFailures.
// Of the jobs that wait for another attempt at most maxRetried are looked at.
func (s *Service) Failures(ctx context.Context, n int) ([]engine.Failure, error) {
	if s.noEnded() {
		return nil, missing(endedIndex)
	}
	if s.noActive() {
		return nil, missing(activeIndex)
	}
	all, _, err := s.fails.Get(ctx, s.refresher, s.fresh(), shareFailures, func(ctx context.Context) ([]engine.Failure, error) {
		all, err := s.readFailures(ctx)
		return all, engine.WrapDB("read the newest failures", err)
	})
	return slices.Clone(all[:min(n, len(all))]), err
}

func (s *Service) noEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.source.noEnded
}

func (s *Service) readFailures(ctx context.Context) ([]engine.Failure, error) {
	discarded, err := s.failuresIn(ctx, `select id from river_job where state = 'discarded' and finalized_at is not null and finalized_at < $2 order by finalized_at desc limit $1`,
		failuresRead, s.foreign.Stamp(s.now().Add(ends.Ahead)))
	if err != nil {
		return nil, err
	}
	retried, err := s.failuresIn(ctx, `select id from river_job where state = 'retryable' order by queue, priority, scheduled_at, id limit $1`, maxRetried)
	if err != nil {
		return nil, err
	}
	recently := s.now().Add(-failuresKept)
	gaveUp := slices.DeleteFunc(slices.Clone(discarded), func(f engine.Failure) bool { return f.At.Before(recently) })
	all := slices.Concat(discarded, retried)
	slices.SortStableFunc(all, newestFirst)
	all = engine.GroupFailures(gaveUp, all, failuresShown)
	return all, s.countSimilar(ctx, all)
}

// failuresIn reads the last failures of the jobs that a query names, the newest first. The sum keeps the planner from walking down the ids.
func (s *Service) failuresIn(ctx context.Context, ids string, args ...any) ([]engine.Failure, error) {
	_, lastError := river.LastAttempt(s.foreign.Kind)
	rows, err := s.foreign.Read.QueryContext(ctx, `select j.id, j.kind, j.attempt, j.max_attempts, j.attempted_at, j.finalized_at, `+
		s.sql.lastAt+`, `+lastError+` from river_job j where j.id in (`+ids+`) order by j.id + 0 desc`, args...)
	all, err := db.Collect(rows, err, s.scanFailure)
	all = slices.DeleteFunc(all, func(f engine.Failure) bool { return !f.At.Known() })
	slices.SortStableFunc(all, newestFirst)
	return all, err
}

func newestFirst(a, b engine.Failure) int {
	return b.At.Compare(a.At.Time)
}

func (s *Service) scanFailure(rows *sql.Rows) (f engine.Failure, err error) {
	var attempted, finalized engine.Time
	var at, text sql.NullString
	if err := rows.Scan(&f.JobID, engine.ScanName(&f.Agent), engine.ScanNumber(&f.Attempt), engine.ScanNumber(&f.MaxAttempts), &attempted, &finalized, &at, &text); err != nil {
		return f, err
	}
	f.RunID, _ = runOf(f.JobID, f.Attempt)
	switch failedAt, err := time.Parse(time.RFC3339Nano, at.String); {
	case err == nil:
		f.At = engine.TimeOf(failedAt.UTC().Truncate(time.Millisecond))
	case finalized.Known(): // given up without an error of its own
		f.At = engine.TimeOf(finalized.UTC().Truncate(time.Millisecond))
	}
	f.Order = -f.At.UnixMilli()
	f.Outcome = "failed"
	if strings.HasPrefix(text.String, ends.RescuedText) {
		f.Outcome = "lost"
	}
	f.Error = engine.Clip(s.redact.Text(text.String), 200)
	f.Fingerprint = fingerprint.Of(text.String, "").In(f.Agent)
	if ran, known := f.At.Since(attempted); known && f.Outcome == "failed" {
		f.RunMS = new(ran.Milliseconds())
	}
	return f, nil
}

// countSimilar adds how many attempts of jobs that ended within a day failed in the same way. A job that waits for another
// attempt is not among those: it counts itself.
func (s *Service) countSimilar(ctx context.Context, all []engine.Failure) error {
	since := time.Now().Add(-failuresKept)
	known := map[string]int64{}
	for i, f := range all {
		n, asked := known[f.Fingerprint]
		if !asked {
			var err error
			if n, err = s.ledger.similar(ctx, f.Fingerprint, since); err != nil {
				return err
			}
			known[f.Fingerprint] = n
		}
		all[i].Similar24h = int(max(n, 1))
	}
	return nil
}
