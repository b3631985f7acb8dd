package jobs

import (
	"context"
	"database/sql"

	"github.com/agentos/agentos/internal/db"
)

// A pause holds until somebody ends it. River keeps it in the row of its queue, which its cleaner deletes when no client has worked
// the queue for a day; so queue_pause keeps it too, and gives it back to the row that comes after.

// pause is a queue that is paused by River's word or by ours.
type pause struct {
	queue   string
	there   bool          // River has a row of the queue
	paused  bool          // and says so
	created sql.NullTime  // of that row
	since   sql.NullInt64 // as we keep it
	seen    sql.NullInt64
}

// keepPauses makes River's rows and ours agree: a pause that another client made is kept, one that another client ended is
// forgotten, and a row that was made anew since, or is not there, is paused again.
func (s *Service) keepPauses(ctx context.Context) error {
	pauses, err := s.readPauses(ctx)
	if err != nil {
		return err
	}
	for _, p := range pauses {
		if p.paused && p.since.Valid {
			continue
		}
		if err := s.keepPause(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) readPauses(ctx context.Context) ([]pause, error) {
	rows, err := s.db.Read.QueryContext(ctx, `select q.name, q.paused_at is not null, q.created_at, p.paused_ms, p.seen_ms
		from river_queue q left join queue_pause p on p.queue = q.name where q.paused_at is not null or p.queue is not null`)
	there, err := db.Collect(rows, err, func(rows *sql.Rows) (pause, error) {
		p := pause{there: true}
		err := rows.Scan(&p.queue, &p.paused, &p.created, &p.since, &p.seen)
		return p, err
	})
	if err != nil {
		return nil, err
	}
	rows, err = s.db.Read.QueryContext(ctx, `select queue, paused_ms, seen_ms from queue_pause p where not exists (select 1 from river_queue q where q.name = p.queue)`)
	gone, err := db.Collect(rows, err, func(rows *sql.Rows) (p pause, err error) {
		err = rows.Scan(&p.queue, &p.since, &p.seen)
		return p, err
	})
	return append(there, gone...), err
}

func (s *Service) keepPause(ctx context.Context, p pause) error {
	switch anew := p.created.Time.UnixMilli() > p.seen.Int64; {
	case p.paused:
		_, err := s.db.Write.ExecContext(ctx, `insert into queue_pause (queue, paused_ms, seen_ms) select name, `+s.db.NowMS()+`, `+s.db.NowMS()+`
			from river_queue where name = $1 and paused_at is not null on conflict (queue) do nothing`, p.queue)
		return err
	case p.there && !anew:
		_, err := s.db.Write.ExecContext(ctx, `delete from queue_pause where queue = $1 and seen_ms = $2`, p.queue, p.seen.Int64)
		return err
	}
	s.log.Info("pausing a queue that is back: nobody has ended its pause", "queue", p.queue, "since", db.FromMS(p.since.Int64))
	return s.db.InTx(ctx, func(tx *db.Tx) error {
		result, err := tx.ExecContext(ctx, `insert into river_queue (name, created_at, updated_at, paused_at)
			select queue, `+s.sql.now+`, `+s.sql.now+`, $2 from queue_pause where queue = $1
			on conflict (name) do update set paused_at = excluded.paused_at`, p.queue, s.db.Stamp(db.FromMS(p.since.Int64)))
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return err // it was ended just now
		}
		// After the row was made: what is younger than this was made by others.
		if _, err := tx.ExecContext(ctx, `update queue_pause set seen_ms = `+s.db.NowMS()+` where queue = $1`, p.queue); err != nil {
			return err
		}
		return s.queue.NotifyTx(ctx, tx, controlTopic, []string{controlPayload("pause", p.queue)})
	})
}

// notePause notes in the transaction that pauses or resumes a queue what is to hold.
func (s *Service) notePause(ctx context.Context, tx *db.Tx, queue string, paused bool) error {
	// River has no row of a queue that nobody has worked yet, or for long.
	_, err := tx.ExecContext(ctx, `insert into river_queue (name, created_at, updated_at) select $1, `+s.sql.now+`, `+s.sql.now+`
		where $2 or exists (select 1 from queue_pause where queue = $1) on conflict (name) do nothing`, queue, worked(s.Fleet(), queue))
	if err != nil {
		return err
	}
	if !paused {
		_, err = tx.ExecContext(ctx, `delete from queue_pause where queue = $1`, queue)
		return err
	}
	_, err = tx.ExecContext(ctx, `insert into queue_pause (queue, paused_ms, seen_ms) values ($1, `+s.db.NowMS()+`, `+s.db.NowMS()+`)
		on conflict (queue) do nothing`, queue)
	return err
}

// lookForPauses makes River's client look again which of its queues are paused: it may have missed what was announced.
func (s *Service) lookForPauses() { s.missed.Store(true) }

// tellPauses tells River's client which queues are paused, after a gap. The gate keeps them closed meanwhile.
func (g *generation) tellPauses(paused []string) {
	g.pilot.wakes.control("resume", "*")
	for _, queue := range paused {
		if g.serves[queue] {
			g.pilot.wakes.control("pause", queue)
		}
	}
}
