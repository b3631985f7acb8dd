package attach

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/paced"
)

// waiting is how many jobs wait, by state and queue.
type waiting struct {
	paced.Answer[map[engine.StateQueue]engine.Active]
}

// Active counts the jobs that wait or run by the index alone, 0.3 µs each.
func (s *Service) Active(ctx context.Context) (map[engine.StateQueue]engine.Active, time.Time, error) {
	if s.noActive() {
		return nil, time.Time{}, missing(activeIndex)
	}
	return s.waiting.Get(ctx, s.refresher, s.fresh(), shareWaiting, func(ctx context.Context) (map[engine.StateQueue]engine.Active, error) {
		counts, err := s.CountActive(ctx)
		return counts, engine.WrapDB("count the waiting jobs", err)
	})
}

// fresh is how old an answer may be to be shared by the sections of one collection.
func (s *Service) fresh() time.Duration { return s.interval / 2 }

func (s *Service) noActive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.source.noActive
}

func missing(index string) error {
	return engine.ErrorOf(engine.ErrUnavailable, "index %s is missing, without which the whole table of jobs would be read: create it as River's migration does", index)
}

// Queues returns the queues River knows and those that have jobs.
func (s *Service) Queues(ctx context.Context) ([]engine.Queue, error) {
	counts, at, err := s.Active(ctx)
	if err != nil {
		return nil, err
	}
	now, err := s.runningJobs(ctx)
	if err != nil {
		return nil, err
	}
	paused, err := s.KnownQueues(ctx)
	if err != nil {
		return nil, engine.WrapDB("read the queues", err)
	}
	byName := map[string]*engine.Queue{}
	add := func(name string) {
		if byName[name] == nil {
			byName[name] = &engine.Queue{Name: name, PausedAt: paused[name], Agents: []string{}}
			engine.FillQueue(byName[name], counts)
			byName[name].Processing = new(now.byQueue[name]) // read more often than the others
		}
	}
	for name := range paused {
		add(name)
	}
	for key := range counts {
		add(key.Queue)
	}
	for name := range now.byQueue {
		add(name)
	}
	for kind, known := range s.kinds.known.Last().all() {
		if q := byName[known.Queue]; q != nil {
			q.Agents = append(q.Agents, kind)
		}
	}
	queues, countedAt := make([]engine.Queue, 0, len(byName)), at.UTC().Truncate(time.Millisecond)
	for i, name := range slices.Sorted(maps.Keys(byName)) {
		q := byName[name]
		q.Order, q.CountedAt = int64(i), &countedAt
		slices.Sort(q.Agents)
		q.Agents, q.AgentCount = q.Agents[:min(len(q.Agents), maxNames)], new(len(q.Agents))
		queues = append(queues, *q)
	}
	return queues, nil
}
