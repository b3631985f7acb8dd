package river

import (
	"context"
	"database/sql"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
)

// CountActive counts the jobs that are available, pending, retryable, running or scheduled, by the index alone, in which the times when
// they become due are too. It takes 3 ms for 20,000 of them, and 0.3 s for a million.
func (t *Table) CountActive(ctx context.Context) (map[engine.StateQueue]engine.Active, error) {
	counts, now := map[engine.StateQueue]engine.Active{}, time.Now()
	rows, err := t.db.Read.QueryContext(ctx, `select state, queue, count(*), `+t.sql.oldestMS+` from river_job
		where state in ('available', 'pending', 'retryable', 'running', 'scheduled') group by state, queue`)
	_, err = db.Collect(rows, err, func(rows *sql.Rows) (key engine.StateQueue, err error) {
		var active engine.Active
		var oldest sql.NullInt64
		err = rows.Scan(engine.ScanName((*string)(&key.State)), engine.ScanName(&key.Queue), &active.N, &oldest)
		if at := engine.TimeOfMS(oldest); at != nil && at.Before(now) {
			active.OldestAt = at
		}
		counts[key] = active
		return key, err
	})
	return counts, err
}

// Queues returns the queues of the fleet, and others that have jobs or are paused.
func (rd *Reader) Queues(ctx context.Context) ([]engine.Queue, error) {
	queues, err := rd.readQueues(ctx)
	return queues, engine.WrapDB("read the queues", err)
}

func (rd *Reader) readQueues(ctx context.Context) ([]engine.Queue, error) {
	fleet := rd.fleet()
	counts, err := rd.CountActive(ctx)
	if err != nil {
		return nil, err
	}
	paused, err := rd.KnownQueues(ctx)
	if err != nil {
		return nil, err
	}
	slots, err := rd.offered(ctx, "queues")
	if err != nil {
		return nil, err
	}
	queues, rest := []engine.Queue{}, map[string]bool{}
	for i, q := range fleet.Queues {
		queues = append(queues, engine.Queue{Order: int64(i), Name: q.Name, Agents: append([]string{}, q.Agents[:min(len(q.Agents), maxNamed)]...), AgentCount: new(len(q.Agents))})
	}
	for key := range counts {
		rest[key.Queue] = true
	}
	for name, at := range paused {
		rest[name] = rest[name] || at != nil
	}
	for _, q := range queues {
		delete(rest, q.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		if rest[name] {
			queues = append(queues, engine.Queue{Order: int64(len(queues)), Name: name, Agents: []string{}, AgentCount: new(0)})
		}
	}
	for i := range queues {
		q := &queues[i]
		engine.FillQueue(q, counts)
		q.PausedAt, q.Slots = paused[q.Name], new(slots[q.Name])
	}
	return queues, nil
}

// PausedQueues returns since when each queue that is paused is. There may be thousands of others.
func (t *Table) PausedQueues(ctx context.Context) (map[string]*engine.Time, error) {
	return t.queues(ctx, ` where paused_at is not null`)
}

// KnownQueues returns the queues that River knows, and since when each is paused; nil when it is not.
func (t *Table) KnownQueues(ctx context.Context) (map[string]*engine.Time, error) {
	return t.queues(ctx, "")
}

func (t *Table) queues(ctx context.Context, which string) (map[string]*engine.Time, error) {
	paused := map[string]*engine.Time{}
	rows, err := t.db.Read.QueryContext(ctx, `select name, paused_at from river_queue`+which)
	_, err = db.Collect(rows, err, func(rows *sql.Rows) (name string, err error) {
		var at *engine.Time
		err = rows.Scan(engine.ScanName(&name), &at)
		paused[name] = at
		return name, err
	})
	return paused, err
}

// Served reports whether some live worker runs an agent, and whether one serves a queue.
func (rd *Reader) Served(ctx context.Context, agent, queue string) (runs, serves bool, err error) {
	agents, err := rd.offered(ctx, "agents")
	if err != nil {
		return false, false, engine.WrapDB("look for workers", err)
	}
	queues, err := rd.offered(ctx, "queues")
	return agents[agent] > 0, queues[queue] > 0, engine.WrapDB("look for workers", err)
}

// offered sums up what the live workers offer, by "queues" or by "agents". Most of them offer the same.
func (rd *Reader) offered(ctx context.Context, by string) (map[string]int, error) {
	same := map[string]int{} // how many workers have this text
	rows, err := rd.db.Read.QueryContext(ctx, `select `+by+` from worker where state = 'active' and beat_ms >= `+rd.db.NowMS()+` - $1`,
		SilentFor.Milliseconds())
	_, err = db.Collect(rows, err, func(rows *sql.Rows) (struct{}, error) {
		var text sql.RawBytes
		err := rows.Scan(&text)
		same[string(text)]++
		return struct{}{}, err
	})
	if err != nil {
		return nil, err
	}
	slots := map[string]int{}
	for text, workers := range same {
		offered := map[string]int{}
		if err := json.Unmarshal([]byte(text), &offered); err != nil {
			return nil, err
		}
		for name, n := range offered {
			slots[name] += n * workers
		}
	}
	return slots, nil
}
