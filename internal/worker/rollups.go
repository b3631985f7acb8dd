package worker

import (
	"context"
	"time"

	"github.com/agentos/agentos/internal/engine"
)

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
