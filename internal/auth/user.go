package auth

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/db"
)

// User is a person who logs in with a password.
type User struct {
	Name       string    `json:"name"`
	Role       Role      `json:"role" enum:"viewer,operator,admin"`
	CreatedAt  time.Time `json:"created_at"`
	PasswordAt time.Time `json:"password_at" doc:"When the password was set"`
	Sessions   int       `json:"sessions" doc:"Live browser sessions"`
}

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._@-]{0,62}$`)

func checkName(name string) error {
	if namePattern.MatchString(name) {
		return nil
	}
	return &InvalidError{Text: fmt.Sprintf("%.80q is not a name: use 1 to 63 of a-z 0-9 . _ @ -, beginning with a letter or digit", name)}
}

// CreateUser adds a user. Names are lower case. ErrConflict when the name is taken.
func (s *Service) CreateUser(ctx context.Context, name, password string, role Role) (err error) {
	name = strings.ToLower(strings.TrimSpace(name))
	entry := &Entry{Action: "user.create", Target: name, Detail: "role " + string(role)}
	defer s.recordRefusal(ctx, entry, &err)
	if err := checkName(name); err != nil {
		return err
	}
	if _, err := ParseRole(string(role)); err != nil {
		return err
	}
	hash, err := s.newPassword(ctx, name, password)
	if err != nil {
		return err
	}
	return s.change(ctx, entry, func(tx *db.Tx) error {
		now := time.Now().UnixMilli()
		done, err := tx.ExecContext(ctx, `insert into auth_user (name, role, password_hash, created_at, password_at)
			values ($1, $2, $3, $4, $4) on conflict (name) do nothing`, name, role, hash, now)
		return oneRow(done, err, conflict("the name "+name+" is taken: choose another, or set the user's password"))
	})
}

func (s *Service) newPassword(ctx context.Context, name, password string) (hash string, err error) {
	if err := checkPassword(name, password); err != nil {
		return "", err
	}
	return s.hasher.hash(ctx, password)
}

// SetPassword replaces the password and ends all sessions of the user.
func (s *Service) SetPassword(ctx context.Context, name, password string) (err error) {
	entry := &Entry{Action: "user.password", Target: name}
	defer s.recordRefusal(ctx, entry, &err)
	if checkName(name) != nil {
		return noUser(name)
	}
	hash, err := s.newPassword(ctx, name, password)
	if err != nil {
		return err
	}
	return s.change(ctx, entry, func(tx *db.Tx) error {
		done, err := tx.ExecContext(ctx, `update auth_user set password_hash = $2, password_at = $3 where name = $1`,
			name, hash, time.Now().UnixMilli())
		if err := oneRow(done, err, noUser(name)); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `delete from auth_session where user_name = $1`, name)
		return err
	})
}

// ChangePassword replaces the password of the user whose session p is, who must know the present one. The user's other sessions end.
// Wrong guesses count like failed sign-ins.
func (s *Service) ChangePassword(ctx context.Context, p *Principal, present, next, remote string) (err error) {
	entry := &Entry{Action: "user.password", Target: p.Name, Detail: "their own"}
	defer s.recordRefusal(ctx, entry, &err)
	if p.Kind != KindSession {
		return ErrNotASession
	}
	address := addressKey(remote)
	if wait := s.logins.take(p.Name, address, time.Now()); wait > 0 {
		return &RateLimitedError{RetryAfter: max(wait, time.Second)}
	}
	before, err := s.checkLogin(ctx, p.Name, present)
	if errors.Is(err, ErrBadCredentials) {
		return &InvalidError{Text: "the present password is wrong"}
	}
	s.logins.giveBack(p.Name, address, time.Now())
	if err != nil {
		return err
	}
	if present == next {
		return &InvalidError{Text: "the new password is the present one: choose another"}
	}
	hash, err := s.newPassword(ctx, p.Name, next)
	if err != nil {
		return err
	}
	return s.change(ctx, entry, func(tx *db.Tx) error {
		done, err := tx.ExecContext(ctx, `update auth_user set password_hash = $2, password_at = $3 where name = $1 and password_hash = $4`,
			p.Name, hash, time.Now().UnixMilli(), before)
		if err := oneRow(done, err, conflict("somebody else has just set this password: sign in again")); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `delete from auth_session where user_name = $1 and id <> $2`, p.Name, p.ID)
		return err
	})
}

// SetRole changes what a user, and the user's tokens, may do. Sessions stay, streams are ended so that they
// begin again with the new role. ErrConflict for the last admin.
func (s *Service) SetRole(ctx context.Context, name string, role Role) (err error) {
	entry := &Entry{Action: "user.role", Target: name, Detail: "role " + string(role)}
	defer s.recordRefusal(ctx, entry, &err)
	if _, err := ParseRole(string(role)); err != nil {
		return err
	}
	if checkName(name) != nil {
		return noUser(name)
	}
	return s.change(ctx, entry, func(tx *db.Tx) error {
		var before Role
		if err := tx.QueryRowContext(ctx, `select role from auth_user where name = $1`, name).Scan(&before); errors.Is(err, sql.ErrNoRows) {
			return noUser(name)
		} else if err != nil {
			return err
		}
		entry.Detail = "role " + string(role) + ", before " + string(before)
		done, err := tx.ExecContext(ctx, `update auth_user set role = $2 where name = $1`, name, role)
		if err := oneRow(done, err, noUser(name)); err != nil {
			return err
		}
		return keepAnAdmin(ctx, tx)
	})
}

// DeleteUser removes a user and ends all the user's sessions and tokens. Service tokens that the user created stay. ErrConflict for the last
// admin.
func (s *Service) DeleteUser(ctx context.Context, name string) (err error) {
	entry := &Entry{Action: "user.delete", Target: name}
	defer s.recordRefusal(ctx, entry, &err)
	if checkName(name) != nil {
		return noUser(name)
	}
	return s.change(ctx, entry, func(tx *db.Tx) error {
		if _, err := tx.ExecContext(ctx, `delete from auth_session where user_name = $1`, name); err != nil {
			return err
		}
		done, err := tx.ExecContext(ctx, `delete from auth_token where owner = $1`, name)
		if err != nil {
			return err
		}
		if tokens, err := done.RowsAffected(); err == nil && tokens > 0 {
			entry.Detail = fmt.Sprintf("with %d tokens", tokens)
		}
		done, err = tx.ExecContext(ctx, `delete from auth_user where name = $1`, name)
		if err := oneRow(done, err, noUser(name)); err != nil {
			return err
		}
		return keepAnAdmin(ctx, tx)
	})
}

// ListUsers returns all users by name.
func (s *Service) ListUsers(ctx context.Context) ([]User, error) { return s.selectUsers(ctx, "") }

// GetUser returns one user.
func (s *Service) GetUser(ctx context.Context, name string) (User, error) {
	name = strings.ToLower(strings.TrimSpace(name))
	if checkName(name) != nil {
		return User{}, noUser(name)
	}
	users, err := s.selectUsers(ctx, name)
	if err != nil {
		return User{}, err
	}
	if len(users) == 0 {
		return User{}, noUser(name)
	}
	return users[0], nil
}

// selectUsers reads the user of a name, or all of them when it is empty.
func (s *Service) selectUsers(ctx context.Context, name string) ([]User, error) {
	now := time.Now()
	rows, err := s.db.Read.QueryContext(ctx, `select u.name, u.role, u.created_at, u.password_at, count(s.id)
		from auth_user u left join auth_session s on s.user_name = u.name and s.expires_at > $1 and s.seen_at > $2
		where $3 = '' or u.name = $3
		group by u.name, u.role, u.created_at, u.password_at order by u.name`,
		now.UnixMilli(), now.Add(-s.opts.SessionIdle).UnixMilli(), name)
	if err != nil {
		return nil, unavailable("read users", err)
	}
	defer rows.Close()
	users := []User{}
	for rows.Next() {
		var (
			u                 User
			created, password int64
		)
		if err := rows.Scan(&u.Name, &u.Role, &created, &password, &u.Sessions); err != nil {
			return nil, unavailable("read users", err)
		}
		u.CreatedAt, u.PasswordAt = time.UnixMilli(created).UTC(), time.UnixMilli(password).UTC()
		users = append(users, u)
	}
	if err := rows.Err(); err != nil {
		return nil, unavailable("read users", err)
	}
	return users, nil
}

func noUser(name string) error {
	return fmt.Errorf("%w: there is no user %.80q", ErrNotFound, name)
}

func keepAnAdmin(ctx context.Context, tx *db.Tx) error {
	var admins int
	if err := tx.QueryRowContext(ctx, `select count(*) from auth_user where role = 'admin'`).Scan(&admins); err != nil {
		return err
	}
	if admins == 0 {
		return conflict("this is the last admin: make another user admin first")
	}
	return nil
}

// oneRow turns a statement that met no row into the given error.
func oneRow(done sql.Result, err, none error) error {
	if err != nil {
		return err
	}
	n, err := done.RowsAffected()
	if err == nil && n == 0 {
		return none
	}
	return err
}
