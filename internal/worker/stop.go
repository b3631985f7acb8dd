package worker

import (
	"context"
	"errors"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/runner"
)

// Stop fetches no more jobs and lets the running attempts end until ctx is done; then it stops them, and their jobs go
// back to the queue without having used up an attempt. It returns when nothing runs any more.
func (s *Service) Stop(ctx context.Context) error {
	s.stopStarts()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state {
	case stateNew, stateBeginning:
		s.state = stateStopped
		s.giveUp()
		s.mu.Unlock() // a try to begin may wait for it
		s.loops.Wait()
		s.mu.Lock()
		return s.lock.release()
	case stateDraining, stateStopped:
		return nil
	}
	s.state = stateDraining
	s.active.draining.Store(true)
	var err error
	if s.id != "" {
		beatCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		s.health.report("report that this worker drains", s.beat(beatCtx, "draining"))
		cancel()
		s.notify(engine.WorkerChanged)
		err = s.stopGenerations(ctx)
		s.runner.Close()
	}
	s.stopLoops()
	s.loops.Wait()
	s.wrapUp()
	s.giveUp()
	s.state = stateStopped
	s.notify(engine.EverythingChanged)
	return errors.Join(err, s.endTemps(), s.lock.release())
}

// endTemps removes what is left of this worker's temporary folders, unless something still runs there.
func (s *Service) endTemps() error {
	if s.id == "" || s.lock == nil || s.lock.keep.Load() {
		return nil
	}
	return runner.RemoveTree(tempDir(s.dataDir, s.id))
}

func (s *Service) stopGenerations(ctx context.Context) error {
	s.generations.Go(s.current.Load().stop)
	stopped := make(chan struct{})
	go func() {
		s.generations.Wait()
		close(stopped)
	}()
	select {
	case <-stopped:
		return nil
	case <-ctx.Done():
	}
	s.log.Info("stopping the attempts that still run", "running", s.active.running.Load(), "cause", context.Cause(ctx))
	s.endDrain()
	select {
	case <-stopped:
		return nil
	case <-time.After(s.killTimeout()):
	}
	s.giveUp() // ends what only waits for the database, too
	<-stopped
	return errors.New("the ends of some attempts could not be written: the next worker takes their jobs over")
}

// killTimeout is how long attempts that were asked to stop may take: their own grace, and the writing of their ends.
func (s *Service) killTimeout() time.Duration {
	longest := agent.DefaultKillGrace
	for _, spec := range s.Fleet().Agents {
		longest = max(longest, spec.KillGrace)
	}
	return longest + 5*time.Second
}

// wrapUp writes what the loops had not yet: last log lines, the rollups, the end of this worker.
func (s *Service) wrapUp() {
	lifeCtx, stop := contextUntil(s.gone)
	defer stop()
	ctx, cancel := context.WithTimeout(lifeCtx, 3*time.Second)
	defer cancel()
	s.health.report("write the last log lines", s.logs.Flush(ctx))
	s.health.report("sum up the last runs", s.addEnded(ctx, s.AddLast))
	s.health.report("release the agents' file", s.schedule.Release(ctx))
	s.health.report("sign off this worker", s.signOff(ctx))
}
