package auth

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/agentos/agentos/internal/db"
)

const (
	upkeepDeadline = 5 * time.Second
	// purgeRows at a time: SQLite has one writer, which jobs need too.
	purgeRows = 500
)

// keepUp does the upkeep of the tables every minute until ctx ends.
func (s *Service) keepUp(ctx context.Context) {
	every(ctx, upkeepEvery, func() error { return s.upkeep(ctx) }, func(err error) {
		if err != nil {
			s.log.Warn("upkeep of accounts failed; retrying every minute", "error", err)
		}
	})
}

// upkeep stores when credentials were last used and deletes what is over. It is the same few statements however many
// credentials there are and whether they are used or not.
func (s *Service) upkeep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, upkeepDeadline)
	defer cancel()
	now := time.Now()
	uses := s.uses(now)
	surplus, err := s.auditSurplus(ctx)
	if err != nil {
		return err
	}
	for more := true; more; { // with room for others between the steps
		err := s.inTx(ctx, "upkeep of accounts", func(tx *db.Tx) (err error) {
			// Servers that store uses of the same credentials would otherwise lock the rows in different orders.
			if _, err := tx.ExecContext(ctx, lockAccounts); err != nil {
				return err
			}
			if err := storeSeen(ctx, tx, uses); err != nil {
				return err
			}
			more, err = s.purge(ctx, tx, now, surplus)
			return err
		})
		if err != nil {
			return err
		}
		uses.stored()
		uses = nil
	}
	return nil
}

// purge deletes some of what has expired, and reports whether there may be more.
func (s *Service) purge(ctx context.Context, tx *db.Tx, now time.Time, surplus map[string]int64) (more bool, err error) {
	remove := func(query string, args ...any) {
		if err != nil {
			return
		}
		var done sql.Result
		if done, err = tx.ExecContext(ctx, query, append(args, purgeRows)...); err != nil {
			return
		}
		var n int64
		n, err = done.RowsAffected()
		more = more || n == purgeRows
	}
	// Needs no change count: what it deletes is no longer valid anywhere.
	remove(`delete from auth_session where id in (select id from auth_session where expires_at <= $1 or seen_at <= $2 limit $3)`,
		now.UnixMilli(), now.Add(-s.opts.SessionIdle).UnixMilli())
	remove(`delete from audit where id in (select id from audit where at < $1 and coalesce(last_at, at) < $1 order by at limit $2)`,
		now.Add(-s.opts.AuditRetention).UnixMilli())
	for class, id := range surplus {
		remove(`delete from audit where id in (select id from audit where class = $1 and id <= $2 order by id limit $3)`, class, id)
	}
	return more, err
}

// auditSurplus is the newest entry beyond Options.AuditRows of each class that has so many: the log cannot fill the disk, and
// many entries of one class push out none of another. It asks the pool for reading: nobody waits for it.
func (s *Service) auditSurplus(ctx context.Context) (map[string]int64, error) {
	surplus := map[string]int64{}
	for _, class := range []string{ClassAccount, ClassRefused, ClassAct} {
		var id int64
		err := s.db.Read.QueryRowContext(ctx, `select id from audit where class = $1 order by id desc limit 1 offset $2`,
			class, s.opts.AuditRows).Scan(&id)
		switch {
		case err == nil:
			surplus[class] = id
		case !errors.Is(err, sql.ErrNoRows):
			return nil, unavailable("count audit entries", err)
		}
	}
	return surplus, nil
}

// storeLast is what upkeep does for the uses since the last one, when the service ends.
func (s *Service) storeLast(ctx context.Context) error {
	uses := s.uses(time.Now())
	if len(uses) == 0 {
		return nil
	}
	err := s.inTx(ctx, "store times of last use", func(tx *db.Tx) error {
		if _, err := tx.ExecContext(ctx, lockAccounts); err != nil {
			return err
		}
		return storeSeen(ctx, tx, uses)
	})
	if err == nil {
		uses.stored()
	}
	return err
}

// lastUses are the times of last use that are to be stored, in unix milliseconds.
type lastUses map[*Principal]int64

// uses are those that moved by a minute or more: lists show them, and sessions idle out by them.
func (s *Service) uses(now time.Time) lastUses {
	moved := lastUses{}
	for _, p := range s.known.Load().principals {
		if p.held.Load() > 0 {
			p.touch(now)
		}
		if at := p.seen.Load(); at-p.stored.Load() >= upkeepEvery.Milliseconds() {
			moved[p] = at
		}
	}
	return moved
}

// json is an object of id to time, of one kind of credential.
func (u lastUses) json(kind string) (string, error) {
	byID := map[string]int64{}
	for p, at := range u {
		if p.Kind == kind {
			byID[p.ID] = at
		}
	}
	text, err := json.Marshal(byID)
	return string(text), err
}

func (u lastUses) stored() {
	for p, at := range u {
		p.stored.Store(at)
	}
}

// storeSeen takes two statements for any number of credentials.
func storeSeen(ctx context.Context, tx *db.Tx, uses lastUses) error {
	for table, kind := range map[string]string{"auth_session": KindSession, "auth_token": KindToken} {
		text, err := uses.json(kind)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `update `+table+` set seen_at = used.seen
			from (select key as id, cast(cast(value as text) as bigint) as seen from json_each($1)) used
			where used.id = `+table+`.id and (seen_at is null or seen_at < used.seen)`, text)
		if err != nil {
			return err
		}
	}
	return nil
}
