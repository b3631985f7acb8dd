package attach

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/agentos/agentos/internal/jobs"
)

// waiting is how many jobs wait, by state and queue.
type waiting struct {
	paced[map[jobs.StateQueue]int64]
}

// maxQueues bounds how many queues are shown; those with the most jobs come first.
const maxQueues = 100

// waitingJobs counts the jobs that wait or run by the index alone, 0.3 µs each.
func (s *Service) waitingJobs(ctx context.Context) (map[jobs.StateQueue]int64, time.Time, error) {
	if s.noActive() {
		return nil, time.Time{}, missing(activeIndex)
	}
	return s.waiting.get(ctx, s.askers, s.fresh(), shareWaiting, func(ctx context.Context) (map[jobs.StateQueue]int64, error) {
		counts, err := s.CountActive(ctx)
		return counts, jobs.Explain("count the waiting jobs", err)
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
	return jobs.ErrorOf(jobs.ErrUnavailable, "index %s is missing, without which the whole table of jobs would be read: create it as River's migration does", index)
}

// Queues returns the queues River knows and those that have jobs.
func (s *Service) Queues(ctx context.Context) ([]jobs.Queue, error) {
	counts, at, err := s.waitingJobs(ctx)
	if err != nil {
		return nil, err
	}
	now, err := s.runningJobs(ctx)
	if err != nil {
		return nil, err
	}
	paused, err := s.PausedQueues(ctx)
	if err != nil {
		return nil, jobs.Explain("read the queues", err)
	}
	byName := map[string]*jobs.Queue{}
	of := func(name string) *jobs.Queue {
		if byName[name] == nil {
			byName[name] = &jobs.Queue{Name: name, PausedAt: paused[name], Agents: []string{}}
		}
		return byName[name]
	}
	for name := range paused {
		of(name)
	}
	for key, n := range counts {
		switch q := of(key.Queue); key.State {
		case "available":
			q.Pending = n
		case "scheduled":
			q.Scheduled = n
		case "retryable":
			q.Retryable = n
		}
	}
	for name, n := range now.byQueue {
		of(name).Processing = n
	}
	for kind, queue := range s.kinds.queues() {
		if q := byName[queue]; q != nil {
			q.Agents = append(q.Agents, kind)
		}
	}
	queues := make([]jobs.Queue, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		queues = append(queues, *byName[name])
	}
	if len(queues) > maxQueues {
		slices.SortStableFunc(queues, func(a, b jobs.Queue) int { return int(weight(b) - weight(a)) })
		queues = queues[:maxQueues]
	}
	return queues, s.finishQueues(ctx, queues, at)
}

func weight(q jobs.Queue) int64 { return q.Pending + q.Processing + q.Scheduled + q.Retryable }

// finishQueues puts the queues in order and tells since when their oldest jobs wait.
func (s *Service) finishQueues(ctx context.Context, queues []jobs.Queue, countedAt time.Time) error {
	var waiting []string
	at := countedAt.UTC().Truncate(time.Millisecond)
	for i := range queues {
		q := &queues[i]
		q.Order, q.CountedAt = int64(i), &at
		slices.Sort(q.Agents)
		if q.Pending > 0 {
			waiting = append(waiting, q.Name)
		}
	}
	oldest, err := s.OldestDue(ctx, waiting, time.Now())
	for i := range queues {
		queues[i].OldestAt = oldest[queues[i].Name]
	}
	return jobs.Explain("read the queues", err)
}
