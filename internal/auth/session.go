package auth

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/db"
)

// sessionsPerUser bounds the table; the oldest ends when a new one begins.
const sessionsPerUser = 50

// Login begins a session. The token belongs in the cookie of SessionCookie and is shown to nobody else. Remote is the
// client's "host:port".
//
// Errors: ErrBadCredentials, also for users that do not exist and as slowly; *RateLimitedError after too many failures
// for this name or from this address; ErrNoAccounts; ErrUnavailable.
func (s *Service) Login(ctx context.Context, name, password, remote string) (token string, p *Principal, err error) {
	name = strings.ToLower(strings.TrimSpace(name))
	address := addressKey(remote)
	if wait := s.logins.take(name, address, time.Now()); wait > 0 {
		err := &RateLimitedError{RetryAfter: max(wait, time.Second)}
		s.failedLogin(ctx, "login.throttled", name, remote, err)
		return "", nil, err
	}
	hash, err := s.checkLogin(ctx, name, password)
	if err == nil {
		token, p, err = s.beginSession(ctx, name, hash, remote)
	}
	switch {
	case err == nil:
		s.logins.succeeded(name, address, time.Now())
		return token, p, nil
	case errors.Is(err, ErrBadCredentials):
		s.failedLogin(ctx, "login", name, remote, err)
	default:
		s.logins.giveBack(name, address, time.Now())
		var busy *RateLimitedError
		if errors.As(err, &busy) {
			s.failedLogin(ctx, "login.throttled", name, remote, err)
		}
	}
	return "", nil, err
}

// checkLogin returns the hash that the password belongs to.
func (s *Service) checkLogin(ctx context.Context, name, password string) (hash string, err error) {
	if len(password) > maxPassword || checkName(name) != nil {
		return "", ErrBadCredentials
	}
	err = s.db.Read.QueryRowContext(ctx, `select password_hash from auth_user where name = $1`, name).Scan(&hash)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", unavailable("look up a user", err)
	}
	ok, err := s.hasher.matches(ctx, password, hash)
	if err != nil {
		return "", err
	}
	if ok {
		return hash, nil
	}
	if err := s.anyUser(ctx); err != nil { // asked whether the user exists or not, so that both take the same time
		return "", err
	}
	return "", ErrBadCredentials
}

// anyUser returns ErrNoAccounts when there is none.
func (s *Service) anyUser(ctx context.Context) error {
	var users int
	if err := s.db.Read.QueryRowContext(ctx, `select count(*) from auth_user`).Scan(&users); err != nil {
		return unavailable("count users", err)
	}
	if users == 0 {
		return ErrNoAccounts
	}
	return nil
}

// failedLogin writes to the log and to the audit log. It keeps names that do not look like one out of both: people type
// passwords into the wrong field. The line in the log is for programs such as fail2ban too: SECURITY.md has its form.
func (s *Service) failedLogin(ctx context.Context, action, name, remote string, reason error) {
	if checkName(name) != nil {
		name = "?"
	}
	if s.failures.Allow() {
		s.log.Warn("sign-in failed", "name", name, "address", hostOf(remote), "reason", reason.Error(), "more", s.unlogged.Swap(0))
	} else {
		s.unlogged.Add(1)
	}
	// Hanging up does not keep the attempt out of the log.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), upkeepDeadline)
	defer cancel()
	outcome := "failed"
	if action != "login" {
		outcome = "refused" // nobody looked at the password
	}
	entry := Entry{Actor: name, Kind: KindSession, Action: action, Target: name, Outcome: outcome, Detail: reason.Error(), Remote: remote}
	if err := s.Record(ctx, entry); err != nil {
		s.log.Warn("a failed login is missing in the audit log", "name", name, "error", err)
	}
}

// beginSession returns ErrBadCredentials when the hash is no longer the user's: while it was computed, the user may have
// got another password, which ends all of the user's sessions, or have been deleted.
func (s *Service) beginSession(ctx context.Context, name, hash, remote string) (string, *Principal, error) {
	token, id := newSecret(sessionPrefix)
	key := hashSecret(token)
	now := time.Now()
	entry := &Entry{Actor: name, Kind: KindSession, Action: "login", Target: name, Remote: remote}
	ctx = WithActor(ctx, Actor{Name: name, Kind: KindSession, Remote: remote, User: name})
	err := s.change(ctx, entry, func(tx *db.Tx) error {
		if _, err := tx.ExecContext(ctx, `delete from auth_session where user_name = $1 and id not in
			(select id from auth_session where user_name = $1 order by created_at desc, id limit $2)`,
			name, sessionsPerUser-1); err != nil {
			return err
		}
		done, err := tx.ExecContext(ctx, `insert into auth_session (id, hash, user_name, remote, created_at, seen_at, expires_at)
			select $1, $2, name, $3, $4, $4, $5 from auth_user where name = $6 and password_hash = $7`,
			id, key.String(), s.db.Clean(clip(remote)), now.UnixMilli(), now.Add(s.opts.SessionMax).UnixMilli(), name, hash)
		return oneRow(done, err, ErrBadCredentials)
	})
	if err != nil {
		return "", nil, err
	}
	if p, ok := s.known.Load().principals[key]; ok {
		return token, p, nil
	}
	p, err := s.admit(ctx, key)
	return token, p, err
}

// Logout ends the session that token belongs to, at once in this process. With the database down it returns
// ErrUnavailable, and the session may come back with the database: ask the user to try again.
func (s *Service) Logout(ctx context.Context, token string) error {
	if !wellFormed(token, sessionPrefix) {
		return ErrNoCredential
	}
	key := hashSecret(token)
	entry := &Entry{Action: "logout"}
	if p, ok := s.known.Load().principals[key]; ok {
		entry.Target = p.Name
	}
	// Not before the row is gone: a client that learns of the end early, as other tabs do, would be let in again by it.
	defer s.drop(key)
	return s.change(ctx, entry, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `delete from auth_session where hash = $1`, key.String())
		return err
	})
}

// SessionToken reads the session token of a request; empty when it has none.
func (s *Service) SessionToken(r *http.Request) string {
	return s.sessionCookie(r)
}

// SessionCookie carries a session's token in the browser. An empty token makes the cookie that deletes it. With secure,
// which is for browsers that come over HTTPS, the cookie is Secure and has the __Host- prefix. Its name is the same on all
// servers of a fleet, and another fleet's is another.
func (s *Service) SessionCookie(token string, secure bool) *http.Cookie {
	names := s.cookies.Load()
	cookie := &http.Cookie{
		Name:     names.plain,
		Value:    token,
		Path:     "/",
		MaxAge:   int(s.opts.SessionMax / time.Second),
		Secure:   secure,
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	}
	if secure {
		cookie.Name = names.secure
	}
	if token == "" {
		cookie.MaxAge = -1
	}
	return cookie
}
