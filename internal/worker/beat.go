package worker

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/jobspec"
)

const (
	beatEvery = time.Second
	// beatTimeout is how long one heartbeat may take on Postgres: with a server that hangs, the next one gets a new
	// connection.
	beatTimeout = 3 * time.Second
	// verifyAfter is how long after its last heartbeat a worker believes without asking that its jobs are still its own. It
	// must be shorter than silentFor by more than any statement takes.
	verifyAfter = 5 * time.Second
)

// heartbeat is what this worker keeps to write its heartbeat.
type heartbeat struct {
	beating sync.Mutex   // one beat at a time
	conn    *sql.Conn    // Postgres: kept, so that a heartbeat never waits for other statements
	fleet   *agent.Fleet // whose agents the row names; nil before it is written

	mu   sync.Mutex
	last time.Time // when the last heartbeat that was written began
}

// beats writes heartbeats as long as this worker lives. Nothing else is done here: whatever hangs, they must not.
func (s *Service) beats(ctx context.Context) {
	defer s.heartbeat.disconnect()
	every(ctx, beatEvery, func() {
		failed := s.WriteError() != nil
		s.health.report(beating, s.beat(ctx, s.beatState()))
		if failed && s.WriteError() == nil { // the database is back, and so is all that it knows
			s.notify(engine.EverythingChanged)
		}
	})
}

func (s *Service) beatState() string {
	if s.active.draining.Load() {
		return "draining"
	}
	return "active"
}

// beat writes this worker's row. What it runs is written when that changes: it may be long.
func (s *Service) beat(ctx context.Context, state string) error {
	s.heartbeat.beating.Lock()
	defer s.heartbeat.beating.Unlock()
	began := time.Now()
	timeout := persistTimeout
	if s.db.Kind == db.Postgres {
		timeout = beatTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	whole := s.Fleet()
	there := int64(0)
	var err error
	if whole == s.heartbeat.fleet {
		there, err = s.heartbeat.exec(ctx, s.db, `update worker set state = $2, beat_ms = `+s.db.NowMS()+`, done = $3, ahead_ms = $4 - `+s.db.NowMS()+`
			where id = $1`, s.id, state, s.done.Load(), time.Now().UnixMilli())
	}
	if err == nil && there == 0 {
		err = s.beatWhole(ctx, state, whole)
	}
	if err == nil {
		s.heartbeat.note(began)
	}
	return err
}

// beatWhole writes all of this worker's row.
func (s *Service) beatWhole(ctx context.Context, state string, whole *agent.Fleet) error {
	fleet := s.mine(whole)
	queues, agents := map[string]int{}, map[string]int{}
	for _, spec := range fleet.Agents {
		agents[spec.Name] = spec.Concurrency
	}
	for name, q := range jobspec.QueuesOf(fleet) {
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
	_, err = s.heartbeat.exec(ctx, s.db, `insert into worker
		(id, host, pid, version, state, started_ms, beat_ms, slots, done, queues, agents, ahead_ms)
		values ($1, $2, $3, $4, $5, `+s.db.NowMS()+`, `+s.db.NowMS()+`, $6, $7, $8, $9, $10 - `+s.db.NowMS()+`)
		on conflict (id) do update set state = excluded.state, beat_ms = excluded.beat_ms, slots = excluded.slots,
			done = excluded.done, queues = excluded.queues, agents = excluded.agents, ahead_ms = excluded.ahead_ms`,
		s.id, hostName(), os.Getpid(), s.version, state, s.slots(fleet), s.done.Load(), string(queuesJSON), string(agentsJSON), time.Now().UnixMilli())
	if err == nil {
		s.heartbeat.fleet = whole
	}
	return err
}

// note keeps when a heartbeat began that was written.
func (h *heartbeat) note(began time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = began
}

// silence is how long ago the last heartbeat was.
func (h *heartbeat) silence() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.last)
}

// heartbeatFresh reports whether the last heartbeat is so fresh that nobody can have taken this worker for dead since.
func (s *Service) heartbeatFresh() bool { return s.heartbeat.silence() < verifyAfter }

// exec returns how many rows there were.
func (h *heartbeat) exec(ctx context.Context, d *db.DB, query string, args ...any) (int64, error) {
	if d.Kind != db.Postgres {
		result, err := d.Write.ExecContext(ctx, query, args...)
		if err != nil {
			return 0, err
		}
		return result.RowsAffected()
	}
	if h.conn == nil {
		conn, err := d.Write.Conn(ctx)
		if err != nil {
			return 0, err
		}
		h.conn = conn
	}
	result, err := h.conn.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, errors.Join(err, h.drop())
	}
	return result.RowsAffected()
}

// drop gives the connection back.
func (h *heartbeat) drop() error {
	if h.conn == nil {
		return nil
	}
	err := h.conn.Close()
	h.conn = nil
	if errors.Is(err, sql.ErrConnDone) {
		return nil
	}
	return err
}

func (h *heartbeat) disconnect() {
	h.beating.Lock()
	defer h.beating.Unlock()
	_ = h.drop() // it is not needed any more
}

// beatIfLate beats when others may have taken this worker for dead: nobody takes a job from a worker with a fresh heartbeat.
func (s *Service) beatIfLate(ctx context.Context) error {
	if s.db.Kind != db.Postgres || s.heartbeatFresh() {
		return nil
	}
	return s.beat(ctx, s.beatState())
}

// signOff removes this worker's row: it ended as it should.
func (s *Service) signOff(ctx context.Context) error {
	if s.id == "" {
		return nil
	}
	_, err := s.db.Write.ExecContext(ctx, `delete from worker where id = $1`, s.id)
	return err
}
