package observe

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/fingerprint"
	"github.com/agentos/agentos/internal/rollup"
)

// sumsEvery is how often the sums by queue are read.
const sumsEvery = 15 * time.Second

// Queues returns the queues as they were read last, with what ended there in 24 hours.
func (s *Service) Queues(ctx context.Context) ([]engine.Queue, error) {
	found, _, err := s.stand(ctx)
	if err != nil {
		return nil, err
	}
	ended, _, _ := s.byQueue.Soon(ctx, s.refresher, sumsEvery, 0, s.sumByQueue) // without them the rest is shown
	rows := make([]engine.Queue, len(found.Queues))
	for i, q := range found.Queues {
		rows[i] = s.queue(q)
		rows[i].Order = int64(i)
		if n, some := ended[q.Name]; some {
			rows[i].Ended24h, rows[i].Failed24h = new(n.OK+n.Failed), new(n.Failed)
		}
	}
	return rows, nil
}

// queue makes a row of a queue's counts.
func (s *Service) queue(q engine.QueueCounts) engine.Queue {
	row := engine.Queue{Name: q.Name, PausedAt: timeOf(q.PausedAt), OldestAt: timeOf(q.OldestAt)}
	for state, into := range map[engine.State]**int64{
		engine.Waiting: &row.Pending, engine.Running: &row.Processing, engine.Scheduled: &row.Scheduled, engine.Retryable: &row.Retryable, engine.Parked: &row.Parked,
	} {
		count, some := q.Jobs[state]
		if !some {
			continue // the engine has no such state
		}
		*into = count.Value()
		switch count.Known {
		case engine.Exact:
		case engine.Delayed:
			at := count.At.UTC().Truncate(time.Millisecond)
			row.CountedAt = &at
		default:
			if row.Inexact == nil || count.Known < row.Inexact.Known { // the least that is known of any
				row.Inexact = &engine.Inexact{Known: count.Known, Why: count.Why}
			}
		}
	}
	return row
}

func timeOf(at *time.Time) *engine.Time {
	if at == nil {
		return nil
	}
	t := engine.TimeOf(at.UTC())
	return &t
}

// sumByQueue counts what ended in the last day, in gaps too.
func (s *Service) sumByQueue(ctx context.Context) (map[string]rollup.EndedOf, error) {
	day := time.Now().Add(-24 * time.Hour)
	sums, err := s.EndedByQueue(ctx, day)
	if err != nil {
		return nil, err
	}
	gaps, err := s.ledger.gaps(ctx, day)
	for _, g := range gaps {
		if g.ok == nil || g.failed == nil || g.queue == "" || g.from.Before(day) {
			continue
		}
		n := sums[g.queue]
		sums[g.queue] = rollup.EndedOf{OK: n.OK + *g.ok, Failed: n.Failed + *g.failed}
	}
	return sums, engine.WrapDB("read the gaps", err)
}

// PausedQueues returns since when queues are paused.
func (s *Service) PausedQueues(ctx context.Context) (map[string]*engine.Time, error) {
	found, _, err := s.stand(ctx)
	paused := map[string]*engine.Time{}
	for _, q := range found.Queues {
		if q.PausedAt != nil {
			paused[q.Name] = timeOf(q.PausedAt)
		}
	}
	return paused, err
}

// Workers returns the processes that are alive.
func (s *Service) Workers(ctx context.Context) ([]engine.Worker, error) {
	found, _, err := s.stand(ctx)
	if err != nil {
		return nil, err
	}
	workers := slices.Clone(found.Workers)
	for i := range workers {
		w := &workers[i]
		if w.StartedAt != nil {
			w.Order = w.StartedAt.UnixMilli()
		}
		if w.BeatAt != nil {
			w.BeatAgeMS = new(max(time.Since(*w.BeatAt).Milliseconds(), 0))
		}
	}
	return workers, nil
}

// Running returns at most n jobs under way, those that run longest first.
func (s *Service) Running(ctx context.Context, n int) ([]engine.RunningJob, error) {
	found, _, err := s.stand(ctx)
	all := slices.Clone(found.Running[:min(n, len(found.Running))])
	return all, err
}

// Today adds up the engine's own counters of its own day. How many jobs were enqueued is not among them.
func (s *Service) Today(ctx context.Context) (engine.Today, error) {
	found, _, err := s.stand(ctx)
	if err != nil {
		return engine.Today{}, err
	}
	t := engine.Today{DayStart: agent.StartOfDay(time.Now()), Zone: agent.ZoneName()}
	var ok, failed engine.Count
	for i, q := range found.Queues {
		day := q.Ended.Today
		if i == 0 {
			ok, failed = day.OK, day.Failed
		} else {
			ok, failed = ok.Plus(day.OK), failed.Plus(day.Failed)
		}
		if !day.Start.IsZero() {
			t.DayStart, t.Zone = day.Start, day.Start.Location().String()
		}
	}
	t.Completed, t.Failed = ok.Value(), failed.Value()
	t.Partial = ok.Known == engine.AtLeast || failed.Known == engine.AtLeast
	return t, nil
}

// Newest is nothing where the engine has no list of all jobs.
func (s *Service) Newest(ctx context.Context, n int) ([]engine.Job, error) {
	e, err := s.connect(ctx)
	if err != nil {
		return nil, unavailable(err)
	}
	if !e.Caps.Can(engine.CanListAll) || !e.Caps.Can(engine.CanEnqueuedAt) {
		return nil, nil
	}
	page, err := e.List(ctx, engine.Filter{Limit: n})
	return page.Jobs, unavailable(err)
}

// LatestLogs is nothing: no adapter reads logs yet.
func (s *Service) LatestLogs(context.Context, int) ([]engine.LogLine, error) { return nil, nil }

// Agents is nothing: the kinds of jobs are not known, and no agent is ours.
func (s *Service) Agents(context.Context) (map[string]*engine.AgentStats, error) {
	return map[string]*engine.AgentStats{}, nil
}

// DescribeAgents has nothing to describe.
func (s *Service) DescribeAgents(context.Context, map[string]*engine.AgentStats) error { return nil }

// NextRun is not known of agents that are none of ours.
func (s *Service) NextRun(string) *time.Time { return nil }

// Fleet has no agents.
func (s *Service) Fleet() *agent.Fleet { return &agent.Fleet{Path: s.about.Where} }

const (
	// failuresEvery is how often failed jobs are looked at.
	failuresEvery = 30 * time.Second
	// Of so many queues with the most failed jobs so many are looked at.
	failuresQueues = 8
	failuresRead   = 20
	failuresShown  = 50
)

// Failures returns the newest failure of each of n kinds at most, of the failed jobs that were looked at: those of the queues that
// have most of them.
func (s *Service) Failures(ctx context.Context, n int) ([]engine.Failure, error) {
	if _, _, err := s.stand(ctx); err != nil {
		return nil, err
	}
	found, _, err := s.sampled.Soon(ctx, s.refresher, failuresEvery, 0, s.sampleFailures)
	return slices.Clone(found[:min(n, len(found))]), unavailable(err)
}

func (s *Service) sampleFailures(ctx context.Context) ([]engine.Failure, error) {
	e, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	of, similar := map[engine.State][]engine.Failure{}, map[string]int{}
	for _, state := range []engine.State{engine.Discarded, engine.Retryable} {
		for _, queue := range s.fullest(state) {
			page, err := e.List(ctx, engine.Filter{Queue: queue, States: []engine.State{state}, Limit: failuresRead})
			if err != nil {
				return nil, err
			}
			for _, job := range page.Jobs {
				if job.Error != nil {
					f := failureOf(job)
					similar[f.Fingerprint]++
					of[state] = append(of[state], f)
				}
			}
		}
		slices.SortStableFunc(of[state], func(a, b engine.Failure) int { return cmp.Compare(a.Order, b.Order) })
	}
	recently := time.Now().Add(-24 * time.Hour)
	gaveUp := slices.DeleteFunc(slices.Clone(of[engine.Discarded]), func(f engine.Failure) bool { return f.At.Before(recently) })
	groups := engine.GroupFailures(gaveUp, slices.Concat(of[engine.Retryable], of[engine.Discarded]), failuresShown)
	for i := range groups {
		groups[i].Similar24h, groups[i].Capped = similar[groups[i].Fingerprint], true // of those that were looked at
		groups[i].MoreGaveUp = groups[i].GaveUp > 0
	}
	return groups, nil
}

// fullest returns the queues with most jobs in a state.
func (s *Service) fullest(state engine.State) []string {
	n := map[string]int64{}
	for _, q := range s.snapshot.Last().Queues {
		if jobs := q.Jobs[state]; jobs.N > 0 {
			n[q.Name] = jobs.N
		}
	}
	names := slices.SortedFunc(maps.Keys(n), func(a, b string) int { return cmp.Or(cmp.Compare(n[b], n[a]), cmp.Compare(a, b)) })
	return names[:min(len(names), failuresQueues)]
}

// failureOf makes a failure of what a list has of a job. When it failed is known of those that gave up alone.
func failureOf(job engine.Job) engine.Failure {
	f := engine.Failure{
		RunID: job.ID, JobID: job.ID, Agent: job.Agent, Attempt: value(job.Attempt), MaxAttempts: value(job.MaxAttempts), Outcome: "failed",
		Error: *job.Error, Fingerprint: fingerprint.Of(*job.Error, "").In(job.Agent),
	}
	if job.FinalizedAt != nil {
		f.At = *job.FinalizedAt
		f.Order = -f.At.UnixMilli()
	}
	return f
}

func value(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}
