package worker

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	engineriver "github.com/agentos/agentos/internal/engine/river"
	"github.com/agentos/agentos/internal/redact"
	"github.com/agentos/agentos/internal/runner"
)

// worker runs the attempts at the jobs of one agent.
type worker struct {
	river.WorkerDefaults[engineriver.Args]
	service *Service
	spec    *agent.Spec
	client  string // the River client's id
}

// attempt is one attempt at a job, from River to its end.
type attempt struct {
	*worker
	job   *river.Job[engineriver.Args]
	runID int64
	begun time.Time
	said  *redact.Attempt // takes the secrets out of what it says
}

// attemptError is what River gets for an attempt whose end it has to write. There is nothing to add to its run, if it
// has one.
type attemptError struct {
	text  string
	cause error // what River acts on; nil for a failure
}

func (e *attemptError) Error() string { return e.text }
func (e *attemptError) Unwrap() error { return e.cause }

// Work is called by River, at most as often at a time as the queue has slots.
func (w *worker) Work(ctx context.Context, job *river.Job[engineriver.Args]) error {
	s := w.service
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	release := s.active.add(job.JobRow, w.spec.CutOff == agent.CutOffContinue, cancel)
	defer release()
	a := &attempt{worker: w, job: job}
	if err := a.begin(ctx); err != nil {
		return err
	}
	s.active.running.Add(1)
	s.notify(engine.JobStarted)
	result, err := a.run(ctx)
	s.active.running.Add(-1)
	s.done.Add(1)
	if errors.Is(err, runner.ErrLeft) {
		s.lock.keep.Store(true)
	}
	err = a.finish(ctx, result, a.ifAbsent(ctx, err))
	s.signalEnded()
	s.notify(engine.JobEnded)
	return err
}

// begin makes the run known.
func (a *attempt) begin(ctx context.Context) error {
	s := a.service
	err := a.record(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		s.log.Warn("an attempt does not begin: another worker has its job", "job", a.job.ID)
		return endWritten{}
	case ctx.Err() != nil:
		return a.interrupted(ctx)
	}
	return engine.WrapDB("write the start of the run", err)
}

// record writes the run row, if the job is still this worker's: one that was suspended may have been taken for dead. The run has its
// id before its row, so that a row whose commit was not answered is found by the next try.
func (a *attempt) record(ctx context.Context) error {
	s := a.service
	due := a.job.ScheduledAt
	id, err := s.nextRunID(ctx)
	if err != nil {
		return err
	}
	err = s.persist(ctx, "write the start of a run", func(ctx context.Context) error {
		if err := s.beatIfLate(ctx); err != nil {
			return err
		}
		a.begun = time.Now()
		return s.db.Write.QueryRowContext(ctx, `insert into run
			(id, job_id, attempt, max_attempts, agent, queue, worker, outcome, scheduled_ms, started_ms, wait_ms)
			select $13, $1, $2, $3, $4, $5, $6, 'running', $7, $8, $9 where exists (`+s.Held(10, 11, 12)+`)
			on conflict (id) do update set started_ms = excluded.started_ms, wait_ms = excluded.wait_ms returning id`,
			a.job.ID, a.job.Attempt, a.job.MaxAttempts, a.spec.Name, a.job.Queue, s.id,
			due.UnixMilli(), a.begun.UnixMilli(), max(a.begun.Sub(due), 0).Milliseconds(),
			a.job.ID, a.job.Attempt, a.client, id).Scan(&a.runID)
	})
	if err == nil {
		s.logs.Open(a.runID, a.job.ID, a.spec.Name)
	}
	return err
}

// nextRunID reserves an id for a run. It is null on SQLite, where the answer to a commit is never lost.
func (s *Service) nextRunID(ctx context.Context) (id sql.NullInt64, err error) {
	if s.db.Kind == db.SQLite {
		return id, nil
	}
	err = s.persist(ctx, "number a run", func(ctx context.Context) error {
		return s.db.Write.QueryRowContext(ctx, `select nextval('run_id_seq')`).Scan(&id)
	})
	return id, err
}

// run runs the agent's process. A panic of ours is the attempt's failure, not the process's end.
func (a *attempt) run(ctx context.Context) (result runner.Result, err error) {
	s := a.service
	a.said = s.redact.Attempt(a.spec.Passed(), a.spec.Env)
	defer func() {
		if recovered := recover(); recovered != nil {
			err = fmt.Errorf("agentos itself failed: %v", recovered)
		}
	}()
	return s.run(ctx, runner.Attempt{
		Spec: a.spec, JobID: a.job.ID, RunID: a.runID, Number: a.job.Attempt, MaxAttempts: a.job.MaxAttempts,
		Args: a.job.Args.Raw(), WorkDir: filepath.Join(s.dataDir, "work", a.spec.Name), FleetEnv: s.fleetEnv(),
		Fence: s.fence(), Hold: s.lock.file, Leave: s.gone,
		TempDir: filepath.Join(tempDir(s.dataDir, s.id), strconv.FormatInt(a.runID, 10)),
		OnLine: func(line runner.Line) {
			line.Msg = a.said.Line(line.Msg)
			s.logs.Add(a.runID, line)
		},
	})
}

// fleetEnv is how an attempt's program finds its fleet when it calls agentos. The address of a Postgres is not for it: an agent
// that wants more work writes an enqueue line.
func (s *Service) fleetEnv() map[string]string {
	fleet := s.Fleet()
	env := map[string]string{"AGENTOS_FLEET_DATA": s.dataDir, "AGENTOS_FLEET_DATABASE": "postgres"}
	if fleet.Path != "" {
		env["AGENTOS_CONFIG"] = filepath.Join(fleet.Dir, filepath.Base(fleet.Path))
	}
	if s.db.Kind == db.SQLite {
		env["AGENTOS_FLEET_DATABASE"] = s.db.URL
	}
	return env
}

// interrupted is what River gets for a job whose process never ran: it was cancelled, or it goes back to the queue
// without having used up an attempt.
func (a *attempt) interrupted(ctx context.Context) error {
	if cause := context.Cause(ctx); errors.Is(cause, rivertype.ErrJobCancelledRemotely) {
		return &attemptError{cancelledText, river.JobCancel(cause)}
	}
	return a.requeueUnstarted()
}

const (
	persistWait    = 50 * time.Millisecond // before the second try
	persistWaitMax = 2 * time.Second
	persistTimeout = 10 * time.Second // of one try
)

// persist writes what must not be lost: while the database cannot be used it tries again, until ctx ends.
func (s *Service) persist(ctx context.Context, what string, write func(context.Context) error) error {
	for wait := persistWait; ; wait = min(2*wait, persistWaitMax) {
		try, cancel := context.WithTimeout(ctx, persistTimeout)
		err := write(try)
		timedOut := try.Err() != nil // whatever the error then is
		cancel()
		if err == nil || ctx.Err() != nil || !timedOut && !db.Temporary(err) {
			s.health.report(what, nil)
			return err
		}
		s.health.report(what, db.Wrap(err))
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// persistUntilGone is persist for what is to be written whatever becomes of the attempt.
func (s *Service) persistUntilGone(what string, write func(context.Context) error) error {
	ctx, cancel := contextUntil(s.gone)
	defer cancel()
	return s.persist(ctx, what, write)
}

// signalEnded notifies the rollups that there is something new.
func (s *Service) signalEnded() {
	select {
	case s.ended <- struct{}{}:
	default:
	}
}
