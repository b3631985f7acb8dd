package river

import (
	"context"
	"database/sql"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
)

// clocksRead bounds how many workers whose clocks are off are named.
const clocksRead = 50

// Clocks returns how far the clocks of live workers are off, of those that are: more than zero is ahead of the database's. The
// second result is that of this process.
func (rd *Reader) Clocks(ctx context.Context) (off map[string]time.Duration, here time.Duration, err error) {
	off = map[string]time.Duration{}
	rows, err := rd.db.Read.QueryContext(ctx, `select id, ahead_ms from worker where beat_ms >= `+rd.db.NowMS()+` - $1 and abs(ahead_ms) >= $2
		order by abs(ahead_ms) desc, id limit $3`, SilentFor.Milliseconds(), engine.SkewReported.Milliseconds(), clocksRead)
	_, err = db.Collect(rows, err, func(rows *sql.Rows) (id string, err error) {
		var ahead int64
		err = rows.Scan(&id, &ahead)
		off[id] = time.Duration(ahead) * time.Millisecond
		return id, err
	})
	if err != nil {
		return nil, 0, engine.WrapDB("read the clocks of the workers", err)
	}
	var now int64
	began := time.Now()
	if err := rd.db.Read.QueryRowContext(ctx, `select `+rd.db.NowMS()).Scan(&now); err != nil {
		return nil, 0, engine.WrapDB("read the database's clock", err)
	}
	return off, -engine.SkewOf(db.FromMS(now), began, time.Now()), nil
}
