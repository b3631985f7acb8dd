package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/agentos/agentos/internal/agent"
)

// maxNamed bounds the names shown beside a worker.
const maxNamed = 20

// Workers returns the workers that live, and those that were lost in the last ten minutes; oldest first.
func (s *Service) Workers(ctx context.Context) ([]Worker, error) {
	fleet := s.Fleet()
	rows, err := s.db.Read.QueryContext(ctx, `select w.id, w.host, w.pid, w.version, w.state, w.started_ms, w.beat_ms, `+s.sql.nowMS+` - w.beat_ms,
			w.slots, (select count(*) from run r where r.ended_ms is null and r.worker = w.id), w.done, w.queues, w.agents
		from worker w where w.beat_ms >= `+s.sql.nowMS+` - $1 order by w.started_ms, w.id`, lostShown.Milliseconds())
	workers, err := Collect(rows, err, func(rows *sql.Rows) (w Worker, err error) {
		var started, beat int64
		var queues, agents string
		err = rows.Scan(&w.ID, &w.Host, &w.PID, &w.Version, &w.State, &started, &beat, &w.BeatAgeMS, &w.Slots, &w.Running, &w.Done, &queues, &agents)
		if err != nil {
			return w, err
		}
		w.Order, w.StartedAt, w.BeatAt, w.BeatAgeMS = started, fromMS(started), fromMS(beat), max(w.BeatAgeMS, 0)
		if time.Duration(w.BeatAgeMS)*time.Millisecond > silentFor {
			w.State = "lost"
		}
		return w, w.describe(fleet, queues, agents)
	})
	return workers, Explain("read the workers", err)
}

// describe reads what the worker serves.
func (w *Worker) describe(fleet *agent.Fleet, queues, agents string) error {
	served, run := map[string]int{}, map[string]int{}
	if err := json.Unmarshal([]byte(queues), &served); err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(agents), &run); err != nil {
		return err
	}
	w.Agents = len(run)
	all := len(run) == len(fleet.Agents) && !slices.ContainsFunc(fleet.Agents, func(spec *agent.Spec) bool { _, runs := run[spec.Name]; return !runs })
	if !all {
		w.AgentNames, w.Queues = firstNames(run), firstNames(served)
	}
	return nil
}

func firstNames(of map[string]int) []string {
	names := slices.AppendSeq([]string{}, maps.Keys(of))
	slices.Sort(names)
	return names[:min(len(names), maxNamed)]
}
