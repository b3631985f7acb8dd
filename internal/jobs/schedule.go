package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
)

const (
	scheduleLook  = time.Second // how often other processes' work is noticed
	scheduleTag   = "scheduled"
	scheduleRetry = 5 * time.Second // after a failure
)

// nextRuns is when each scheduled agent is due next, by agent.
type nextRuns struct {
	mu sync.Mutex
	at map[string]time.Time
}

func (n *nextRuns) set(at map[string]time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.at = at
}

// NextRun returns when an agent is due by its schedule; nil when it has none, or before Start.
func (s *Service) NextRun(agent string) *time.Time {
	s.next.mu.Lock()
	defer s.next.mu.Unlock()
	if at, ok := s.next.at[agent]; ok {
		return &at
	}
	return nil
}

// loadSchedule makes each scheduled agent's row say when it is due. A row of the same schedule stays: a time missed while
// nothing ran is made up for once.
func (s *Service) loadSchedule(ctx context.Context, fleet *agent.Fleet) error {
	err := s.inTx(ctx, func(tx *db.Tx) error {
		for _, spec := range fleet.Agents {
			if spec.Schedule == "" {
				if _, err := tx.ExecContext(ctx, `delete from schedule where agent = $1`, spec.Name); err != nil {
					return err
				}
				continue
			}
			next, err := nextTime(spec, time.Now())
			if err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, `insert into schedule (agent, spec, next_ms) values ($1, $2, $3)
				on conflict (agent) do update set spec = excluded.spec, next_ms = excluded.next_ms where schedule.spec <> excluded.spec`,
				spec.Name, spec.Schedule, next.UnixMilli())
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = s.readSchedule(ctx, fleet)
	return err
}

func nextTime(spec *agent.Spec, after time.Time) (time.Time, error) {
	schedule, err := agent.ParseSchedule(spec.Schedule)
	if err != nil {
		return time.Time{}, fmt.Errorf("agent %s: %w", spec.Name, err)
	}
	return schedule.Next(after), nil
}

type due struct {
	spec  *agent.Spec
	next  int64
	jobID sql.NullInt64
}

// readSchedule returns the rows of the fleet's agents and shows them to NextRun.
func (s *Service) readSchedule(ctx context.Context, fleet *agent.Fleet) ([]due, error) {
	at := map[string]time.Time{}
	rows, err := s.db.Read.QueryContext(ctx, `select agent, next_ms, job_id from schedule`)
	all, err := Collect(rows, err, func(rows *sql.Rows) (d due, err error) {
		var name string
		err = rows.Scan(&name, &d.next, &d.jobID)
		if d.spec = fleet.Agent(name); d.spec != nil && d.spec.Schedule != "" {
			at[name] = fromMS(d.next)
		}
		return d, err
	})
	if err == nil {
		s.next.set(at)
	}
	return all, err
}

// runSchedule inserts the jobs that are due. Each process does; a guarded update makes it happen once.
func (s *Service) runSchedule() {
	wait := time.Duration(0)
	for {
		select {
		case <-s.tending.Done():
			return
		case <-time.After(wait):
		}
		if s.active.isDraining() {
			wait = scheduleLook
			continue
		}
		ctx, cancel := context.WithTimeout(s.tending, persistTimeout)
		next, err := s.insertDue(ctx)
		cancel()
		s.health.report("insert scheduled jobs", err)
		wait = min(max(time.Until(next), time.Millisecond), scheduleLook)
		if err != nil {
			wait = scheduleRetry
		}
	}
}

// insertDue inserts what is due and returns when to look again.
func (s *Service) insertDue(ctx context.Context) (time.Time, error) {
	rows, err := s.readSchedule(ctx, s.Fleet())
	if err != nil {
		return time.Time{}, err
	}
	now := time.Now()
	soonest := now.Add(scheduleLook)
	var errs []error
	for _, d := range rows {
		switch {
		case d.spec == nil || d.spec.Schedule == "":
		case d.next > now.UnixMilli():
			if next := fromMS(d.next); next.Before(soonest) {
				soonest = next
			}
		default:
			if err := s.insertOne(ctx, d, now); err != nil {
				errs = append(errs, fmt.Errorf("agent %s: %w", d.spec.Name, err))
			}
		}
	}
	return soonest, errors.Join(errs...)
}

// insertOne inserts the job of one agent, unless its last one still waits: a schedule does not pile up.
func (s *Service) insertOne(ctx context.Context, d due, now time.Time) error {
	next, err := nextTime(d.spec, now)
	if err != nil {
		return err
	}
	params, err := s.paramsOf(EnqueueParams{Agent: d.spec.Name, Args: d.spec.Args, Tags: []string{scheduleTag}})
	if err != nil {
		return err
	}
	inserted := false
	err = s.inTx(ctx, func(tx *db.Tx) error {
		result, err := tx.ExecContext(ctx, `update schedule set next_ms = $3 where agent = $1 and next_ms = $2`, d.spec.Name, d.next, next.UnixMilli())
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return err // another process was faster
		}
		var state string
		err = tx.QueryRowContext(ctx, `select state from river_job where id = $1`, d.jobID).Scan(&state)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if state == "available" || state == "scheduled" || state == "retryable" {
			s.log.Info("skipping a scheduled run: the one before still waits", "agent", d.spec.Name, "job", d.jobID.Int64, "state", state)
			return nil
		}
		job, err := s.queue.InsertTx(ctx, tx, params.Args, params.InsertOpts)
		if err != nil {
			return err
		}
		inserted = true
		_, err = tx.ExecContext(ctx, `update schedule set job_id = $2 where agent = $1`, d.spec.Name, job.Job.ID)
		return err
	})
	if inserted && err == nil {
		s.onChange("queue", "jobs", "agents")
	}
	return err
}
