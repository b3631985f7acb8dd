package schedule

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river"
	"github.com/agentos/agentos/internal/jobspec"
)

const (
	scheduleLook  = time.Second // how often other processes' work is noticed
	lookTimeout   = 10 * time.Second
	scheduleTag   = "scheduled"
	scheduleRetry = 5 * time.Second // after a failure
	// onTime is how late a time may be noticed and still not be one that was missed.
	onTime = time.Minute
)

// Keeper keeps when each scheduled agent is due next, inserts the jobs that are due, and has waiting jobs follow their agents to other queues.
// Times are those of the database's clock, which all processes share. Its methods may be called concurrently.
type Keeper struct {
	db       *db.DB
	log      *slog.Logger
	client   river.Client
	process  string // names this one where it holds a version of the agents' file
	began    time.Time
	inserted func() // called after a job was inserted

	working sync.Mutex // one of loading and inserting at a time
	plan    *plan      // nil before Load
	rows    map[string]scheduleRow
	clock   clock

	mu sync.Mutex
	at map[string]time.Time // for NextRun
}

// NewKeeper makes a keeper of a database's schedules, for a process of a name that no other has. It does nothing before Load.
func NewKeeper(d *db.DB, client river.Client, process string, log *slog.Logger, inserted func()) *Keeper {
	return &Keeper{db: d, log: log, client: client, process: process, began: time.Now(), inserted: inserted}
}

// scheduleRow is the row of one agent.
type scheduleRow struct {
	agent, spec string
	next        int64
	jobID       sql.NullInt64
}

// NextRun returns when an agent is due by its schedule; nil when it has none, or before Start.
func (k *Keeper) NextRun(agent string) *time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	if at, ok := k.at[agent]; ok {
		return &at
	}
	return nil
}

// Load puts a fleet's schedules and queues in force, as far as no newer file has another say. A row of the same
// schedule stays: a time missed while nothing ran may be made up for.
func (k *Keeper) Load(ctx context.Context, fleet *agent.Fleet) error {
	p, err := newPlan(fleet)
	if err != nil {
		return err
	}
	t := k
	t.working.Lock()
	defer t.working.Unlock()
	if err := k.hold(ctx, p, t.plan); err != nil {
		return err
	}
	now, rows, err := k.readSchedule(ctx, p)
	if err != nil {
		return err
	}
	if err := k.moveJobs(ctx, p); err != nil {
		return err
	}
	if _, err := k.repairSchedule(ctx, p, now, rows); err != nil {
		return err
	}
	t.plan = p
	_, _, err = k.readSchedule(ctx, p)
	return err
}

// readSchedule returns the rows by agent, with the time of the database, and shows those of the plan's agents to NextRun.
func (k *Keeper) readSchedule(ctx context.Context, p *plan) (now time.Time, rows map[string]scheduleRow, err error) {
	at := map[string]time.Time{}
	rows = map[string]scheduleRow{}
	asked := time.Since(k.began)
	found, err := k.db.Read.QueryContext(ctx, `select `+k.db.NowMS()+`, coalesce(agent, ''), coalesce(spec, ''), coalesce(next_ms, 0), job_id
		from (select 1) one left join schedule on true`)
	_, err = db.Collect(found, err, func(found *sql.Rows) (r scheduleRow, err error) {
		var ms int64
		if err = found.Scan(&ms, &r.agent, &r.spec, &r.next, &r.jobID); err != nil || r.agent == "" {
			now = db.FromMS(ms)
			return r, err
		}
		now = db.FromMS(ms)
		rows[r.agent] = r
		if p.due[r.agent] != nil {
			at[r.agent] = db.FromMS(r.next)
		}
		return r, nil
	})
	if err != nil {
		return now, nil, err
	}
	k.mu.Lock()
	k.at = at
	k.mu.Unlock()
	return now, rows, k.keepSteps(ctx, p, k.clock.look(now, asked, time.Since(k.began)), rows)
}

// keepSteps moves the times of "@every" with a clock that jumped by so much: they count from the time before, not from the clock.
func (k *Keeper) keepSteps(ctx context.Context, p *plan, jump time.Duration, rows map[string]scheduleRow) error {
	before := k.rows
	k.rows = rows
	if jump == 0 {
		return nil
	}
	k.log.Warn("the clock was set, or this machine was suspended", "by", jump.Round(time.Millisecond))
	return k.db.InTx(ctx, func(tx *db.Tx) error {
		for name, row := range rows {
			if due := p.due[name]; due == nil || due.Every() == 0 || before[name].next != row.next || !p.decides(name) {
				continue
			}
			moved := row
			moved.next += jump.Milliseconds()
			if err := replaceRow(ctx, tx, row, moved); err != nil {
				return err
			}
			rows[name] = moved
		}
		return nil
	})
}

// replaceRow changes a row, if it still is as it was read.
func replaceRow(ctx context.Context, tx *db.Tx, old, row scheduleRow) error {
	_, err := tx.ExecContext(ctx, `update schedule set spec = $4, next_ms = $5 where agent = $1 and spec = $2 and next_ms = $3`,
		old.agent, old.spec, old.next, row.spec, row.next)
	return err
}

// repairSchedule makes the rows what the schedules say: those of agents that this process decides on and that are missing, of
// another schedule, or too far away for any time of it, as after a clock that was wrong. It reports whether there were any.
func (k *Keeper) repairSchedule(ctx context.Context, p *plan, now time.Time, rows map[string]scheduleRow) (repaired bool, err error) {
	var changes []func(*db.Tx) error
	for _, spec := range p.fleet.Agents {
		row, found := rows[spec.Name]
		due := p.due[spec.Name]
		switch {
		case !p.decides(spec.Name) || due == nil && !found:
		case due == nil:
			changes = append(changes, func(tx *db.Tx) error {
				_, err := tx.ExecContext(ctx, `delete from schedule where agent = $1`, row.agent)
				return err
			})
		case !found:
			changes = append(changes, func(tx *db.Tx) error {
				_, err := tx.ExecContext(ctx, `insert into schedule (agent, spec, next_ms) values ($1, $2, $3) on conflict (agent) do nothing`,
					spec.Name, p.text[spec.Name], due.First(now).UnixMilli())
				return err
			})
		default:
			if right := k.rightRow(p, spec, row, now); right != row {
				changes = append(changes, func(tx *db.Tx) error { return replaceRow(ctx, tx, row, right) })
			}
		}
	}
	if changes == nil {
		return false, nil
	}
	return true, k.db.InTx(ctx, func(tx *db.Tx) error {
		for _, change := range changes {
			if err := change(tx); err != nil {
				return err
			}
		}
		return nil
	})
}

// rightRow is what an agent's row should be.
func (k *Keeper) rightRow(p *plan, spec *agent.Spec, row scheduleRow, now time.Time) scheduleRow {
	due := p.due[spec.Name]
	right := row
	right.spec = p.text[spec.Name]
	same := row.spec == right.spec || row.spec == spec.Schedule // as versions before wrote it
	switch {
	case !same:
		right.next = due.First(now).UnixMilli()
	case p.tooFar(spec.Name, row.next, now):
		right.next = due.First(now).UnixMilli()
		k.log.Warn("the time of a schedule was too far away: the clock was wrong when it was set", "agent", spec.Name,
			"was", db.FromMS(row.next), "is", db.FromMS(right.next))
	}
	return right
}

// Run inserts the jobs that are due until ctx ends. Each process does; a guarded update makes it happen once. Nothing is inserted while
// the process drains. Report is called with what came of each look.
func (k *Keeper) Run(ctx context.Context, draining func() bool, report func(what string, err error)) {
	wait := time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		if draining() {
			wait = scheduleLook
			continue
		}
		once, cancel := context.WithTimeout(ctx, lookTimeout)
		next, err := k.InsertDue(once)
		cancel()
		report("insert scheduled jobs", err)
		wait = min(max(next, time.Millisecond), scheduleLook)
		if err != nil {
			wait = scheduleRetry
		}
	}
}

// InsertDue inserts what is due and returns how long until something is.
func (k *Keeper) InsertDue(ctx context.Context) (time.Duration, error) {
	t := k
	t.working.Lock()
	defer t.working.Unlock()
	p := t.plan
	if p == nil { // nothing is loaded yet
		return scheduleLook, nil
	}
	if err := k.keepHold(ctx, p); err != nil {
		return 0, err
	}
	now, rows, err := k.readSchedule(ctx, p)
	if err != nil {
		return 0, err
	}
	if repaired, err := k.repairSchedule(ctx, p, now, rows); err != nil {
		return 0, err
	} else if repaired {
		if now, rows, err = k.readSchedule(ctx, p); err != nil {
			return 0, err
		}
	}
	soonest := scheduleLook
	var errs []error
	for name, due := range p.due {
		row, found := rows[name]
		switch {
		case !found || !p.decides(name):
		case row.next > now.UnixMilli():
			soonest = min(soonest, db.FromMS(row.next).Sub(now))
		default:
			if err := k.insertOne(ctx, p, due, row, now); err != nil {
				errs = append(errs, fmt.Errorf("agent %s: %w", name, err))
			}
		}
	}
	return soonest, errors.Join(errs...)
}

// insertOne inserts the job of one agent, unless its last one still waits: a schedule does not pile up.
func (k *Keeper) insertOne(ctx context.Context, p *plan, schedule *agent.Schedule, row scheduleRow, now time.Time) error {
	spec := p.fleet.Agent(row.agent)
	params, err := jobspec.Params(p.fleet, engine.EnqueueParams{Agent: spec.Name, Args: spec.Args, Tags: []string{scheduleTag}})
	if err != nil {
		return err
	}
	inserted := false
	err = k.db.InTx(ctx, func(tx *db.Tx) error {
		result, err := tx.ExecContext(ctx, `update schedule set next_ms = $3 where agent = $1 and next_ms = $2`, spec.Name, row.next,
			following(schedule, db.FromMS(row.next), now).UnixMilli())
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return err // another process was faster
		}
		if missed(spec, db.FromMS(row.next), now) {
			k.log.Info("a missed time of a schedule is not caught up", "agent", spec.Name, "due", db.FromMS(row.next))
			return nil
		}
		var state string
		err = tx.QueryRowContext(ctx, `select state from river_job where id = $1`, row.jobID).Scan(&state)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if state == "available" || state == "scheduled" || state == "retryable" {
			k.log.Info("skipping a scheduled run: the one before still waits", "agent", spec.Name, "job", row.jobID.Int64, "state", state)
			return nil
		}
		if spec.Overlap == agent.OverlapSkip {
			switch busy, err := k.isBusy(ctx, tx, spec.Name); {
			case err != nil:
				return err
			case busy:
				k.log.Info("skipping a scheduled run: an earlier job of the agent has not ended", "agent", spec.Name)
				return nil
			}
		}
		job, err := k.client.InsertTx(ctx, tx, params.Args, params.InsertOpts)
		if err != nil {
			return err
		}
		inserted = true
		_, err = tx.ExecContext(ctx, `update schedule set job_id = $2 where agent = $1`, spec.Name, job.Job.ID)
		return err
	})
	if inserted && err == nil {
		k.inserted()
	}
	return err
}

// following returns the time after one that is due now. The steps of "@every" go on from it, and from now once one was missed.
func following(schedule *agent.Schedule, due, now time.Time) time.Time {
	if every := schedule.Every(); every > 0 && now.Sub(due) < min(every/2, onTime) {
		return schedule.Next(due)
	}
	return schedule.Next(now)
}

// missed reports whether a time is too long ago to be made up for.
func missed(spec *agent.Spec, due, now time.Time) bool {
	late := now.Sub(due)
	return spec.CatchUp != 0 && late > max(cmp.Or(spec.CatchUp, 0), onTime)
}

// isBusy reports whether an agent has a job that runs, waits, or is to be tried again. Jobs that were enqueued for a later time do
// not count before it.
func (k *Keeper) isBusy(ctx context.Context, tx *db.Tx, name string) (busy bool, err error) {
	err = tx.QueryRowContext(ctx, `select exists (select 1 from river_job where kind = $1
		and (state in ('available', 'retryable', 'running') or state = 'scheduled' and (scheduled_at <= $2 or attempted_at is not null)))`,
		name, k.db.Stamp(time.Now())).Scan(&busy)
	return busy, err
}
