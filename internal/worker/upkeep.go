package worker

import (
	"context"
	"time"

	"github.com/riverqueue/river/rivertype"

	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river"
)

// lookEvery is how often each worker looks at its jobs and at the other workers.
const lookEvery = time.Second

// keepEvery is how often pauses are looked after.
const keepEvery = 5 * time.Second

// every does something at a pace until ctx ends.
func every(ctx context.Context, pace time.Duration, do func()) {
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do()
		}
	}
}

// upkeep watches for jobs that were cancelled or given away elsewhere, and takes over those of dead workers.
func (s *Service) upkeep(loopCtx context.Context) {
	kept := time.Now() // at the start
	every(loopCtx, lookEvery, func() {
		ctx, cancel := context.WithTimeout(loopCtx, persistTimeout)
		s.health.report("look after the running jobs", s.checkHeld(ctx))
		s.health.report("take over the jobs of dead workers", s.reap(ctx))
		if time.Since(kept) >= keepEvery {
			kept = time.Now()
			s.health.report("keep the pauses of queues", s.actor.KeepPauses(ctx, s.log))
		}
		cancel()
	})
}

// checkHeld ends attempts of this process whose jobs were cancelled without River's notice arriving, or are no longer
// this worker's. Those that came since the last look have time.
func (s *Service) checkHeld(ctx context.Context) error {
	held := s.active.held()
	ids := make([]int64, 0, len(held))
	for id, h := range held {
		if time.Since(h.since) < lookEvery {
			delete(held, id)
		} else {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	found, err := s.AttemptsOf(ctx, ids)
	if err != nil {
		return err
	}
	for _, r := range found {
		h := held[r.ID]
		delete(held, r.ID)
		switch {
		case r.Attempt != h.attempt || r.Client != h.client:
			h.cancel(river.ErrSuperseded)
		case r.Cancelled:
			h.cancel(rivertype.ErrJobCancelledRemotely)
		}
	}
	for _, h := range held { // deleted, so it is nobody's
		h.cancel(river.ErrSuperseded)
	}
	return nil
}

const (
	rollupEvery  = time.Second
	rollupGather = 250 * time.Millisecond // what ends together is summed up together
)

// runRollups sums up what ended: soon after an attempt of this process, and once a second for those of others.
func (s *Service) runRollups(loopCtx context.Context) {
	ticker := time.NewTicker(rollupEvery)
	defer ticker.Stop()
	for {
		select {
		case <-loopCtx.Done():
			return
		case <-ticker.C:
		case <-s.ended:
			select {
			case <-loopCtx.Done():
				return
			case <-time.After(rollupGather):
			}
		}
		ctx, cancel := context.WithTimeout(loopCtx, 3*persistTimeout)
		s.health.report("sum up ended runs", s.addEnded(ctx, s.AddEnded))
		cancel()
	}
}

// addEnded adds what ended to the sums, in one of their ways.
func (s *Service) addEnded(ctx context.Context, add func(context.Context) (bool, error)) error {
	added, err := add(ctx)
	if added && err == nil {
		s.notify(engine.SumsAdded)
	}
	return err
}
