package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/agentos/agentos/internal/db"
)

// orphanedFor is how long a job of this very worker may be "running" without being in its hands before it is given back.
// River tries for some seconds to write an attempt's end when the database cannot be used.
const orphanedFor = time.Minute

// running is a job whose last attempt is under way as far as the database knows.
type running struct {
	id        int64
	attempt   int
	queue     string
	client    string
	worker    string
	cancelled bool
}

// reap gives the jobs of dead workers back to the queue. Losing its worker does not use up an attempt.
//
// Several processes may do this at once: each change names the attempt it is about, and happens once. Jobs of River
// clients that are not ours are left alone.
func (s *Service) reap(ctx context.Context) error {
	// Jobs before workers: a worker's row is there before it takes its first job.
	jobs, err := s.runningJobs(ctx)
	if err != nil {
		return err
	}
	runs, err := s.runningRuns(ctx)
	if err != nil {
		return err
	}
	dead, err := s.deadWorkers(ctx)
	if err != nil {
		return err
	}
	var lost []running
	for _, j := range jobs {
		if j.worker == s.id && s.id != "" {
			if s.orphaned(j.id) {
				lost = append(lost, j)
			}
		} else if dead(j.worker) {
			lost = append(lost, j)
		}
	}
	s.forgetOrphans(jobs)
	for _, j := range lost {
		if err := s.giveBack(ctx, j); err != nil {
			return fmt.Errorf("give job %d back to the queue: %w", j.id, err)
		}
	}
	return errors.Join(s.endLostRuns(ctx, runs, dead), s.dropLease(ctx, dead), s.buryWorkers(ctx, dead))
}

func (s *Service) runningJobs(ctx context.Context) ([]running, error) {
	rows, err := s.db.Read.QueryContext(ctx, `select j.id, j.attempt, j.queue, `+s.sql.lastClient+`, `+s.sql.cancelNote+`, j.attempted_at
		from river_job j where j.state = 'running'`)
	return collect(rows, err, func(rows *sql.Rows) (j running, err error) {
		var client, note sql.NullString
		var attempted sql.NullTime
		err = rows.Scan(&j.id, &j.attempt, &j.queue, &client, &note, &attempted)
		j.cancelled = noted(note, attempted)
		j.client = client.String
		j.worker, _ = workerOf(client.String)
		return j, err
	})
}

// runningRuns returns the workers of the runs that have not ended, by run.
func (s *Service) runningRuns(ctx context.Context) (map[int64]string, error) {
	runs := map[int64]string{}
	rows, err := s.db.Read.QueryContext(ctx, `select id, worker from run where ended_ms is null`)
	_, err = collect(rows, err, func(rows *sql.Rows) (id int64, err error) {
		var worker string
		err = rows.Scan(&id, &worker)
		runs[id] = worker
		return id, err
	})
	return runs, err
}

// deadWorkers returns how to tell whether a worker is dead. A lock file on this host knows at once; without one, a
// worker is dead when it has been silent for silentFor or has no row.
func (s *Service) deadWorkers(ctx context.Context) (func(worker string) bool, error) {
	beats := map[string]int64{}
	rows, err := s.db.Read.QueryContext(ctx, `select id, case when state = 'lost' then 0 else beat_ms end from worker`)
	_, err = collect(rows, err, func(rows *sql.Rows) (id string, err error) {
		var beat int64
		err = rows.Scan(&id, &beat)
		beats[id] = beat
		return id, err
	})
	known := map[string]bool{}
	silent := time.Now().Add(-silentFor).UnixMilli()
	return func(worker string) bool {
		if worker == "" || worker == s.id {
			return false
		}
		if dead, judged := known[worker]; judged {
			return dead
		}
		lock := stateOfLock(s.dataDir, worker)
		dead := lock == lockFree || lock == lockAbsent && beats[worker] < silent
		known[worker] = dead
		return dead
	}, err
}

// giveBack makes a lost job available, or cancelled when that had been asked for, and ends its run.
func (s *Service) giveBack(ctx context.Context, j running) error {
	now := time.Now()
	moved := false
	err := s.inTx(ctx, func(tx *db.Tx) error {
		change := `state = 'available', attempt = case when attempt > 0 then attempt - 1 else 0 end, scheduled_at = $5`
		if j.cancelled {
			change = `state = 'cancelled', finalized_at = $5`
		}
		result, err := tx.ExecContext(ctx, `update river_job as j set `+change+`
			where id = $1 and state = 'running' and attempt = $2 and `+s.sql.lastClient+` = $3 and queue = $4`,
			j.id, j.attempt, j.client, j.queue, s.db.Stamp(now))
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return err // the attempt ended, or another process was faster
		}
		moved = true
		if j.cancelled {
			return nil
		}
		return s.announce(ctx, tx, j.queue)
	})
	if err != nil || !moved {
		return err
	}
	s.log.Warn("a worker was lost: its job is back", "job", j.id, "worker", j.worker, "cancelled", j.cancelled)
	s.onChange("queue", "jobs", "agents")
	return nil
}

// endLostRuns ends the runs of dead workers, and those of this one that nobody is at any more.
func (s *Service) endLostRuns(ctx context.Context, runs map[int64]string, dead func(string) bool) error {
	for id, worker := range runs {
		if !dead(worker) {
			continue
		}
		now := time.Now().UnixMilli()
		text := fmt.Sprintf("the worker %s was lost; the job went back to the queue", worker)
		_, err := s.db.Write.ExecContext(ctx, `update run set ended_ms = $2, run_ms = $2 - started_ms, error = $3,
			outcome = case when (select state from river_job where river_job.id = run.job_id) = 'cancelled' then 'cancelled' else 'lost' end,
			fingerprint = case when (select state from river_job where river_job.id = run.job_id) = 'cancelled' then null else $4 end
			where id = $1 and ended_ms is null`, id, now, text, fingerprintOf("", "worker lost"))
		if err != nil {
			return fmt.Errorf("end the lost run %d: %w", id, err)
		}
		s.signalEnded()
		s.onChange("jobs", "agents")
	}
	return nil
}

// dropLease ends the leadership of a dead River client: nobody would do the leader's work, moving retries and delayed
// jobs to their queues, before it expires.
func (s *Service) dropLease(ctx context.Context, dead func(string) bool) error {
	var client string
	err := s.db.Read.QueryRowContext(ctx, `select leader_id from river_leader`).Scan(&client)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if worker, ours := workerOf(client); !ours || !dead(worker) {
		return nil
	}
	_, err = s.db.Write.ExecContext(ctx, `delete from river_leader where leader_id = $1`, client)
	return err
}

const (
	lostShown = 10 * time.Minute // how long a lost worker is listed
	lostKept  = 24 * time.Hour
)

// buryWorkers marks dead workers as lost and forgets those that were long ago.
func (s *Service) buryWorkers(ctx context.Context, dead func(string) bool) error {
	rows, err := s.db.Read.QueryContext(ctx, `select id, state, beat_ms from worker`)
	type row struct {
		id, state string
		beat      int64
	}
	all, err := collect(rows, err, func(rows *sql.Rows) (r row, err error) {
		return r, rows.Scan(&r.id, &r.state, &r.beat)
	})
	if err != nil {
		return err
	}
	for _, r := range all {
		switch {
		case r.id == s.id:
		case r.state == "lost" && time.Since(fromMS(r.beat)) > lostKept:
			_, err = s.db.Write.ExecContext(ctx, `delete from worker where id = $1`, r.id)
		case r.state != "lost" && dead(r.id):
			_, err = s.db.Write.ExecContext(ctx, `update worker set state = 'lost' where id = $1`, r.id)
			err = errors.Join(err, dropLock(s.dataDir, r.id))
			s.onChange("workers")
		}
		if err != nil {
			return fmt.Errorf("bury worker %s: %w", r.id, err)
		}
	}
	return nil
}

// orphaned tells whether a job of this worker has been in nobody's hands for long.
func (s *Service) orphaned(job int64) bool {
	if s.active.has(job) {
		delete(s.orphans, job)
		return false
	}
	since, seen := s.orphans[job]
	if !seen {
		s.orphans[job] = time.Now()
		return false
	}
	return time.Since(since) > orphanedFor
}

// forgetOrphans drops those that are running no more.
func (s *Service) forgetOrphans(jobs []running) {
	still := map[int64]bool{}
	for _, j := range jobs {
		still[j.id] = true
	}
	for id := range s.orphans {
		if !still[id] {
			delete(s.orphans, id)
		}
	}
}
