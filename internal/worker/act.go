package worker

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/jobspec"
)

// Retry makes a job available now, also one that ended. It gets one attempt more when it has none left.
func (s *Service) Retry(ctx context.Context, id engine.ID) (engine.Job, error) {
	return s.acted(s.actor.Retry(ctx, id))
}

// Cancel ends a job: at once when it waits, within a moment when it runs. Then the job is still running when Cancel
// returns. A job that ended is an ErrConflict.
func (s *Service) Cancel(ctx context.Context, id engine.ID) (engine.Job, error) {
	job, err := s.actor.Cancel(ctx, id)
	if n, ok := id.Number(); ok && err == nil {
		s.active.cancel(n, rivertype.ErrJobCancelledRemotely) // no need to wait for River's notice
	}
	return s.acted(job, err)
}

// Delete removes a job that does not run, with its runs and logs.
func (s *Service) Delete(ctx context.Context, id engine.ID) error {
	_, err := s.acted(engine.Job{}, s.actor.Delete(ctx, id, func(tx *db.Tx, job int64) error {
		_, err := tx.ExecContext(ctx, `delete from run_log where run_id in (select id from run where job_id = $1)`, job)
		if err != nil {
			return err
		}
		// A run not yet summed up still has to be: it only loses its job.
		_, err = tx.ExecContext(ctx, `delete from run where job_id = $1 and rolled = 1`, job)
		return err
	}))
	return err
}

// acted is the end of an action on a job.
func (s *Service) acted(job engine.Job, err error) (engine.Job, error) {
	if err == nil {
		s.notify(engine.JobChanged)
	}
	return job, err
}

// PauseQueue lets no further job of the queue begin: in this process from its return on, in others a moment later.
// Attempts under way go on.
func (s *Service) PauseQueue(ctx context.Context, name string) error {
	wait, stop := s.expectPause(ctx, name)
	defer stop()
	if err := s.turned(name, s.actor.PauseQueue(ctx, name, func(tx *db.Tx) error {
		return s.actor.NotePause(ctx, tx, name, jobspec.Serves(s.Fleet(), name), true)
	})); err != nil {
		return err
	}
	s.gate.Shut(name)
	wait()
	return nil
}

// pauseTimeout is how long to wait for River's word that a queue of this process is paused. It comes after its next
// look for notifications, every 50 ms.
const pauseTimeout = 500 * time.Millisecond

// expectPause returns what waits until this process fetches nothing more from a queue, and what ends the watch.
func (s *Service) expectPause(ctx context.Context, name string) (wait, stop func()) {
	g := s.current.Load()
	if g == nil || !jobspec.Serves(s.mine(g.fleet), name) {
		return func() {}, func() {}
	}
	if q, err := s.queue.QueueGet(ctx, name); err != nil || q.PausedAt != nil {
		return func() {}, func() {}
	}
	events, stop := g.client.Subscribe(river.EventKindQueuePaused)
	return func() {
		timeout := time.After(pauseTimeout)
		for {
			select {
			case event := <-events:
				if event == nil || event.Queue.Name == name { // nil: the client stopped
					return
				}
			case <-timeout:
				return
			case <-ctx.Done():
				return
			}
		}
	}, stop
}

// ResumeQueue ends a pause.
func (s *Service) ResumeQueue(ctx context.Context, name string) error {
	err := s.actor.ResumeQueue(ctx, name, func(tx *db.Tx) error {
		return s.actor.NotePause(ctx, tx, name, jobspec.Serves(s.Fleet(), name), false)
	})
	if err == nil {
		s.gate.Open(name)
	}
	return s.turned(name, err)
}

// turned is the end of an action on a queue.
func (s *Service) turned(name string, err error) error {
	switch {
	case errors.Is(err, engine.ErrNotFound):
		return engine.ErrorOf(engine.ErrNotFound, "there is no queue %q; there are: %s", name, strings.Join(jobspec.QueueNames(s.Fleet()), ", "))
	case err == nil:
		s.notify(engine.QueueChanged)
	}
	return err
}

// PauseAgent pauses the queue of an agent that has it for itself. An agent on a shared queue is an ErrConflict.
func (s *Service) PauseAgent(ctx context.Context, name string) error {
	queue, err := s.ownQueue(name, "pause")
	if err != nil {
		return err
	}
	return s.PauseQueue(ctx, queue)
}

// ResumeAgent ends a pause of PauseAgent.
func (s *Service) ResumeAgent(ctx context.Context, name string) error {
	queue, err := s.ownQueue(name, "resume")
	if err != nil {
		return err
	}
	return s.ResumeQueue(ctx, queue)
}

func (s *Service) ownQueue(name, what string) (string, error) {
	fleet := s.Fleet()
	spec := fleet.Agent(name)
	if spec == nil {
		return "", jobspec.UnknownAgent(fleet, name)
	}
	for _, q := range fleet.Queues {
		if q.Name == spec.Queue && len(q.Agents) > 1 {
			return "", engine.ErrorOf(engine.ErrConflict, "agent %s shares the queue %s with others (%s): %s the queue instead",
				name, q.Name, strings.Join(q.Agents, ", "), what)
		}
	}
	return spec.Queue, nil
}

// Enqueue puts a job on its queue. The error is an *UnknownAgentError, an ErrInvalid or an ErrUnavailable.
func (s *Service) Enqueue(ctx context.Context, p engine.EnqueueParams) (engine.Job, error) {
	params, err := s.paramsOf(p)
	if err != nil {
		return engine.Job{}, err
	}
	inserted, err := s.queue.Insert(ctx, params.Args, params.InsertOpts)
	if db.Unstorable(err) {
		return engine.Job{}, engine.ErrorOf(engine.ErrInvalid, "the database cannot hold these arguments: %v; put what it cannot into a string", db.Wrap(err))
	}
	if err != nil {
		return engine.Job{}, engine.WrapDB("enqueue", err)
	}
	s.notify(engine.JobEnqueued)
	return s.Job(ctx, inserted.Job.ID)
}

func (s *Service) paramsOf(p engine.EnqueueParams) (river.InsertManyParams, error) {
	return jobspec.Params(s.Fleet(), p)
}
