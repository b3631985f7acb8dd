package auth

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
)

func TestEnsureAdminOnlyOnFirstStart(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		if _, _, err := s.Login(t.Context(), "admin", password, "192.0.2.1:1"); !errors.Is(err, ErrNoAccounts) {
			t.Errorf("login before there is anybody: %v", err)
		}
		generated, err := s.EnsureAdmin(t.Context(), "")
		if err != nil || len(generated) != 20 {
			t.Fatalf("first start: %q, %v", generated, err)
		}
		if _, p, err := s.Login(t.Context(), "admin", generated, "192.0.2.1:1"); err != nil || p.Role != RoleAdmin {
			t.Errorf("login with the generated password: %v", err)
		}
		if again, err := s.EnsureAdmin(t.Context(), "other password"); again != "" || err != nil {
			t.Errorf("second start: %q, %v", again, err)
		}
		if _, _, err := s.Login(t.Context(), "admin", "other password", "192.0.2.1:1"); !errors.Is(err, ErrBadCredentials) {
			t.Errorf("the second start changed the password: %v", err)
		}
	})
}

func TestEnsureAdminTakesTheGivenPassword(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		if generated, err := s.EnsureAdmin(t.Context(), password); generated != "" || err != nil {
			t.Fatalf("%q, %v", generated, err)
		}
		login(t, s, "admin")
	})
}

func TestUsersAreChecked(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		addUser(t, s, "ada", RoleAdmin)
		ctx := t.Context()
		var invalid *InvalidError
		for name, err := range map[string]error{
			"bad name":       s.CreateUser(ctx, "<script>", password, RoleViewer),
			"long name":      s.CreateUser(ctx, strings.Repeat("a", 64), password, RoleViewer),
			"bad role":       s.CreateUser(ctx, "bob", password, "root"),
			"short password": s.CreateUser(ctx, "bob", "1234567", RoleViewer),
			"long password":  s.CreateUser(ctx, "bob", strings.Repeat("a", 1025), RoleViewer),
			"no role":        s.SetRole(ctx, "ada", ""),
		} {
			if !errors.As(err, &invalid) {
				t.Errorf("%s: %v, want InvalidError", name, err)
			}
		}
		for name, err := range map[string]error{
			"taken name":     s.CreateUser(ctx, "Ada", password, RoleViewer),
			"last admin":     s.DeleteUser(ctx, "ada"),
			"last admin off": s.SetRole(ctx, "ada", RoleViewer),
		} {
			if !errors.Is(err, ErrConflict) {
				t.Errorf("%s: %v, want ErrConflict", name, err)
			}
		}
		for name, err := range map[string]error{
			"delete":   s.DeleteUser(ctx, "nobody"),
			"password": s.SetPassword(ctx, "nobody", password),
			"role":     s.SetRole(ctx, "nobody", RoleAdmin),
			"revoke":   s.RevokeToken(ctx, "nothing"),
			"read":     lastOf(s.GetUser(ctx, "nobody")),
			// What no text column can hold, and no name can be.
			"delete, with NUL":   s.DeleteUser(ctx, "no\x00body"),
			"password, not text": s.SetPassword(ctx, "no\xffbody", password),
			"role, with NUL":     s.SetRole(ctx, "no\x00body", RoleAdmin),
			"revoke, with NUL":   s.RevokeToken(ctx, "aaaa\x00aaa"),
			"read, not text":     lastOf(s.GetUser(ctx, "no\xffbody")),
		} {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("%s of what does not exist: %v, want ErrNotFound", name, err)
			}
		}
		if users, err := s.ListUsers(ctx); err != nil || len(users) != 1 || users[0].Role != RoleAdmin {
			t.Errorf("after all that: %+v, %v", users, err)
		}
	})
}

func TestTokenNamesAreUniqueWhileTheyLive(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		addToken(t, s, "ci", RoleViewer, 20*time.Millisecond)
		eventually(t, 20*time.Second, "the name of an expired token is free", func() bool {
			_, _, err := s.CreateToken(t.Context(), TokenParams{Name: "ci", Role: RoleViewer})
			return err == nil
		})
		if _, _, err := s.CreateToken(t.Context(), TokenParams{Name: "ci", Role: RoleViewer}); !errors.Is(err, ErrConflict) {
			t.Errorf("second token of the name: %v", err)
		}
		var invalid *InvalidError
		if _, _, err := s.CreateToken(t.Context(), TokenParams{Name: "x", Role: RoleViewer, TTL: -time.Second}); !errors.As(err, &invalid) {
			t.Errorf("negative ttl: %v", err)
		}
	})
}

func lastOf(_ User, err error) error { return err }
