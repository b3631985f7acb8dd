package auth

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/db"
)

// Token is an API client's credential, without its secret.
type Token struct {
	ID        string     `json:"id" doc:"The part of the secret between the underscores"`
	Name      string     `json:"name"`
	Role      Role       `json:"role" enum:"viewer,operator,admin" doc:"What it may do at most"`
	Effective Role       `json:"effective_role" enum:"viewer,operator,admin" doc:"What it may do now: never more than its owner"`
	Owner     *string    `json:"owner" doc:"The user whose rights it has, and whose deletion ends it; null: a service token, with rights of its own"`
	CreatedBy string     `json:"created_by"`
	CreatedAt time.Time  `json:"created_at"`
	SeenAt    *time.Time `json:"seen_at" doc:"Last use, exact to about a minute; null: never used"`
	ExpiresAt *time.Time `json:"expires_at" doc:"Null: never"`
}

// TokenParams say what token to make.
type TokenParams struct {
	Name string
	Role Role
	TTL  time.Duration // zero: no expiry

	// Owner is the user whose rights it has: never more than the user's own, and none once the user is deleted. Empty: the user
	// who makes it, or the owner of the token that does. Service makes a token with rights of its own; so do a service token
	// and the command line, which have no user.
	Owner   string
	Service bool
}

// CreateToken makes an API token. The secret is returned once and stored nowhere. ErrConflict when the name is taken.
func (s *Service) CreateToken(ctx context.Context, params TokenParams) (token Token, secret string, err error) {
	name, role := strings.ToLower(strings.TrimSpace(params.Name)), params.Role
	entry := &Entry{Action: "token.create", Target: name}
	defer s.recordRefusal(ctx, entry, &err)
	if err := checkName(name); err != nil {
		return Token{}, "", err
	}
	if _, err := ParseRole(string(role)); err != nil {
		return Token{}, "", err
	}
	if params.TTL < 0 {
		return Token{}, "", &InvalidError{Text: "the token's time to live is negative: use a duration such as 720h, or none"}
	}
	owner := strings.ToLower(strings.TrimSpace(params.Owner))
	switch {
	case params.Service && owner != "":
		return Token{}, "", &InvalidError{Text: "a service token has no owner: name an owner, or make it a service token"}
	case owner == "" && !params.Service:
		owner = ActorFrom(ctx).User
	}
	if owner != "" && checkName(owner) != nil {
		return Token{}, "", noUser(owner)
	}
	secret, id := newSecret(tokenPrefix)
	now := time.Now().UTC().Truncate(time.Millisecond)
	token = Token{ID: id, Name: name, Role: role, Effective: role, CreatedBy: ActorFrom(ctx).Name, CreatedAt: now}
	var expires sql.NullInt64
	if params.TTL > 0 {
		at := now.Add(params.TTL)
		token.ExpiresAt, expires = &at, sql.NullInt64{Int64: at.UnixMilli(), Valid: true}
	}
	entry.Detail = "role " + string(role) + ", a service token, id " + id
	if owner != "" {
		entry.Detail = "role " + string(role) + ", of " + owner + ", id " + id
	}
	err = s.change(ctx, entry, func(tx *db.Tx) error {
		if owner != "" {
			var limit Role
			err := tx.QueryRowContext(ctx, `select role from auth_user where name = $1`, owner).Scan(&limit)
			if errors.Is(err, sql.ErrNoRows) {
				return noUser(owner)
			}
			if err != nil {
				return err
			}
			token.Owner, token.Effective = &owner, role.within(limit)
		}
		// An expired token gives its name free.
		if _, err := tx.ExecContext(ctx, `delete from auth_token where name = $1 and expires_at <= $2`, name, now.UnixMilli()); err != nil {
			return err
		}
		done, err := tx.ExecContext(ctx, `insert into auth_token (id, hash, name, role, created_by, created_at, expires_at, owner)
			values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (name) do nothing`,
			id, hashSecret(secret).String(), name, role, token.CreatedBy, now.UnixMilli(), expires, token.Owner)
		return oneRow(done, err, conflict("a token named "+name+" exists: choose another name, or revoke it first"))
	})
	if err != nil {
		return Token{}, "", err
	}
	return token, secret, nil
}

// RevokeToken ends a token by its id.
func (s *Service) RevokeToken(ctx context.Context, id string) (err error) {
	entry := &Entry{Action: "token.revoke", Target: id}
	defer s.recordRefusal(ctx, entry, &err)
	unknown := fmt.Errorf("%w: there is no token %.20q", ErrNotFound, id)
	if !idPattern.MatchString(id) {
		return unknown
	}
	return s.change(ctx, entry, func(tx *db.Tx) error {
		var name string
		err := tx.QueryRowContext(ctx, `delete from auth_token where id = $1 returning name`, id).Scan(&name)
		if errors.Is(err, sql.ErrNoRows) {
			return unknown
		}
		entry.Target = name + " (" + id + ")"
		return err
	})
}

// ListTokens returns all tokens by name, the expired ones included.
func (s *Service) ListTokens(ctx context.Context) ([]Token, error) {
	rows, err := s.db.Read.QueryContext(ctx, `select t.id, t.name, t.role, t.owner, u.role, t.created_by, t.created_at, t.seen_at, t.expires_at
		from auth_token t left join auth_user u on u.name = t.owner order by t.name`)
	if err != nil {
		return nil, unavailable("list tokens", err)
	}
	defer rows.Close()
	tokens := []Token{}
	for rows.Next() {
		var (
			t             Token
			created       int64
			seen, expires sql.NullInt64
			limit         sql.NullString
		)
		if err := rows.Scan(&t.ID, &t.Name, &t.Role, &t.Owner, &limit, &t.CreatedBy, &created, &seen, &expires); err != nil {
			return nil, unavailable("list tokens", err)
		}
		if t.Effective = t.Role; limit.Valid {
			t.Effective = t.Role.within(Role(limit.String))
		}
		t.CreatedAt, t.SeenAt, t.ExpiresAt = time.UnixMilli(created).UTC(), timeOrNil(seen), timeOrNil(expires)
		tokens = append(tokens, t)
	}
	if err := rows.Err(); err != nil {
		return nil, unavailable("list tokens", err)
	}
	return tokens, nil
}

func timeOrNil(ms sql.NullInt64) *time.Time {
	if !ms.Valid {
		return nil
	}
	at := time.UnixMilli(ms.Int64).UTC()
	return &at
}
