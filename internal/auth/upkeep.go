package auth

import (
	"context"
	"database/sql"
	"time"
)

const (
	upkeepDeadline = 5 * time.Second
	// auditRows caps the audit log whatever its retention, so that it cannot fill the disk.
	auditRows = 200_000
	// purgeRows at a time: the database has one writer, which jobs need too.
	purgeRows = 500
)

// upkeep stores when credentials were last used and deletes what is over.
func (s *Service) upkeep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, upkeepDeadline)
	defer cancel()
	if err := s.storeSeen(ctx); err != nil {
		return err
	}
	if err := s.purgeCredentials(ctx, time.Now()); err != nil {
		return err
	}
	return s.purgeAudit(ctx, time.Now())
}

// storeSeen writes the times of last use that moved by a minute or more: lists show them, and sessions idle out by them.
func (s *Service) storeSeen(ctx context.Context) error {
	type use struct {
		p  *Principal
		at int64
	}
	var uses []use
	for _, p := range s.known.Load().principals {
		if p.held.Load() > 0 {
			p.touch(time.Now())
		}
		if at := p.seen.Load(); at-p.stored.Load() >= upkeepEvery.Milliseconds() {
			uses = append(uses, use{p, at})
		}
	}
	if len(uses) == 0 {
		return nil
	}
	err := s.inTx(ctx, "store times of last use", func(tx *sql.Tx) error {
		for _, u := range uses {
			table := "auth_token"
			if u.p.Kind == KindSession {
				table = "auth_session"
			}
			if _, err := tx.ExecContext(ctx, `update `+table+` set seen_at = $1 where id = $2 and (seen_at is null or seen_at < $1)`,
				u.at, u.p.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		for _, u := range uses {
			u.p.stored.Store(u.at)
		}
	}
	return err
}

// purgeCredentials needs no change count: what it deletes is no longer valid anywhere.
func (s *Service) purgeCredentials(ctx context.Context, now time.Time) error {
	return s.inTx(ctx, "delete expired credentials", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `delete from auth_session where id in
			(select id from auth_session where expires_at <= $1 or seen_at <= $2 limit $3)`,
			now.UnixMilli(), now.Add(-s.opts.SessionIdle).UnixMilli(), purgeRows)
		return err
	})
}

func (s *Service) purgeAudit(ctx context.Context, now time.Time) error {
	return s.inTx(ctx, "delete old audit entries", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `delete from audit where id in
			(select id from audit where at < $1 or id <= (select coalesce(max(id), 0) from audit) - $2 order by id limit $3)`,
			now.Add(-s.opts.AuditRetention).UnixMilli(), auditRows, purgeRows)
		return err
	})
}

// inTx runs fn in a write transaction. Database failures come back as ErrUnavailable, fn's own kinds as they are.
func (s *Service) inTx(ctx context.Context, did string, fn func(*sql.Tx) error) error {
	tx, err := s.db.Write.BeginTx(ctx, nil)
	if err != nil {
		return unavailable(did, err)
	}
	defer tx.Rollback()
	if err := fn(tx); err != nil {
		if isKind(err) {
			return err
		}
		return unavailable(did, err)
	}
	if err := tx.Commit(); err != nil {
		return unavailable(did, err)
	}
	return nil
}

// change is inTx for what alters rights: it counts the change, records it in the audit log, and makes it effective in
// this process at once. Other processes follow within 2 s.
func (s *Service) change(ctx context.Context, entry Entry, fn func(*sql.Tx) error) error {
	err := s.inTx(ctx, entry.Action+" "+entry.Target, func(tx *sql.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `update auth_change set n = n + 1 where id = 1`); err != nil {
			return err
		}
		return insertEntry(ctx, tx, entry.by(ActorFrom(ctx)))
	})
	if err != nil {
		return err
	}
	if err := s.refresh(ctx); err != nil {
		s.log.Warn("a change of accounts takes effect later than usual", "err", err)
	}
	return nil
}
