package rollup

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
)

// ErrOtherSource means that the database belongs to something else.
var ErrOtherSource = errors.New("the sums in this database are not those of the attached one")

// Claim makes sure that the sums are those of a source of jobs that another program runs, or that there are none yet. The identity names
// the source; url is for people.
func (r *Store) Claim(ctx context.Context, identity, url string) error {
	return r.db.InTx(ctx, func(tx *db.Tx) error {
		if r.db.Kind == db.Postgres { // other processes may share the sums
			if _, err := tx.ExecContext(ctx, `select pg_advisory_xact_lock(hashtext('agentos attach'))`); err != nil {
				return err
			}
		}
		var have, before string
		err := tx.QueryRowContext(ctx, `select identity, url from attach_source`).Scan(&have, &before)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			var used bool
			if err := tx.QueryRowContext(ctx, `select exists (select 1 from rollup) or exists (select 1 from run)`).Scan(&used); err != nil {
				return err
			}
			if used {
				return fmt.Errorf("%w: it holds runs of a fleet of its own: give --attach a data folder (--data) or database of its own", ErrOtherSource)
			}
			_, err = tx.ExecContext(ctx, `insert into attach_source (one, identity, url, since_ms) values (1, $1, $2, $3)`, identity, url, time.Now().UnixMilli())
			return err
		case err != nil:
			return err
		case have != identity:
			return fmt.Errorf("%w: they are of %s: give --attach another data folder (--data) or database", ErrOtherSource, before)
		}
		return nil
	})
}

// EndedOf counts attempts that ended.
type EndedOf struct{ OK, Failed int64 }

// EndedByQueue counts by queue what ended since the full hour before a time.
func (r *Store) EndedByQueue(ctx context.Context, since time.Time) (map[string]EndedOf, error) {
	byQueue := map[string]EndedOf{}
	rows, err := r.db.Read.QueryContext(ctx, `select queue, sum(ok), sum(failed + timeout + lost) from rollup
		where step_s = $1 and start_s >= $2 and queue <> '' group by queue`, hourStep, floorTo(since.Unix(), hourStep))
	_, err = db.Collect(rows, err, func(rows *sql.Rows) (struct{}, error) {
		var queue string
		var n EndedOf
		err := rows.Scan(&queue, &n.OK, &n.Failed)
		byQueue[queue] = n
		return struct{}{}, err
	})
	return byQueue, engine.WrapDB("sum up the queues", err)
}
