package jobs

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/agentos/agentos/internal/agent"
)

// maxByKind bounds how many jobs of one state in a shared queue are looked at one by one to tell whose they are.
const maxByKind = 20_000

// Agents returns what the queue and the rollups know of each agent of the fleet.
func (s *Service) Agents(ctx context.Context) (map[string]AgentStats, error) {
	fleet := s.Fleet()
	now := time.Now()
	stats := make(map[string]*AgentStats, len(fleet.Agents))
	for _, spec := range fleet.Agents {
		stats[spec.Name] = &AgentStats{}
	}
	if err := s.countByAgent(ctx, fleet, stats); err != nil {
		return nil, Explain("read the agents", err)
	}
	if err := s.SumByAgent(ctx, now, stats); err != nil {
		return nil, Explain("read the agents", err)
	}
	slots, err := s.offered(ctx, "agents")
	if err != nil {
		return nil, Explain("read the agents", err)
	}
	result := make(map[string]AgentStats, len(stats))
	for name, a := range stats {
		a.Slots = slots[name]
		if err := s.lastOf(ctx, name, a); err != nil {
			return nil, Explain("read agent "+name, err)
		}
		result[name] = *a
	}
	return result, nil
}

// countByAgent counts active jobs. A queue that one agent has for itself counts by the index alone; only in others the
// jobs themselves are looked at.
func (s *Service) countByAgent(ctx context.Context, fleet *agent.Fleet, stats map[string]*AgentStats) error {
	own := map[string]string{}
	for _, q := range fleet.Queues {
		if len(q.Agents) == 1 {
			own[q.Name] = q.Agents[0]
		}
	}
	counts, err := s.CountActive(ctx)
	if err != nil {
		return err
	}
	for key, n := range counts {
		if name := own[key.Queue]; name != "" {
			stats[name].count(key.State, n)
			continue
		}
		byKind, capped, err := s.countKinds(ctx, key)
		if err != nil {
			return err
		}
		for kind, n := range byKind {
			if a := stats[kind]; a != nil {
				a.count(key.State, n)
			}
		}
		if !capped {
			continue
		}
		for _, a := range stats {
			a.Capped = true // anyone's may be among the others
		}
	}
	return nil
}

func (a *AgentStats) count(state string, n int64) {
	switch state {
	case "running":
		a.Running += n
	case "available":
		a.Waiting += n
	case "scheduled":
		a.Scheduled += n
	case "retryable":
		a.Retryable += n
	}
}

// countKinds counts the jobs of one state in a queue by kind; capped tells that there may be more than it looked at.
func (s *Service) countKinds(ctx context.Context, key StateQueue) (counts map[string]int64, capped bool, err error) {
	rows, err := s.db.Read.QueryContext(ctx, `select kind from river_job where state = $1 and queue = $2 limit $3`, key.State, key.Queue, maxByKind)
	counts = map[string]int64{}
	looked, err := Collect(rows, err, func(rows *sql.Rows) (kind string, err error) {
		err = rows.Scan(&kind)
		counts[kind]++
		return kind, err
	})
	return counts, len(looked) == maxByKind, err
}

// lastOf fills in the run that ended last and the last failure.
func (s *Service) lastOf(ctx context.Context, name string, a *AgentStats) error {
	var ended int64
	err := s.db.Read.QueryRowContext(ctx, `select outcome, ended_ms from run
		where agent = $1 and ended_ms is not null order by ended_ms desc limit 1`, name).Scan(&a.LastOutcome, &ended)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	at := fromMS(ended)
	a.LastRunAt = &at
	failures, err := s.failures(ctx, `where agent = $1 and outcome in ('failed', 'timeout', 'lost') order by ended_ms desc limit 1`, name)
	if err == nil && len(failures) > 0 {
		a.LastError = &failures[0]
	}
	return err
}
