package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"os"
	"time"

	"github.com/riverqueue/river/rivertype"
)

const (
	beatEvery = time.Second
	reapEvery = 2 // beats
	// silentFor is how long a worker whose lock cannot be seen may be silent before it is held for dead.
	silentFor = 10 * time.Second
)

// upkeep beats, watches for cancellations asked for elsewhere, and takes over the jobs of dead workers.
func (s *Service) upkeep() {
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-s.tending.Done():
			return
		case <-ticker.C:
		}
		ctx, cancel := context.WithTimeout(s.tending, persistTimeout)
		state := "active"
		if s.active.isDraining() {
			state = "draining"
		}
		ailed := s.WriteError() != nil
		s.health.report(beating, s.beat(ctx, state))
		if ailed && s.WriteError() == nil { // the database is back, and so is all that it knows
			s.onChange("workers", "queue", "jobs", "agents", "analytics", "logs")
		}
		s.health.report("look for cancelled jobs", s.pollCancelled(ctx))
		if n%reapEvery == 0 {
			s.health.report("take over the jobs of dead workers", s.reap(ctx))
		}
		cancel()
	}
}

// beat writes this worker's row.
func (s *Service) beat(ctx context.Context, state string) error {
	fleet := s.Fleet()
	queues, agents := map[string]int{}, limitsOf(fleet)
	for name, q := range queuesOf(fleet) {
		queues[name] = q.MaxWorkers
	}
	queuesJSON, err := json.Marshal(queues)
	if err != nil {
		return err
	}
	agentsJSON, err := json.Marshal(agents)
	if err != nil {
		return err
	}
	_, err = s.db.Write.ExecContext(ctx, `insert into worker
		(id, host, pid, version, state, started_ms, beat_ms, slots, done, queues, agents)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		on conflict (id) do update set state = excluded.state, beat_ms = excluded.beat_ms, slots = excluded.slots,
			done = excluded.done, queues = excluded.queues, agents = excluded.agents`,
		s.id, hostName(), os.Getpid(), s.version, state, s.startedAt.UnixMilli(), time.Now().UnixMilli(),
		slotsOf(fleet), s.done.Load(), string(queuesJSON), string(agentsJSON))
	return err
}

// signOff removes this worker's row: it ended as it should.
func (s *Service) signOff(ctx context.Context) error {
	_, err := s.db.Write.ExecContext(ctx, `delete from worker where id = $1`, s.id)
	return err
}

// pollCancelled finds jobs of this process that were cancelled by another without River's notice arriving.
func (s *Service) pollCancelled(ctx context.Context) error {
	ids := s.active.ids()
	if len(ids) == 0 {
		return nil
	}
	condition, args := s.sql.in(`j.id`, 1, ids)
	rows, err := s.db.Read.QueryContext(ctx, `select j.id, `+s.sql.cancelNote+`, j.attempted_at from river_job j
		where `+condition+` and j.state = 'running' and `+s.sql.cancelNote+` is not null`, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var note sql.NullString
		var attempted sql.NullTime
		if err := rows.Scan(&id, &note, &attempted); err != nil {
			return err
		}
		if noted(note, attempted) {
			s.active.cancel(id, rivertype.ErrJobCancelledRemotely)
		}
	}
	return rows.Err()
}
