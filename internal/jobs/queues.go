package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/agentos/agentos/internal/db"
)

// StateQueue is a state of jobs in a queue.
type StateQueue struct{ State, Queue string }

// CountActive counts the jobs that are available, retryable, running or scheduled, by the index alone. It takes 3 ms for 20,000
// of them, and 0.3 s for a million.
func (t *Table) CountActive(ctx context.Context) (map[StateQueue]int64, error) {
	counts := map[StateQueue]int64{}
	rows, err := t.db.Read.QueryContext(ctx, `select state, queue, count(*) from river_job
		where state in ('available', 'retryable', 'running', 'scheduled') group by state, queue`)
	_, err = Collect(rows, err, func(rows *sql.Rows) (key StateQueue, err error) {
		var n int64
		err = rows.Scan(&key.State, &key.Queue, &n)
		counts[key] = n
		return key, err
	})
	return counts, err
}

// Queues returns the queues of the fleet, and others that have jobs or are paused.
func (s *Service) Queues(ctx context.Context) ([]Queue, error) {
	queues, err := s.readQueues(ctx)
	return queues, Explain("read the queues", err)
}

func (s *Service) readQueues(ctx context.Context) ([]Queue, error) {
	fleet := s.Fleet()
	counts, err := s.CountActive(ctx)
	if err != nil {
		return nil, err
	}
	paused, err := s.PausedQueues(ctx)
	if err != nil {
		return nil, err
	}
	slots, err := s.offered(ctx, "queues")
	if err != nil {
		return nil, err
	}
	queues, rest := []Queue{}, map[string]bool{}
	for i, q := range fleet.Queues {
		queues = append(queues, Queue{Order: int64(i), Name: q.Name, Agents: append([]string{}, q.Agents...)})
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
			queues = append(queues, Queue{Order: int64(len(queues)), Name: name, Agents: []string{}})
		}
	}
	var waiting []string
	for i := range queues {
		q := &queues[i]
		q.Pending, q.Processing = counts[StateQueue{"available", q.Name}], counts[StateQueue{"running", q.Name}]
		q.Scheduled, q.Retryable = counts[StateQueue{"scheduled", q.Name}], counts[StateQueue{"retryable", q.Name}]
		q.PausedAt, q.Slots = paused[q.Name], slots[q.Name]
		if q.Pending > 0 {
			waiting = append(waiting, q.Name)
		}
	}
	oldest, err := s.OldestDue(ctx, waiting, time.Now())
	if err != nil {
		return nil, err
	}
	for i := range queues {
		queues[i].OldestAt = oldest[queues[i].Name]
	}
	return queues, nil
}

// PausedQueues returns since when each queue River knows is paused; nil when it is not.
func (t *Table) PausedQueues(ctx context.Context) (map[string]*time.Time, error) {
	paused := map[string]*time.Time{}
	rows, err := t.db.Read.QueryContext(ctx, `select name, paused_at from river_queue`)
	_, err = Collect(rows, err, func(rows *sql.Rows) (name string, err error) {
		var at sql.NullTime
		err = rows.Scan(&name, &at)
		paused[name] = timePtr(at)
		return name, err
	})
	return paused, err
}

// OldestDue returns when the oldest waiting job of each queue became due, if it is due: one step down the index for each
// priority.
func (t *Table) OldestDue(ctx context.Context, queues []string, now time.Time) (map[string]*time.Time, error) {
	oldest := map[string]*time.Time{}
	note := func(queue string, at sql.NullTime) {
		if at.Valid && at.Time.Before(now) && (oldest[queue] == nil || at.Time.Before(*oldest[queue])) {
			oldest[queue] = timePtr(at)
		}
	}
	if t.db.Kind == db.Postgres {
		rows, err := t.db.Read.QueryContext(ctx, `select q.name, j.scheduled_at from unnest($1::text[]) q(name)
			cross join generate_series(1, 4) p(priority) cross join lateral (select scheduled_at from river_job
				where state = 'available' and queue = q.name and priority = p.priority order by scheduled_at limit 1) j`, queues)
		_, err = Collect(rows, err, func(rows *sql.Rows) (queue string, err error) {
			var at sql.NullTime
			err = rows.Scan(&queue, &at)
			note(queue, at)
			return queue, err
		})
		return oldest, err
	}
	for _, queue := range queues {
		for priority := 1; priority <= 4; priority++ {
			var at sql.NullTime
			err := t.db.Read.QueryRowContext(ctx, `select scheduled_at from river_job
				where state = 'available' and queue = $1 and priority = $2 order by scheduled_at limit 1`, queue, priority).Scan(&at)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return nil, err
			}
			note(queue, at)
		}
	}
	return oldest, nil
}

// offered sums up what the live workers offer, by "queues" or by "agents".
func (s *Service) offered(ctx context.Context, by string) (map[string]int, error) {
	slots := map[string]int{}
	rows, err := s.db.Read.QueryContext(ctx, `select `+by+` from worker where state = 'active' and beat_ms >= `+s.sql.nowMS+` - $1`,
		silentFor.Milliseconds())
	_, err = Collect(rows, err, func(rows *sql.Rows) (struct{}, error) {
		var text string
		offered := map[string]int{}
		if err := rows.Scan(&text); err != nil {
			return struct{}{}, err
		}
		if err := json.Unmarshal([]byte(text), &offered); err != nil {
			return struct{}{}, err
		}
		for name, n := range offered {
			slots[name] += n
		}
		return struct{}{}, nil
	})
	return slots, err
}
