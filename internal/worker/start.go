package worker

import (
	"context"
	"errors"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/runlog"
)

const (
	startTimeout = 2 * time.Second  // of Start
	beginTimeout = 10 * time.Second // of one try
	beginPause   = time.Second      // between two
)

// Start begins to run attempts. First it gives the jobs of workers that died back to the queue. It goes on until Stop,
// also when ctx ends.
//
// When the database cannot be used at the moment it returns nil all the same, after two seconds at most, and begins as soon
// as that is over; until then WriteError returns why it did not.
func (s *Service) Start(ctx context.Context) error {
	if s.noWork {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateNew {
		return errors.New("jobs: started twice")
	}
	if s.id != "" {
		lock, err := lockWorker(s.dataDir, s.id)
		if err != nil {
			return err
		}
		s.lock = lock
		if err := dropTemps(s.dataDir); err != nil {
			s.log.Warn("temporary folders of earlier workers could not be removed", "error", err)
		}
	}
	s.state = stateBeginning
	first := make(chan error, 1)
	s.loops.Go(func() { s.tryToBegin(first) })
	s.mu.Unlock()
	err := s.firstTry(ctx, first)
	s.mu.Lock()
	if err == nil || s.state == stateRunning {
		return nil
	}
	s.state = stateStopped
	signing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = s.signOff(signing) // it may never have been known
	s.stopStarts()
	s.giveUp()
	return errors.Join(err, s.lock.release())
}

// firstTry waits for the end of the first try, if that comes soon. That the database cannot be used is no error.
func (s *Service) firstTry(ctx context.Context, first <-chan error) error {
	timeout := time.NewTimer(startTimeout)
	defer timeout.Stop()
	select {
	case err := <-first:
		if !errors.Is(err, engine.ErrUnavailable) {
			return err
		}
	case <-timeout.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// tryToBegin goes on trying until it succeeds or the service stops.
func (s *Service) tryToBegin(first chan<- error) {
	startCtx, cancel := contextUntil(s.startsOver)
	defer cancel()
	for {
		err := engine.WrapDB("prepare the database", s.ready(startCtx))
		if err == nil {
			err = s.begin(startCtx)
		}
		if startCtx.Err() != nil {
			return
		}
		s.health.report(beating, err)
		select {
		case first <- err:
		default:
		}
		if err == nil {
			return
		}
		select {
		case <-startCtx.Done():
			return
		case <-time.After(beginPause):
		}
	}
}

// begin makes this worker known before River can name it in a job, and clears what dead workers left first, so that the
// lease of a dead leader does not hold back this one. An ErrUnavailable may be gone at the next try.
func (s *Service) begin(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, beginTimeout)
	defer cancel()
	fleet := s.Fleet()
	var generation *generation
	if s.id != "" {
		var err error
		absent := s.absentHere(fleet)
		s.lacks.Store(&absent)
		s.logAbsent(nil, absent)
		if generation, err = newGeneration(s, fleet, 1); err != nil {
			return err
		}
		if err := errors.Join(s.beat(ctx, "active"), s.showAbsent(ctx)); err != nil {
			return engine.WrapDB("register this worker", err)
		}
	}
	if err := s.reap(ctx); err != nil {
		return engine.WrapDB("take over the jobs of dead workers", err)
	}
	if err := s.schedule.Load(ctx, fleet); err != nil {
		return engine.WrapDB("load the schedule", err)
	}
	if err := s.actor.KeepPauses(ctx, s.log); err != nil {
		return engine.WrapDB("keep the pauses of queues", err)
	}
	if generation != nil {
		s.gate.SetLimits(s.mine(fleet))
		if err := generation.start(); err != nil {
			return engine.WrapDB("start the job queue", err)
		}
		s.current.Store(generation)
	}
	s.state = stateRunning
	s.startLoops()
	s.notify(engine.EverythingChanged)
	return nil
}

func (s *Service) startLoops() {
	loop := func(run func(context.Context)) {
		s.loops.Go(func() {
			ctx, cancel := contextUntil(s.loopsOver)
			defer cancel()
			run(ctx)
		})
	}
	loop(s.upkeep)
	loop(func(ctx context.Context) { s.schedule.Run(ctx, s.active.draining.Load, s.health.report) })
	loop(s.runRollups)
	loop(func(ctx context.Context) {
		every(ctx, runlog.SweepEvery, func() { s.health.report("delete old rows", s.sweeper.Sweep(ctx)) })
	})
	if s.db.Kind == db.Postgres {
		loop(s.listen)
	}
	if s.id == "" {
		return
	}
	loop(s.logs.Run)
	loop(s.beats)
	loop(s.lookForAbsent)
	loop(s.lookForJobs)
	if s.db.Kind == db.Postgres {
		loop(s.guard)
	}
}
