package worker

import (
	"context"
	"errors"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/agentos/agentos/internal/engine"
)

// HandleError is called by River when an attempt failed. Those that never came to the agent's process, for example for
// arguments that cannot be decoded, have no run yet and get one here.
func (g *generation) HandleError(ctx context.Context, job *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	var told *attemptError
	if !errors.As(err, &told) {
		g.service.health.report("write a run", g.service.recordUnstarted(ctx, job, err.Error()))
	}
	return nil
}

// HandlePanic is called by River when a worker panicked.
func (g *generation) HandlePanic(ctx context.Context, job *rivertype.JobRow, panicked any, trace string) *river.ErrorHandlerResult {
	g.service.log.Error("a worker panicked", "job", job.ID, "agent", job.Kind, "panic", panicked, "trace", trace)
	g.service.health.report("write a run", g.service.recordUnstarted(ctx, job, "agentos itself failed; see its log"))
	return nil
}

func (s *Service) recordUnstarted(ctx context.Context, job *rivertype.JobRow, text string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), persistTimeout)
	defer cancel()
	now := time.Now().UnixMilli()
	text = engine.Clip(text, engine.MaxErrorText)
	_, err := s.db.Write.ExecContext(ctx, `insert into run
		(job_id, attempt, max_attempts, agent, queue, worker, outcome, scheduled_ms, started_ms, ended_ms, wait_ms, run_ms, error, fingerprint)
		values ($1, $2, $3, $4, $5, $6, 'failed', $7, $8, $8, $9, 0, $10, $11)`,
		job.ID, job.Attempt, job.MaxAttempts, job.Kind, job.Queue, s.id, job.ScheduledAt.UnixMilli(), now,
		max(now-job.ScheduledAt.UnixMilli(), 0), text, engine.Fingerprint(job.Kind, text))
	s.signalEnded()
	s.notify(engine.JobEnded)
	return err
}
