package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/agentos/agentos/internal/db"
)

const (
	beginPatience = 10 * time.Second // of one try
	beginPause    = time.Second      // between two
)

// Start begins to run attempts. First it gives the jobs of workers that died back to the queue. It goes on until Stop,
// also when ctx ends.
//
// When the database cannot be used at the moment it returns nil all the same, and begins as soon as that is over; until
// then WriteError tells why it did not.
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
	}
	err := s.begin(ctx)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil || !errors.Is(err, ErrUnavailable) {
		s.state = stateStopped
		err = errors.Join(err, s.signOff(ctx), s.lock.release())
		s.giveUp()
		return err
	}
	s.health.report(beating, err)
	s.state = stateBeginning
	s.loops.Go(s.tryToBegin)
	return nil
}

// tryToBegin goes on trying until it succeeds or the service stops.
func (s *Service) tryToBegin() {
	for {
		select {
		case <-s.trying.Done():
			return
		case <-time.After(beginPause):
		}
		s.mu.Lock()
		err := s.trying.Err()
		if err == nil {
			err = s.begin(s.trying)
		}
		s.mu.Unlock()
		s.health.report(beating, err)
		if err == nil {
			s.onChange("workers", "queue", "jobs", "agents", "analytics", "logs")
			return
		}
	}
}

// begin makes this worker known before River can name it in a job, and clears what dead workers left first, so that the
// lease of a dead leader does not hold back this one. An ErrUnavailable may be gone at the next try.
func (s *Service) begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, beginPatience)
	defer cancel()
	fleet := s.Fleet()
	if err := s.ready(ctx); err != nil {
		return explain("prepare the database", err)
	}
	var first *generation
	if s.id != "" {
		var err error
		if first, err = newGeneration(s, fleet, 1); err != nil {
			return err
		}
		if err := s.beat(ctx, "active"); err != nil {
			return explain("register this worker", err)
		}
	}
	if err := s.reap(ctx); err != nil {
		return explain("take over the jobs of dead workers", err)
	}
	if err := s.loadSchedule(ctx, fleet); err != nil {
		return explain("load the schedule", err)
	}
	if first != nil {
		s.limiter.setLimits(limitsOf(s.mine(fleet)))
		if err := first.start(); err != nil {
			return explain("start the job queue", err)
		}
		s.current.Store(first)
	}
	s.state = stateRunning
	s.startLoops()
	s.onChange("workers", "queue", "agents")
	return nil
}

func (s *Service) startLoops() {
	s.loops.Go(s.upkeep)
	s.loops.Go(s.runSchedule)
	s.loops.Go(s.runRollups)
	if s.db.Kind == db.Postgres {
		s.loops.Go(s.listen)
	}
	if s.id == "" {
		return
	}
	s.loops.Go(s.logs.run)
	s.loops.Go(s.beats)
	if s.db.Kind == db.Postgres {
		s.loops.Go(s.guard)
	}
}
