package attach

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river/ends"
	"github.com/agentos/agentos/internal/paced"
	"github.com/agentos/agentos/internal/rollup"
)

const (
	// kindsSince is how far back a kind must have been seen to be shown.
	kindsSince = 7 * 24 * time.Hour
	// maxKinds bounds of how many kinds the last run is remembered.
	maxKinds = 20_000
	// kindsAgain is how far back the sums are read again that were read before: what ended then may come to light later.
	kindsAgain = 2 * time.Hour
	// kindsEvery is how often the sums are asked which kinds there are.
	kindsEvery = 30 * time.Second
	// maxByKind bounds how many waiting jobs are looked at one by one to find their kinds.
	maxByKind = 2_000_000
)

// kinds is what is known of the kinds of jobs, which are shown as agents.
type kinds struct {
	waiting paced.Answer[map[string]map[string]int64] // by kind and state
	known   paced.Answer[*knownKinds]

	mu   sync.Mutex
	last map[string]*lastOfKind
}

type lastOfKind struct {
	at, ok  time.Time // when jobs ended, and when one succeeded
	outcome string
	failure *engine.Failure
}

// ended notes what came of a job.
func (k *kinds) ended(e *ends.Ended) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.last == nil {
		k.last = map[string]*lastOfKind{}
	}
	last := k.last[e.Agent]
	if last == nil {
		if len(k.last) >= maxKinds {
			return
		}
		last = &lastOfKind{}
		k.last[e.Agent] = last
	}
	if !e.At.Before(last.at) {
		last.at = e.At
		last.outcome = outcomeOf(e)
	}
	if e.OK > 0 {
		last.ok = later(last.ok, e.At)
	}
	if e.Fingerprint != "" && (last.failure == nil || !e.At.Before(last.failure.At.Time)) {
		last.failure = &engine.Failure{JobID: engine.NumberID(e.ID), Agent: e.Agent, At: engine.TimeOf(e.At.UTC()), Error: engine.Clip(e.Failure, 200)}
	}
}

func outcomeOf(e *ends.Ended) string {
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

// knownKinds are the kinds of which jobs ended recently. It is not to be changed.
type knownKinds struct {
	kinds  map[string]rollup.AgentSums
	readTo time.Time
	whole  bool // nothing was to be filled in before that time when it was read
}

func (k *knownKinds) all() map[string]rollup.AgentSums {
	if k == nil {
		return nil
	}
	return k.kinds
}

// knownKinds returns the kinds of which jobs ended recently. Once all that ended before is in the sums, only the last hours are read
// again: with thousands of kinds, seven days of sums are a million rows.
func (s *Service) knownKinds(ctx context.Context) (map[string]rollup.AgentSums, error) {
	known, _, err := s.kinds.known.Soon(ctx, s.refresher, kindsEvery, 1, func(ctx context.Context) (*knownKinds, error) {
		now, before := time.Now(), s.kinds.known.Last()
		fresh := &knownKinds{readTo: now, whole: s.Progress().Done}
		since := now.Add(-kindsSince)
		again := before != nil && before.whole && fresh.whole && before.readTo.Add(-kindsAgain).After(since)
		if again {
			since = before.readTo.Add(-kindsAgain)
		}
		var err error
		if fresh.kinds, err = s.AgentsSince(ctx, since); err != nil || !again {
			return fresh, err
		}
		for kind, sums := range before.kinds {
			latest, ended := fresh.kinds[kind]
			switch {
			case !ended && sums.LastRun.Before(now.Add(-kindsSince)):
			case !ended:
				fresh.kinds[kind] = sums
			case latest.LastOK.IsZero():
				latest.LastOK = sums.LastOK
				fresh.kinds[kind] = latest
			}
		}
		return fresh, nil
	})
	return known.all(), err
}

// waitingByKind counts the waiting jobs by kind. The index does not hold the kind, so that each job is looked at: some 1 µs.
func (s *Service) waitingByKind(ctx context.Context) (map[string]map[string]int64, time.Time, error) {
	return s.kinds.waiting.Get(ctx, s.refresher, s.fresh(), shareKinds, func(ctx context.Context) (map[string]map[string]int64, error) {
		counts := map[string]map[string]int64{}
		rows, err := s.foreign.Read.QueryContext(ctx, `select kind, state, count(*) from (select kind, state from river_job
			where state in ('available', 'pending', 'retryable', 'scheduled') limit $1) picked group by kind, state`, maxByKind)
		_, err = db.Collect(rows, err, func(rows *sql.Rows) (struct{}, error) {
			var kind, state string
			var n int64
			err := rows.Scan(engine.ScanName(&kind), &state, &n)
			if counts[kind] == nil {
				counts[kind] = map[string]int64{}
			}
			counts[kind][state] += n
			return struct{}{}, err
		})
		return counts, engine.WrapDB("count the waiting jobs by kind", err)
	})
}

// Agents returns how each kind stands. How many may run at once is not known: Slots is -1.
func (s *Service) Agents(ctx context.Context) (map[string]*engine.AgentStats, error) {
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
	stats := map[string]*engine.AgentStats{}
	for _, names := range []map[string]bool{keys(known), keys(now.byKind), keys(waiting), s.kinds.recently()} {
		for kind := range names {
			stats[kind] = &engine.AgentStats{Slots: -1}
		}
	}
	countedAt, capped := at.UTC().Truncate(time.Millisecond), countOf(waiting) >= maxByKind
	for kind, one := range stats {
		one.Running = now.byKind[kind]
		one.Waiting, one.Scheduled, one.Retryable = waiting[kind]["available"], waiting[kind]["scheduled"], waiting[kind]["retryable"]
		one.Parked = waiting[kind]["pending"]
		one.CountedAt, one.Capped = &countedAt, capped
		s.kinds.describe(kind, one, known[kind])
	}
	s.setFleet(stats, known)
	return stats, nil
}

// DescribeAgents fills in the sums of some kinds.
func (s *Service) DescribeAgents(ctx context.Context, stats map[string]*engine.AgentStats) error {
	return engine.WrapDB("read the kinds", s.SumByAgent(ctx, time.Now(), stats))
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

// recently are the kinds of which this process has read that a job ended.
func (k *kinds) recently() map[string]bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return keys(k.last)
}

// describe fills in the last run, the last failure and the last success. What ended before this process began to read is known
// by the sums alone.
func (k *kinds) describe(kind string, a *engine.AgentStats, known rollup.AgentSums) {
	k.mu.Lock()
	defer k.mu.Unlock()
	run, ok := known.LastRun, known.LastOK
	if last := k.last[kind]; last != nil {
		run, ok = last.at, later(ok, last.ok)
		a.LastOutcome, a.LastError = last.outcome, last.failure
	}
	a.LastRunAt, a.LastSuccessAt = timeOrNil(run), timeOrNil(ok)
}

func timeOrNil(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	utc := at.UTC()
	return &utc
}

// setFleet makes the kinds the agents of a fleet, by name.
func (s *Service) setFleet(stats map[string]*engine.AgentStats, known map[string]rollup.AgentSums) {
	fleet := &agent.Fleet{Path: s.foreign.URL}
	for _, name := range slices.Sorted(maps.Keys(stats)) {
		fleet.Agents = append(fleet.Agents, &agent.Spec{Name: name, Queue: known[name].Queue})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fleet = fleet
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
