package worker

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
	"github.com/agentos/agentos/internal/engine/river"
	"github.com/agentos/agentos/internal/fingerprint"
)

// This file is what happens on kill -9 of a worker, and whatever else takes one away: a crash, a power cut, a network that is gone.
//
//  1. Its attempts end. Each runs under a supervisor that holds a socket to the worker and ends all processes of the attempt when it breaks; a
//     worker that is suspended instead is fenced: the supervisor ends the attempt when the worker is silent for too long (internal/supervisor). A
//     worker that is cut off from the database ends its attempts itself (cutoff.go). All this is over before step 3.
//  2. Somebody notices. Every worker and server reads the heartbeats once a second (watch.go). A lock file on the same host, which the kernel
//     releases with the last of the worker's processes, says so at once; without one a worker is dead after 10 s of silence that this process
//     has watched.
//  3. One of those that noticed reclaims the worker, in one transaction (reclaimWorker): it makes sure that the heartbeat is as it was
//     seen, makes the worker's jobs available again without using up an attempt (or scheduled or discarded, if they have lost several workers:
//     losses.go), ends its runs as lost, and marks it as lost. The lease of a River client that led goes with it (dropLease).
//  4. What the dead one was about to write changes nothing: each end names its attempt (engine/river/state.go).
//
// Nothing else has to be cleaned up: what ends in one transaction is there or is not, log lines that were not written are lost with their
// process, and sums are added by whoever comes next. A job whose fetch was answered to nobody, in a worker that lives, is found here too
// (requeueOrphans).

const (
	// reapEvery is how often everything that runs is gone through. The jobs of a worker that has just died do not wait
	// for it.
	reapEvery = 5 * time.Second
	// orphanedFor is how long a job of this very worker may be "running" without an attempt before it is
	// requeued: the answer to its fetch was lost with the connection, or its end could not be written. It is counted while the
	// database answers, which is when River writes the ends that it still has. orphanedLooks is how often it must have been
	// seen so: a process that was suspended has fetched jobs that it has not begun yet.
	orphanedFor   = 2 * reapEvery
	orphanedLooks = 3

	lostKept = 24 * time.Hour
)

// errAlive means that a worker taken for dead wrote a heartbeat again, or was reclaimed by another process.
var errAlive = errors.New("it is not as it was seen")

// reap gives the jobs of dead workers back to the queue. Losing its worker does not use up an attempt.
//
// Every worker does this; a worker is reclaimed once, in one transaction that begins by making sure that it wrote no heartbeat
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
	jobs, err := s.RunningJobs(ctx)
	if err != nil {
		return err
	}
	with, err := s.workersOfRuns(ctx)
	if err != nil {
		return err
	}
	byWorker := map[string][]river.Running{}
	for _, j := range jobs {
		byWorker[j.Worker] = append(byWorker[j.Worker], j)
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
		if err := s.reclaimWorker(ctx, id, byWorker[id]); err != nil {
			return fmt.Errorf("take over the jobs of %s: %w", id, err)
		}
	}
	s.watch.reaped = time.Now()
	return errors.Join(s.requeueOrphans(ctx, byWorker[s.id]), s.dropLease(ctx), s.forgetWorkers(ctx))
}

// workersOfRuns returns the workers that have runs which have not ended.
func (s *Service) workersOfRuns(ctx context.Context) ([]string, error) {
	rows, err := s.db.Read.QueryContext(ctx, `select worker from run where ended_ms is null`)
	return db.Collect(rows, err, func(rows *sql.Rows) (id string, err error) { return id, rows.Scan(&id) })
}

// reclaimWorker makes a dead worker's jobs available, or cancelled when that had been asked for, ends its runs and marks it as
// lost.
func (s *Service) reclaimWorker(ctx context.Context, worker string, jobs []river.Running) error {
	back, discarded := 0, 0
	var ended int64
	err := s.db.InTx(ctx, func(tx *db.Tx) error {
		back, discarded = 0, 0
		if err := s.verifyStillDead(ctx, tx, worker); err != nil {
			return err
		}
		slices.SortFunc(jobs, func(a, b river.Running) int { return int(a.ID - b.ID) }) // all lock in this order
		for _, j := range jobs {
			f, err := s.lose(ctx, tx, j)
			if err != nil {
				return fmt.Errorf("job %d: %w", j.ID, err)
			}
			switch {
			case f.discarded:
				discarded++
			case f.moved:
				back++
			}
			if f.text != "" {
				if _, err := s.endRuns(ctx, tx, f.text, `worker = $1 and job_id = $2`, worker, j.ID); err != nil {
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
		s.log.Warn("a worker was lost: its jobs are requeued", "worker", worker, "jobs", back, "discarded", discarded)
	}
	if ended > 0 || discarded > 0 {
		s.signalEnded()
	}
	s.notify(engine.WorkerLost)
	return dropLock(s.dataDir, worker)
}

// verifyStillDead keeps the worker's row as it is until the transaction ends, if it is as it was seen: no heartbeat can come
// between that and giving its jobs away, and no other process does it too.
func (s *Service) verifyStillDead(ctx context.Context, tx *db.Tx, worker string) error {
	row := s.watch.workers[worker]
	var state string
	var beat int64
	err := tx.QueryRowContext(ctx, `select state, beat_ms from worker where id = $1`+s.db.ForUpdate(), worker).Scan(&state, &beat)
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
		append(args, time.Now().UnixMilli(), text, fingerprint.Of("worker lost", "").In(""))...)
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
	if worker, ours := river.WorkerOf(client); !ours || !s.dead(worker) {
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

// requeueOrphans requeues this worker's jobs that have been running without an attempt for long.
func (s *Service) requeueOrphans(ctx context.Context, mine []river.Running) error {
	s.forgetOrphans(mine)
	for _, j := range mine {
		if !s.orphaned(j.ID) {
			continue
		}
		err := s.db.InTx(ctx, func(tx *db.Tx) error {
			moved, err := s.actor.Requeue(ctx, tx, j)
			if err != nil || !moved {
				return err
			}
			_, err = s.endRuns(ctx, tx, lostWorker(j.Worker)+backText, `worker = $1 and job_id = $2`, j.Worker, j.ID)
			return err
		})
		if err != nil {
			return fmt.Errorf("requeue job %d: %w", j.ID, err)
		}
		s.log.Warn("orphaned job requeued", "job", j.ID)
		s.signalEnded()
		s.notify(engine.JobRequeued)
	}
	return nil
}

// orphaned reports whether a job of this worker has been running without an attempt for long.
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
func (s *Service) forgetOrphans(jobs []river.Running) {
	still := map[int64]bool{}
	for _, j := range jobs {
		still[j.ID] = true
	}
	for id := range s.watch.orphans {
		if !still[id] {
			delete(s.watch.orphans, id)
		}
	}
}
