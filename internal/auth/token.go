package auth

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/db"
)

// Token is an API client's credential, without its secret.
type Token struct {
	ID        string     `json:"id" doc:"The part of the secret between the underscores"`
	Name      string     `json:"name"`
	Role      Role       `json:"role" enum:"viewer,operator,admin"`
	CreatedBy string     `json:"created_by"`
	CreatedAt time.Time  `json:"created_at"`
	SeenAt    *time.Time `json:"seen_at" doc:"Last use, exact to about a minute; null: never used"`
	ExpiresAt *time.Time `json:"expires_at" doc:"Null: never"`
}

// CreateToken makes an API token. The secret is returned once and stored nowhere. A ttl of zero means no expiry.
// ErrConflict when the name is taken.
func (s *Service) CreateToken(ctx context.Context, name string, role Role, ttl time.Duration) (Token, string, error) {
	name = strings.ToLower(strings.TrimSpace(name))
	if err := checkName(name); err != nil {
		return Token{}, "", err
	}
	if _, err := ParseRole(string(role)); err != nil {
		return Token{}, "", err
	}
	if ttl < 0 {
		return Token{}, "", &InvalidError{Text: "the token's time to live is negative: use a duration such as 720h, or none"}
	}
	secret, id := newSecret(tokenPrefix)
	now := time.Now().UTC().Truncate(time.Millisecond)
	token := Token{ID: id, Name: name, Role: role, CreatedBy: ActorFrom(ctx).Name, CreatedAt: now}
	var expires sql.NullInt64
	if ttl > 0 {
		at := now.Add(ttl)
		token.ExpiresAt, expires = &at, sql.NullInt64{Int64: at.UnixMilli(), Valid: true}
	}
	entry := Entry{Action: "token.create", Target: name, Detail: "role " + string(role) + ", id " + id}
	err := s.change(ctx, entry, func(tx *db.Tx) error {
		// An expired token gives its name free.
		if _, err := tx.ExecContext(ctx, `delete from auth_token where name = $1 and expires_at <= $2`, name, now.UnixMilli()); err != nil {
			return err
		}
		done, err := tx.ExecContext(ctx, `insert into auth_token (id, hash, name, role, created_by, created_at, expires_at)
			values ($1, $2, $3, $4, $5, $6, $7) on conflict (name) do nothing`,
			id, hashSecret(secret).String(), name, role, token.CreatedBy, now.UnixMilli(), expires)
		return oneRow(done, err, conflict("a token named "+name+" exists: choose another name, or revoke it first"))
	})
	if err != nil {
		return Token{}, "", err
	}
	return token, secret, nil
}

// RevokeToken ends a token by its id.
func (s *Service) RevokeToken(ctx context.Context, id string) error {
	unknown := fmt.Errorf("%w: there is no token %.20q", ErrNotFound, id)
	if !idPattern.MatchString(id) {
		return unknown
	}
	return s.change(ctx, Entry{Action: "token.revoke", Target: id}, func(tx *db.Tx) error {
		done, err := tx.ExecContext(ctx, `delete from auth_token where id = $1`, id)
		return oneRow(done, err, unknown)
	})
}

// ListTokens returns all tokens by name, the expired ones included.
func (s *Service) ListTokens(ctx context.Context) ([]Token, error) {
	rows, err := s.db.Read.QueryContext(ctx, `select id, name, role, created_by, created_at, seen_at, expires_at
		from auth_token order by name`)
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
		)
		if err := rows.Scan(&t.ID, &t.Name, &t.Role, &t.CreatedBy, &created, &seen, &expires); err != nil {
			return nil, unavailable("list tokens", err)
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
