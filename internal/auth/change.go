package auth

import (
	"context"
	"time"

	"github.com/agentos/agentos/internal/db"
)

// lockAccounts makes the transactions that it begins follow one another, in whichever process: on Postgres they would
// otherwise run beside each other and not see what the others do.
const lockAccounts = `update auth_change set n = n where id = 1`

// countChange is lockAccounts for transactions that change rights. The number grows with each; it is no less than the
// time in milliseconds, so that one that was lost with a failed Postgres, or by going back to a backup, does not come
// again for another change.
const countChange = `update auth_change set n = case when n < $1 then $1 else n + 1 end where id = 1`

// change is inTx for what alters rights: it counts the change, records it in the audit log, and makes it effective in
// this process at once. Other processes follow within 2 s. Changes are made one after the other, in all processes: fn
// sees all that were made before.
//
// fn may add to the entry.
func (s *Service) change(ctx context.Context, entry *Entry, fn func(*db.Tx) error) error {
	var counted bool
	err := s.inTx(ctx, entry.Action+" "+entry.Target, func(tx *db.Tx) error {
		if _, err := tx.ExecContext(ctx, countChange, time.Now().UnixMilli()); err != nil {
			return err
		}
		if err := fn(tx); err != nil {
			return err
		}
		*entry = entry.by(ActorFrom(ctx))
		if counted = !s.tally.own(*entry); counted {
			return nil
		}
		return s.insertEntry(ctx, tx, *entry)
	})
	if err != nil {
		return err
	}
	if counted {
		s.tally.add(*entry)
	}
	// Whoever hangs up after the change does not keep it from taking effect.
	if err := s.refresh(context.WithoutCancel(ctx)); err != nil {
		s.log.Warn("a change of accounts takes effect later than usual", "error", err)
	}
	return nil
}

// inTx runs fn in a write transaction. Database failures come back as ErrUnavailable when they are an outage, fn's own
// kinds as they are.
func (s *Service) inTx(ctx context.Context, did string, fn func(*db.Tx) error) error {
	tx, err := s.db.Begin(ctx)
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
