package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/agentos/agentos/internal/db"
)

// firstAdmin is one that was tried to be made and perhaps was: when the connection breaks at the commit, nobody knows.
type firstAdmin struct {
	generated string // the password that was made for it; empty: it was given
	hash      string
}

// errNotFirst ends the transaction of EnsureAdmin, which then leaves no trace.
var errNotFirst = errors.New("there is a user already")

// EnsureAdmin creates the user "admin" when there is no user at all, with the given password, or with a random one that
// it returns when password is empty. When users exist it does nothing and returns "". Of several processes that do it at
// the same time one makes the user, and only that one returns a password.
//
// ErrUnavailable means that it must be tried again, with the same Service, which then remembers the password it made.
//
// It takes the time of one password hash (about 0.1 s): call it beside the listener, not before it, and by one goroutine
// at a time.
func (s *Service) EnsureAdmin(ctx context.Context, password string) (generated string, err error) {
	first := s.first
	if first == nil {
		switch err := s.anyUser(ctx); {
		case err == nil:
			return "", nil
		case !errors.Is(err, ErrNoAccounts):
			return "", tryAgain(err)
		}
		if first, err = s.newFirstAdmin(ctx, password); err != nil {
			return "", err
		}
	}
	s.first = first
	switch err := s.insertFirstAdmin(ctx, first); {
	case errors.Is(err, errNotFirst): // another process was faster: its password counts
		s.first = nil
		return "", nil
	case err != nil:
		return "", tryAgain(err)
	}
	s.first = nil
	return first.generated, nil
}

func (s *Service) newFirstAdmin(ctx context.Context, password string) (*firstAdmin, error) {
	first := &firstAdmin{}
	if password == "" {
		first.generated = rand.Text()[:20] // 100 bits
		password = first.generated
	}
	var err error
	first.hash, err = s.newPassword(ctx, "admin", password)
	return first, err
}

// insertFirstAdmin succeeds also when an earlier call did.
func (s *Service) insertFirstAdmin(ctx context.Context, first *firstAdmin) error {
	err := s.change(ctx, &Entry{Action: "user.create", Target: "admin", Detail: "first start"}, func(tx *db.Tx) error {
		done, err := tx.ExecContext(ctx, `insert into auth_user (name, role, password_hash, created_at, password_at)
			select 'admin', 'admin', $1, $2, $2 where not exists (select 1 from auth_user)`, first.hash, time.Now().UnixMilli())
		return oneRow(done, err, errNotFirst)
	})
	if !errors.Is(err, errNotFirst) {
		return err
	}
	var ours bool
	err = s.db.Read.QueryRowContext(ctx, `select count(*) > 0 from auth_user where name = 'admin' and password_hash = $1`, first.hash).Scan(&ours)
	switch {
	case err != nil:
		return unavailable("look up the first user", err)
	case ours:
		return nil
	}
	return errNotFirst
}

// tryAgain makes any failure of the database a reason to try again: without the first user nobody can log in, but the
// server shows what it has.
func tryAgain(err error) error {
	if isKind(err) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
