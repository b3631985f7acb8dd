package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
)

const (
	// reapEvery is how often everything that runs is gone through. The jobs of a worker that has just died do not wait
	// for it.
	reapEvery = 5 * time.Second
	// orphanedFor is how long a job of this very worker may be "running" without being in its hands before it is given
	// back: the answer to its fetch was lost with the connection, or its end could not be written. It is counted while the
	// database answers, which is when River writes the ends that it still has. orphanedLooks is how often it must have been
	// seen so: a process that stood still has fetched jobs that it has not taken in hand yet.
	orphanedFor   = 2 * reapEvery
	orphanedLooks = 3

	lostShown = 10 * time.Minute // how long a lost worker is listed
	lostKept  = 24 * time.Hour
)

// running is a job whose last attempt is under way as far as the database knows.
type running struct {
	id        int64
	attempt   int
	queue     string
	client    string
	worker    string
	cancelled bool
}

// errAlive means that a worker held for dead was heard again, or was buried by another process.
var errAlive = errors.New("it is not as it was seen")

// reap gives the jobs of dead workers back to the queue. Losing its worker does not use up an attempt.
//
// Every worker does this; a worker is buried once, in one transaction that begins by making sure that it was not heard
// meanwhile. Jobs of River clients that are not ours are left alone.
func (s *Service) reap(ctx context.Context) error {
	if err := s.look(ctx); err != nil {
		return err
	}
	died := false
	for id, row := range s.watch.workers {
		died = died || row.state != "lost" && s.dead(id)
	}
	if !died && time.Since(s.watch.reaped) < reapEvery {
		return nil
	}
	jobs, err := s.runningJobs(ctx)
	if err != nil {
		return err
	}
	with, err := s.workersOfRuns(ctx)
	if err != nil {
		return err
	}
	byWorker := map[string][]running{}
	for _, j := range jobs {
		byWorker[j.worker] = append(byWorker[j.worker], j)
	}
	gone := map[string]bool{}
	for id := range byWorker {
		gone[id] = s.dead(id)
	}
	for _, id := range with {
		gone[id] = s.dead(id)
	}
	for id, row := range s.watch.workers {
		gone[id] = gone[id] || row.state != "lost" && s.dead(id)
	}
	for _, id := range slices.Sorted(maps.Keys(gone)) {
		if !gone[id] {
			continue
		}
		if err := s.bury(ctx, id, byWorker[id]); err != nil {
			return fmt.Errorf("take over the jobs of %s: %w", id, err)
		}
	}
	s.watch.reaped = time.Now()
	return errors.Join(s.giveOrphansBack(ctx, byWorker[s.id]), s.dropLease(ctx), s.forgetWorkers(ctx))
}

func (s *Service) runningJobs(ctx context.Context) ([]running, error) {
	rows, err := s.db.Read.QueryContext(ctx, `select j.id, j.attempt, j.queue, `+s.sql.lastClient+`, `+s.sql.cancelNote+`, j.attempted_at
		from river_job j where j.state = 'running'`)
	return db.Collect(rows, err, func(rows *sql.Rows) (j running, err error) {
		var client, note sql.NullString
		var attempted engine.Time
		err = rows.Scan(&j.id, &j.attempt, &j.queue, &client, &note, &attempted)
		j.cancelled = noted(note, attempted)
		j.client = client.String
		j.worker, _ = workerOf(client.String)
		return j, err
	})
}

// workersOfRuns returns the workers that have runs which have not ended.
func (s *Service) workersOfRuns(ctx context.Context) ([]string, error) {
	rows, err := s.db.Read.QueryContext(ctx, `select worker from run where ended_ms is null`)
	return db.Collect(rows, err, func(rows *sql.Rows) (id string, err error) { return id, rows.Scan(&id) })
}

// bury makes a dead worker's jobs available, or cancelled when that had been asked for, ends its runs and marks it as
// lost.
func (s *Service) bury(ctx context.Context, worker string, jobs []running) error {
	back, discarded := 0, 0
	var ended int64
	err := s.db.InTx(ctx, func(tx *db.Tx) error {
		back, discarded = 0, 0
		if err := s.stillAsSeen(ctx, tx, worker); err != nil {
			return err
		}
		slices.SortFunc(jobs, func(a, b running) int { return int(a.id - b.id) }) // all lock in this order
		for _, j := range jobs {
			f, err := s.lose(ctx, tx, j)
			if err != nil {
				return fmt.Errorf("job %d: %w", j.id, err)
			}
			switch {
			case f.discarded:
				discarded++
			case f.moved:
				back++
			}
			if f.text != "" {
				if _, err := s.endRuns(ctx, tx, f.text, `worker = $1 and job_id = $2`, worker, j.id); err != nil {
					return err
				}
			}
		}
		result, err := s.endRuns(ctx, tx, lostWorker(worker)+backText, `worker = $1`, worker)
		if err != nil {
			return err
		}
		if ended, err = result.RowsAffected(); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `update worker set state = 'lost' where id = $1`, worker)
		return err
	})
	if errors.Is(err, errAlive) {
		return nil
	}
	if err != nil {
		return err
	}
	row := s.watch.workers[worker]
	if row != nil {
		row.state = "lost"
	}
	if row != nil || back+discarded > 0 { // else it had signed off, and left nothing but a run
		s.log.Warn("a worker was lost: its jobs are back", "worker", worker, "jobs", back, "discarded", discarded)
	}
	if ended > 0 || discarded > 0 {
		s.signalEnded()
	}
	s.onChange("workers", "queue", "jobs", "agents")
	return dropLock(s.dataDir, worker)
}

// stillAsSeen keeps the worker's row as it is until the transaction ends, if it is as it was seen: no heartbeat can come
// between that and giving its jobs away, and no other process does it too.
func (s *Service) stillAsSeen(ctx context.Context, tx *db.Tx, worker string) error {
	row := s.watch.workers[worker]
	var state string
	var beat int64
	err := tx.QueryRowContext(ctx, `select state, beat_ms from worker where id = $1`+s.sql.forUpdate, worker).Scan(&state, &beat)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil // its row is there before it takes a job: it has signed off
	case err != nil:
		return err
	case row == nil || beat != row.beat || state == "lost" && row.state != "lost":
		return errAlive
	}
	return nil
}

// giveBack makes a job available whose attempt is nobody's, or cancelled when that had been asked for, unless its attempt has
// ended. It does not use up an attempt.
func (s *Service) giveBack(ctx context.Context, tx *db.Tx, j running) (moved bool, err error) {
	return s.move(ctx, tx, j, backChange, time.Now(), true)
}

const backChange = `state = 'available', attempt = case when attempt > 0 then attempt - 1 else 0 end, scheduled_at = $5`

// move changes a job that still runs as it was seen, or cancels it when that had been asked for. The change has a time as $5, and
// more from $6 on.
func (s *Service) move(ctx context.Context, tx *db.Tx, j running, change string, at time.Time, announce bool, more ...any) (moved bool, err error) {
	if j.cancelled {
		change, at, more = `state = 'cancelled', finalized_at = $5`, time.Now(), nil
	}
	result, err := tx.ExecContext(ctx, `update river_job as j set `+change+`
		where id = $1 and state = 'running' and attempt = $2 and `+s.sql.lastClient+` = $3 and queue = $4`,
		append([]any{j.id, j.attempt, j.client, j.queue, s.db.Stamp(at)}, more...)...)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	if err != nil || n == 0 || j.cancelled || !announce {
		return n > 0, err
	}
	return true, s.actor.announce(ctx, tx, j.queue)
}

func lostWorker(worker string) string { return fmt.Sprintf("the worker %s was lost", worker) }

// backText is what became of the job of most attempts that were lost.
const backText = "; the job went back to the queue"

// endRuns ends runs that nobody is at any more.
func (s *Service) endRuns(ctx context.Context, tx *db.Tx, text, which string, args ...any) (sql.Result, error) {
	n := len(args)
	return tx.ExecContext(ctx, fmt.Sprintf(`update run set ended_ms = $%[1]d, run_ms = case when started_ms < $%[1]d then $%[1]d - started_ms else 0 end,
		error = $%[2]d,
		outcome = case when (select state from river_job where river_job.id = run.job_id) = 'cancelled' then 'cancelled' else 'lost' end,
		fingerprint = case when (select state from river_job where river_job.id = run.job_id) = 'cancelled' then null else $%[3]d end
		where ended_ms is null and `+which, n+1, n+2, n+3),
		append(args, time.Now().UnixMilli(), text, engine.Fingerprint("", "worker lost"))...)
}

// dropLease ends the leadership of a dead River client: nobody would do the leader's work, moving retries and delayed
// jobs to their queues, before it expires.
func (s *Service) dropLease(ctx context.Context) error {
	var client string
	err := s.db.Read.QueryRowContext(ctx, `select leader_id from river_leader`).Scan(&client)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if worker, ours := workerOf(client); !ours || !s.dead(worker) {
		return nil
	}
	payload, err := json.Marshal(map[string]string{"action": "resigned", "leader_id": client})
	if err != nil {
		return err
	}
	return s.db.InTx(ctx, func(tx *db.Tx) error {
		if _, err := tx.ExecContext(ctx, `delete from river_leader where leader_id = $1`, client); err != nil {
			return err
		}
		return s.queue.NotifyTx(ctx, tx, "river_leadership", []string{string(payload)})
	})
}

// forgetWorkers deletes the rows of those that were lost long ago.
func (s *Service) forgetWorkers(ctx context.Context) error {
	var errs []error
	for id, row := range s.watch.workers {
		if row.state == "lost" && row.age > lostKept {
			_, err := s.db.Write.ExecContext(ctx, `delete from worker where id = $1 and state = 'lost' and beat_ms = $2`, id, row.beat)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// giveOrphansBack gives back jobs of this worker that have been in nobody's hands for long.
func (s *Service) giveOrphansBack(ctx context.Context, mine []running) error {
	s.forgetOrphans(mine)
	for _, j := range mine {
		if !s.orphaned(j.id) {
			continue
		}
		err := s.db.InTx(ctx, func(tx *db.Tx) error {
			moved, err := s.giveBack(ctx, tx, j)
			if err != nil || !moved {
				return err
			}
			_, err = s.endRuns(ctx, tx, lostWorker(j.worker)+backText, `worker = $1 and job_id = $2`, j.worker, j.id)
			return err
		})
		if err != nil {
			return fmt.Errorf("give job %d back to the queue: %w", j.id, err)
		}
		s.log.Warn("a job of this worker was in nobody's hands: it is back", "job", j.id)
		s.signalEnded()
		s.onChange("queue", "jobs", "agents")
	}
	return nil
}

// orphaned tells whether a job of this worker has been in nobody's hands for long.
func (s *Service) orphaned(job int64) bool {
	if s.active.has(job) {
		delete(s.watch.orphans, job)
		return false
	}
	o := s.watch.orphans[job]
	if o == nil {
		o = &orphan{since: time.Now()}
		s.watch.orphans[job] = o
	}
	o.looks++
	return o.looks >= orphanedLooks && time.Since(o.since) >= orphanedFor-reapEvery/2
}

// forgetOrphans drops those that are running no more.
func (s *Service) forgetOrphans(jobs []running) {
	still := map[int64]bool{}
	for _, j := range jobs {
		still[j.id] = true
	}
	for id := range s.watch.orphans {
		if !still[id] {
			delete(s.watch.orphans, id)
		}
	}
}
