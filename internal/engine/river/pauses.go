package river

import (
	"context"
	"database/sql"
	"log/slog"

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

// KeepPauses makes River's rows and ours agree: a pause that another client made is kept, one that another client ended is
// forgotten, and a row that was made again since, or is not there, is paused again.
func (a *Actor) KeepPauses(ctx context.Context, log *slog.Logger) error {
	pauses, err := a.readPauses(ctx)
	if err != nil {
		return err
	}
	for _, p := range pauses {
		if p.paused && p.since.Valid {
			continue
		}
		if err := a.keepPause(ctx, log, p); err != nil {
			return err
		}
	}
	return nil
}

func (a *Actor) readPauses(ctx context.Context) ([]pause, error) {
	rows, err := a.db.Read.QueryContext(ctx, `select q.name, q.paused_at is not null, q.created_at, p.paused_ms, p.seen_ms
		from river_queue q left join queue_pause p on p.queue = q.name where q.paused_at is not null or p.queue is not null`)
	there, err := db.Collect(rows, err, func(rows *sql.Rows) (pause, error) {
		p := pause{there: true}
		err := rows.Scan(&p.queue, &p.paused, &p.created, &p.since, &p.seen)
		return p, err
	})
	if err != nil {
		return nil, err
	}
	rows, err = a.db.Read.QueryContext(ctx, `select queue, paused_ms, seen_ms from queue_pause p where not exists (select 1 from river_queue q where q.name = p.queue)`)
	gone, err := db.Collect(rows, err, func(rows *sql.Rows) (p pause, err error) {
		err = rows.Scan(&p.queue, &p.since, &p.seen)
		return p, err
	})
	return append(there, gone...), err
}

func (a *Actor) keepPause(ctx context.Context, log *slog.Logger, p pause) error {
	switch anew := p.created.Time.UnixMilli() > p.seen.Int64; {
	case p.paused:
		_, err := a.db.Write.ExecContext(ctx, `insert into queue_pause (queue, paused_ms, seen_ms) select name, `+a.db.NowMS()+`, `+a.db.NowMS()+`
			from river_queue where name = $1 and paused_at is not null on conflict (queue) do nothing`, p.queue)
		return err
	case p.there && !anew:
		_, err := a.db.Write.ExecContext(ctx, `delete from queue_pause where queue = $1 and seen_ms = $2`, p.queue, p.seen.Int64)
		return err
	}
	log.Info("pausing a queue that is back: nobody has ended its pause", "queue", p.queue, "since", db.FromMS(p.since.Int64))
	return a.db.InTx(ctx, func(tx *db.Tx) error {
		result, err := tx.ExecContext(ctx, `insert into river_queue (name, created_at, updated_at, paused_at)
			select queue, `+a.table.sql.now+`, `+a.table.sql.now+`, $2 from queue_pause where queue = $1
			on conflict (name) do update set paused_at = excluded.paused_at`, p.queue, a.db.Stamp(db.FromMS(p.since.Int64)))
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return err // it was ended just now
		}
		// After the row was made: what is younger than this was made by others.
		if _, err := tx.ExecContext(ctx, `update queue_pause set seen_ms = `+a.db.NowMS()+` where queue = $1`, p.queue); err != nil {
			return err
		}
		return a.queue.NotifyTx(ctx, tx, ControlTopic, []string{ControlPayload("pause", p.queue)})
	})
}

// NotePause notes in the transaction that pauses or resumes a queue what is to hold; served: whether the fleet has the queue.
func (a *Actor) NotePause(ctx context.Context, tx *db.Tx, queue string, served, paused bool) error {
	// River has no row of a queue that nobody has worked yet, or for long.
	_, err := tx.ExecContext(ctx, `insert into river_queue (name, created_at, updated_at) select $1, `+a.table.sql.now+`, `+a.table.sql.now+`
		where $2 or exists (select 1 from queue_pause where queue = $1) on conflict (name) do nothing`, queue, served)
	if err != nil {
		return err
	}
	if !paused {
		_, err = tx.ExecContext(ctx, `delete from queue_pause where queue = $1`, queue)
		return err
	}
	_, err = tx.ExecContext(ctx, `insert into queue_pause (queue, paused_ms, seen_ms) values ($1, `+a.db.NowMS()+`, `+a.db.NowMS()+`)
		on conflict (queue) do nothing`, queue)
	return err
}
