package river

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
)

const (
	// maxByKind bounds how many jobs of one state in a shared queue are looked at one by one to find their agents, and
	// maxByKinds how many of all of them.
	maxByKind  = 20_000
	maxByKinds = 200_000
	// fewInQueue is how many jobs of one state a queue has to be looked at together with others.
	fewInQueue = 1000
)

// Agents returns how each agent of the fleet stands: what of its jobs runs and waits, who serves it, and how its last attempt
// ended. DescribeAgents has the rest.
func (rd *Reader) Agents(ctx context.Context) (map[string]*engine.AgentStats, error) {
	fleet := rd.fleet()
	stats := make(map[string]*engine.AgentStats, len(fleet.Agents))
	for _, spec := range fleet.Agents {
		stats[spec.Name] = &engine.AgentStats{}
	}
	if err := rd.countByAgent(ctx, fleet, stats); err != nil {
		return nil, engine.WrapDB("read the agents", err)
	}
	if err := rd.lastRuns(ctx, stats); err != nil {
		return nil, engine.WrapDB("read the agents", err)
	}
	slots, err := rd.offered(ctx, "agents")
	if err != nil {
		return nil, engine.WrapDB("read the agents", err)
	}
	absent, err := rd.absentSomewhere(ctx)
	if err != nil {
		return nil, engine.WrapDB("read the agents", err)
	}
	for name, a := range stats {
		a.Slots, a.Problem = slots[name], absent[name]
	}
	return stats, nil
}

// DescribeAgents fills in what takes longer to read, of some agents: their sums, the last failure and the last success.
func (rd *Reader) DescribeAgents(ctx context.Context, stats map[string]*engine.AgentStats) error {
	if err := rd.SumByAgent(ctx, time.Now(), stats); err != nil {
		return engine.WrapDB("read the agents", err)
	}
	if err := rd.lastFailures(ctx, stats); err != nil {
		return engine.WrapDB("read the agents", err)
	}
	return engine.WrapDB("read the agents", rd.lastSuccesses(ctx, stats))
}

// countByAgent counts active jobs. A queue that one agent has for itself counts by the index alone; only in others the
// jobs themselves are looked at.
func (rd *Reader) countByAgent(ctx context.Context, fleet *agent.Fleet, stats map[string]*engine.AgentStats) error {
	own := map[string]string{}
	for _, q := range fleet.Queues {
		if len(q.Agents) == 1 {
			own[q.Name] = q.Agents[0]
		}
	}
	counts, err := rd.CountActive(ctx)
	if err != nil {
		return err
	}
	var shared []engine.StateQueue
	for key, active := range counts {
		if name := own[key.Queue]; name != "" {
			stats[name].Count(key.State, active.N)
		} else {
			shared = append(shared, key)
		}
	}
	slices.SortFunc(shared, func(a, b engine.StateQueue) int {
		return cmp.Or(cmp.Compare(counts[a].N, counts[b].N), cmp.Compare(a.Queue, b.Queue), cmp.Compare(a.State, b.State))
	})
	few, left := 0, int64(maxByKinds)
	for few < len(shared) && counts[shared[few]].N <= fewInQueue && left > 0 {
		left -= counts[shared[few]].N
		few++
	}
	if err := rd.countFew(ctx, shared[:few], stats); err != nil {
		return err
	}
	capped := false
	for _, key := range shared[few:] {
		most := min(maxByKind, left)
		if capped = capped || counts[key].N >= most; most <= 0 {
			break
		}
		left -= min(counts[key].N, most)
		if err := rd.countKinds(ctx, key, most, stats); err != nil {
			return err
		}
	}
	for _, a := range stats {
		a.Capped = capped // anyone's may be among the others
	}
	return nil
}

// countFew counts the jobs of queues with few of them by kind.
func (rd *Reader) countFew(ctx context.Context, keys []engine.StateQueue, stats map[string]*engine.AgentStats) error {
	if len(keys) == 0 {
		return nil
	}
	rows, err := rd.db.Read.QueryContext(ctx, rd.sql.kindsOfQueues, rd.sql.stateQueues(keys)...)
	_, err = db.Collect(rows, err, func(rows *sql.Rows) (struct{}, error) {
		var state engine.State
		var kind string
		var n int64
		err := rows.Scan(&state, engine.ScanName(&kind), &n)
		if a := stats[kind]; a != nil {
			a.Count(state, n)
		}
		return struct{}{}, err
	})
	return err
}

// countKinds counts the jobs of one state in a queue by kind, at most so many of them.
func (rd *Reader) countKinds(ctx context.Context, key engine.StateQueue, most int64, stats map[string]*engine.AgentStats) error {
	rows, err := rd.db.Read.QueryContext(ctx, `select kind from river_job where state = $1 and queue = $2 limit $3`, key.State, key.Queue, most)
	_, err = db.Collect(rows, err, func(rows *sql.Rows) (struct{}, error) {
		var kind string
		err := rows.Scan(engine.ScanName(&kind))
		if a := stats[kind]; a != nil {
			a.Count(key.State, 1)
		}
		return struct{}{}, err
	})
	return err
}

// lastRuns fills in the runs that ended last: one step down an index for each agent.
func (rd *Reader) lastRuns(ctx context.Context, stats map[string]*engine.AgentStats) error {
	rows, err := rd.db.Read.QueryContext(ctx, rd.sql.lastRuns, rd.db.Names(maps.Keys(stats)))
	_, err = db.Collect(rows, err, func(rows *sql.Rows) (struct{}, error) {
		var name, outcome string
		var ended int64
		err := rows.Scan(&name, &outcome, &ended)
		if a := stats[name]; a != nil {
			at := db.FromMS(ended)
			a.LastRunAt, a.LastOutcome = &at, outcome
		}
		return struct{}{}, err
	})
	return err
}

func (rd *Reader) lastFailures(ctx context.Context, stats map[string]*engine.AgentStats) error {
	rows, err := rd.db.Read.QueryContext(ctx, rd.sql.lastFailures, rd.db.Names(maps.Keys(stats)))
	_, err = db.Collect(rows, err, func(rows *sql.Rows) (struct{}, error) {
		f, ended := &engine.Failure{}, int64(0)
		err := rows.Scan(&f.Agent, &f.RunID, &f.JobID, &ended, &f.Error)
		f.At, f.Error = engine.TimeOf(db.FromMS(ended)), engine.Clip(f.Error, maxListError)
		if a := stats[f.Agent]; a != nil {
			a.LastError = f
		}
		return struct{}{}, err
	})
	return err
}

// successes remembers when agents succeeded last whose last attempts did not: finding that again could mean to go through all of
// these.
type successes struct {
	mu   sync.Mutex
	last map[string]lastSuccess
}

type lastSuccess struct {
	seen int64 // the end of the agent's last attempt when this was looked up, in ms
	ok   int64 // 0: it has not succeeded for as long as is known
}

const (
	maxSuccesses = 1000 // remembered
	// lookBack is at how many attempts before the last one a success is looked for; beyond, the sums give its minute or hour.
	lookBack = 200
)

func (rd *Reader) lastSuccesses(ctx context.Context, stats map[string]*engine.AgentStats) error {
	for name, a := range stats {
		if a.LastOutcome == "ok" || a.LastRunAt == nil {
			a.LastSuccessAt = a.LastRunAt
			continue
		}
		ok, err := rd.successes.find(a.LastRunAt.UnixMilli(), name, func(after int64) (int64, error) { return rd.readSuccess(ctx, name, after) })
		if err != nil {
			return err
		}
		if ok > 0 {
			at := db.FromMS(ok)
			a.LastSuccessAt = &at
		}
	}
	return nil
}

// find returns when an agent succeeded last whose last attempt ended at a time. It reads what came after the last time it did.
func (l *successes) find(ended int64, name string, read func(after int64) (int64, error)) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known, found := l.last[name]
	if found && known.seen == ended {
		return known.ok, nil
	}
	ok, err := read(known.seen)
	if err != nil {
		return 0, err
	}
	if l.last == nil || len(l.last) >= maxSuccesses {
		l.last = map[string]lastSuccess{}
	}
	known = lastSuccess{ended, max(known.ok, ok)}
	l.last[name] = known
	return known.ok, nil
}

// readSuccess returns when an attempt of an agent succeeded last, after a time; 0: none did.
func (rd *Reader) readSuccess(ctx context.Context, name string, after int64) (ok int64, err error) {
	err = rd.db.Read.QueryRowContext(ctx, `select coalesce(max(case when outcome = 'ok' then ended_ms end), 0) from (select outcome, ended_ms from run
		where agent = $1 and ended_ms is not null and ended_ms > $2 order by ended_ms desc limit $3) newest`, name, after, lookBack).Scan(&ok)
	if err != nil || ok > 0 {
		return ok, err
	}
	return rd.LastOK(ctx, name, after)
}

// absentSomewhere returns for each agent that a live worker cannot run the worker and the reason: one of them, if there are several.
func (rd *Reader) absentSomewhere(ctx context.Context) (map[string]string, error) {
	reasons := map[string]string{}
	rows, err := rd.db.Read.QueryContext(ctx, `select host, absent from worker where absent <> '{}' and state = 'active' and beat_ms >= `+rd.db.NowMS()+` - $1
		order by started_ms desc, id`, SilentFor.Milliseconds())
	_, err = db.Collect(rows, err, func(rows *sql.Rows) (struct{}, error) {
		var host, text string
		of := map[string]string{}
		if err := rows.Scan(&host, &text); err != nil {
			return struct{}{}, err
		}
		if err := json.Unmarshal([]byte(text), &of); err != nil {
			return struct{}{}, err
		}
		for name, reason := range of {
			reasons[name] = engine.Clip(fmt.Sprintf("cannot run on %s: %s", host, reason), engine.MaxErrorText/2)
		}
		return struct{}{}, nil
	})
	return reasons, err
}
