package river

import (
	"context"
	"database/sql"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
)

// maxNamed bounds the names shown beside a worker or a queue.
const maxNamed = 20

const (
	// SilentFor is how long a worker may be silent before it is taken for dead.
	SilentFor = 10 * time.Second
	// lostShown is how long a lost worker is listed.
	lostShown = 10 * time.Minute
)

// Workers returns the workers that live, and those that were lost in the last ten minutes; oldest first.
func (rd *Reader) Workers(ctx context.Context) ([]engine.Worker, error) {
	fleet, known := rd.fleet(), map[servedText]served{}
	rows, err := rd.db.Read.QueryContext(ctx, `select w.id, w.host, w.pid, w.version, w.state, w.started_ms, w.beat_ms, `+rd.db.NowMS()+` - w.beat_ms,
			w.slots, coalesce(r.running, 0), w.done, w.queues, w.agents, w.ahead_ms
		from worker w left join (select worker, count(*) as running from run where ended_ms is null group by worker) r on r.worker = w.id
		where w.beat_ms >= `+rd.db.NowMS()+` - $1 order by w.started_ms, w.id`, lostShown.Milliseconds())
	workers, err := db.Collect(rows, err, func(rows *sql.Rows) (w engine.Worker, err error) {
		var started, beat, age int64
		w.PID, w.Slots, w.Running, w.Done = new(int), new(int), new(int), new(int64) // our own workers write them all
		var text servedText
		var aheadMS sql.NullInt64
		err = rows.Scan(&w.ID, &w.Host, w.PID, &w.Version, &w.State, &started, &beat, &age, w.Slots, w.Running, w.Done, &text.queues, &text.agents, &aheadMS)
		if err != nil {
			return w, err
		}
		startedAt, beatAt := db.FromMS(started), db.FromMS(beat)
		age = max(age, 0)
		w.Order, w.StartedAt, w.BeatAt, w.BeatAgeMS = started, &startedAt, &beatAt, &age
		w.SkewS = engine.SkewSeconds(time.Duration(aheadMS.Int64) * time.Millisecond)
		if time.Duration(age)*time.Millisecond > SilentFor {
			w.State = "lost"
		}
		what, ok := known[text]
		if !ok { // most of them serve the same
			if what, err = describeServed(fleet, text); err != nil {
				return w, err
			}
			known[text] = what
		}
		w.Agents, w.AgentNames, w.Queues = &what.count, what.agents, what.queues
		return w, nil
	})
	return workers, engine.WrapDB("read the workers", err)
}

// servedText is what a worker wrote of what it serves, as JSON objects.
type servedText struct{ queues, agents string }

// served is what a worker serves; no names: all of the fleet.
type served struct {
	count          int
	agents, queues []string
}

func describeServed(fleet *agent.Fleet, text servedText) (s served, err error) {
	queues, run := map[string]int{}, map[string]int{}
	if err := json.Unmarshal([]byte(text.queues), &queues); err != nil {
		return s, err
	}
	if err := json.Unmarshal([]byte(text.agents), &run); err != nil {
		return s, err
	}
	s.count = len(run)
	all := len(run) == len(fleet.Agents) && !slices.ContainsFunc(fleet.Agents, func(spec *agent.Spec) bool { _, runs := run[spec.Name]; return !runs })
	if !all {
		s.agents, s.queues = firstNames(run), firstNames(queues)
	}
	return s, nil
}

func firstNames(of map[string]int) []string {
	names := slices.AppendSeq([]string{}, maps.Keys(of))
	slices.Sort(names)
	return names[:min(len(names), maxNamed)]
}
