package attach

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/jobs"
)

const (
	// kindsSince is how far back a kind must have been seen to be shown.
	kindsSince = 7 * 24 * time.Hour
	// maxKinds bounds how many kinds are shown; those with the most jobs come first.
	maxKinds = 200
	// kindsEvery is how often the sums are asked which kinds there are.
	kindsEvery = 30 * time.Second
	// maxByKind bounds how many waiting jobs are looked at one by one to tell of what kind they are.
	maxByKind = 2_000_000
)

// kinds is what is known of the kinds of jobs, which are shown as agents.
type kinds struct {
	waiting paced[map[string]map[string]int64] // by kind and state
	known   paced[map[string]string]           // kinds to their usual queues

	mu   sync.Mutex
	last map[string]*lastOfKind
}

type lastOfKind struct {
	at      time.Time
	outcome string
	failure *jobs.Failure
}

// ended notes what came of a job.
func (k *kinds) ended(e *ended) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.last == nil {
		k.last = map[string]*lastOfKind{}
	}
	last := k.last[e.Agent]
	if last == nil {
		if len(k.last) >= 10*maxKinds {
			return
		}
		last = &lastOfKind{}
		k.last[e.Agent] = last
	}
	if !e.At.Before(last.at) {
		last.at = e.At
		last.outcome = outcomeOf(e)
	}
	if e.fingerprint != "" && (last.failure == nil || !e.At.Before(last.failure.At)) {
		last.failure = &jobs.Failure{JobID: e.id, Agent: e.Agent, At: e.At.UTC(), Error: jobs.Clip(e.failure, 200)}
	}
}

func outcomeOf(e *ended) string {
	switch {
	case e.OK > 0:
		return "ok"
	case e.Cancelled > 0:
		return "cancelled"
	case e.Lost > 0:
		return "lost"
	}
	return "failed"
}

// queues returns the queue that each known kind usually is in.
func (k *kinds) queues() map[string]string {
	return maps.Clone(k.known.last())
}

// knownKinds lists the kinds of which jobs ended lately, wait or run.
func (s *Service) knownKinds(ctx context.Context) (map[string]string, error) {
	known, _, err := s.kinds.known.get(ctx, s.askers, kindsEvery, 1, func(ctx context.Context) (map[string]string, error) {
		known, err := s.AgentsSince(ctx, time.Now().Add(-kindsSince))
		if err != nil {
			return nil, err
		}
		return known, nil
	})
	return known, err
}

// waitingByKind counts the waiting jobs by kind. The index does not hold the kind, so that each job is looked at: some 1 µs.
func (s *Service) waitingByKind(ctx context.Context) (map[string]map[string]int64, time.Time, error) {
	return s.kinds.waiting.get(ctx, s.askers, s.fresh(), shareKinds, func(ctx context.Context) (map[string]map[string]int64, error) {
		counts := map[string]map[string]int64{}
		rows, err := s.foreign.Read.QueryContext(ctx, `select kind, state, count(*) from (select kind, state from river_job
			where state in ('available', 'retryable', 'scheduled') limit $1) picked group by kind, state`, maxByKind)
		_, err = jobs.Collect(rows, err, func(rows *sql.Rows) (struct{}, error) {
			var kind, state string
			var n int64
			err := rows.Scan(&kind, &state, &n)
			if counts[kind] == nil {
				counts[kind] = map[string]int64{}
			}
			counts[kind][state] = n
			return struct{}{}, err
		})
		return counts, jobs.Explain("count the waiting jobs by kind", err)
	})
}

// Agents returns what is known of each kind. How many may run at once is not: Slots is -1.
func (s *Service) Agents(ctx context.Context) (map[string]jobs.AgentStats, error) {
	now, err := s.runningJobs(ctx)
	if err != nil {
		return nil, err
	}
	waiting, at, err := s.waitingByKind(ctx)
	if err != nil {
		return nil, err
	}
	known, err := s.knownKinds(ctx)
	if err != nil {
		return nil, err
	}
	stats := map[string]*jobs.AgentStats{}
	for _, names := range []map[string]bool{keys(known), keys(now.byKind), keys(waiting)} {
		for kind := range names {
			stats[kind] = &jobs.AgentStats{Slots: -1}
		}
	}
	if err := s.SumByAgent(ctx, time.Now(), stats); err != nil {
		return nil, jobs.Explain("read the kinds", err)
	}
	result := make(map[string]jobs.AgentStats, len(stats))
	countedAt, capped := at.UTC().Truncate(time.Millisecond), countOf(waiting) >= maxByKind
	for kind, one := range stats {
		one.Running = now.byKind[kind]
		one.Waiting, one.Scheduled, one.Retryable = waiting[kind]["available"], waiting[kind]["scheduled"], waiting[kind]["retryable"]
		one.CountedAt, one.Capped = &countedAt, capped
		s.kinds.describe(kind, one)
		result[kind] = *one
	}
	s.setFleet(result, known)
	return result, nil
}

func countOf(byKind map[string]map[string]int64) (all int64) {
	for _, byState := range byKind {
		for _, n := range byState {
			all += n
		}
	}
	return all
}

func keys[T any](of map[string]T) map[string]bool {
	names := make(map[string]bool, len(of))
	for name := range of {
		names[name] = true
	}
	return names
}

// describe fills in the last run and the last failure.
func (k *kinds) describe(kind string, a *jobs.AgentStats) {
	k.mu.Lock()
	defer k.mu.Unlock()
	last := k.last[kind]
	if last == nil {
		return
	}
	at := last.at.UTC()
	a.LastRunAt, a.LastOutcome, a.LastError = &at, last.outcome, last.failure
}

// setFleet makes the kinds the agents of a fleet: the busiest, by name.
func (s *Service) setFleet(stats map[string]jobs.AgentStats, queues map[string]string) {
	names := slices.Sorted(maps.Keys(stats))
	if len(names) > maxKinds {
		slices.SortStableFunc(names, func(a, b string) int {
			return int(busy(stats[b]) - busy(stats[a]))
		})
		names = names[:maxKinds]
		slices.Sort(names)
	}
	fleet := &agent.Fleet{Path: s.foreign.URL}
	for _, name := range names {
		fleet.Agents = append(fleet.Agents, &agent.Spec{Name: name, Queue: queues[name]})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fleet, s.kindCount = fleet, len(stats)
}

func busy(a jobs.AgentStats) int64 {
	return a.Running + a.Waiting + a.Scheduled + a.Retryable + a.LastDay.Runs
}

// Fleet returns the kinds as a fleet's agents, as they were found last.
func (s *Service) Fleet() *agent.Fleet {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fleet == nil {
		return &agent.Fleet{Path: s.foreign.URL}
	}
	return s.fleet
}
