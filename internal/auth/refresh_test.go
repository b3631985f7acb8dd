package auth

import (
	"errors"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
)

// Two services on one database stand for two processes: a running server and the command line.

func TestOtherProcessCreatesAndRevokes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		server, command := running(t, d, Options{}), open(t, d, Options{})
		token, secret := addToken(t, command, "ci", RoleOperator, 0)
		p, err := server.Authenticate(bearer(secret))
		if err != nil {
			t.Fatalf("a token just created elsewhere: %v", err)
		}
		if err := command.RevokeToken(t.Context(), token.ID); err != nil {
			t.Fatal(err)
		}
		endsWithin(t, p, 2*time.Second)
		if _, err := server.Authenticate(bearer(secret)); !errors.Is(err, ErrNoCredential) {
			t.Errorf("revoked token: %v", err)
		}
	})
}

func TestPrincipalEndsWithItsRights(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, s *Service, session string) error{
		"log-out": func(t *testing.T, s *Service, session string) error { return s.Logout(t.Context(), session) },
		"password changed": func(t *testing.T, s *Service, _ string) error {
			return s.SetPassword(t.Context(), "ada", "another password")
		},
		"role changed": func(t *testing.T, s *Service, _ string) error { return s.SetRole(t.Context(), "ada", RoleViewer) },
		"user deleted": func(t *testing.T, s *Service, _ string) error { return s.DeleteUser(t.Context(), "ada") },
	} {
		eachOf(t, name, func(t *testing.T, d *db.DB) {
			here, there := open(t, d, Options{}), running(t, d, Options{})
			addUser(t, here, "root", RoleAdmin)
			addUser(t, here, "ada", RoleOperator)
			session, p := login(t, here, "ada")
			other, err := there.Authenticate(withCookie(there.SessionCookie(session, false)))
			if err != nil {
				t.Fatal(err)
			}
			if err := end(t, here, session); err != nil {
				t.Fatal(err)
			}
			if alive(p) {
				t.Error("the process that did it still lets the principal live")
			}
			endsWithin(t, other, 2*time.Second)
			next, err := there.Authenticate(withCookie(there.SessionCookie(session, false)))
			if name == "role changed" {
				if err != nil || next.Role != RoleViewer {
					t.Errorf("after the change of role: %+v, %v", next, err)
				}
			} else if !errors.Is(err, ErrNoCredential) {
				t.Errorf("afterwards: %v, want ErrNoCredential", err)
			}
		})
	}
}

// Other tabs learn of the end and ask for a page at once: the session they come with must be over by then.
func TestLogoutIsAnnouncedWhenItIsDone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		addUser(t, s, "ada", RoleAdmin)
		session, p := login(t, s, "ada")
		cookie := withCookie(s.SessionCookie(session, false))
		held, err := d.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer held.Rollback()
		if _, err := held.ExecContext(t.Context(), countChange, time.Now().UnixMilli()); err != nil { // the log-out waits for it
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- s.Logout(t.Context(), session) }()
		time.Sleep(100 * time.Millisecond)
		if again, err := s.Authenticate(cookie); err != nil || again != p {
			t.Errorf("the session was dropped, and let in again or not: %v", err)
		}
		if !alive(p) {
			t.Error("the end was announced before the session had ended")
		}
		if err := held.Rollback(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		endsWithin(t, p, time.Second)
		if _, err := s.Authenticate(cookie); !errors.Is(err, ErrNoCredential) {
			t.Errorf("after the log-out: %v", err)
		}
	})
}

func TestUnrelatedChangeKeepsPrincipal(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		_, secret := addToken(t, s, "ci", RoleViewer, 0)
		p, err := s.Authenticate(bearer(secret))
		if err != nil {
			t.Fatal(err)
		}
		addToken(t, s, "other", RoleViewer, 0)
		again, err := s.Authenticate(bearer(secret))
		if err != nil || again != p || !alive(p) {
			t.Errorf("after an unrelated change: %v, %v", again, err)
		}
	})
}

func TestExpiredCredentialsEnd(t *testing.T) {
	for name, opts := range map[string]Options{
		"absolute": {SessionMax: 300 * time.Millisecond, RefreshEvery: 20 * time.Millisecond},
		"idle":     {SessionIdle: time.Second, RefreshEvery: 20 * time.Millisecond},
	} {
		eachOf(t, name, func(t *testing.T, d *db.DB) {
			s := running(t, d, opts)
			addUser(t, s, "ada", RoleAdmin)
			session, p := login(t, s, "ada")
			endsWithin(t, p, 3*time.Second)
			if _, err := s.Authenticate(withCookie(s.SessionCookie(session, false))); !errors.Is(err, ErrNoCredential) {
				t.Errorf("after expiry: %v", err)
			}
		})
	}
	eachOf(t, "token", func(t *testing.T, d *db.DB) {
		s := running(t, d, Options{RefreshEvery: 20 * time.Millisecond})
		_, secret := addToken(t, s, "ci", RoleViewer, 300*time.Millisecond)
		p, err := s.Authenticate(bearer(secret))
		if err != nil {
			t.Fatal(err)
		}
		endsWithin(t, p, 2*time.Second)
	})
}

func TestHeldSessionIsNotIdle(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{SessionIdle: time.Hour})
		addUser(t, s, "ada", RoleAdmin)
		_, p := login(t, s, "ada")
		later := time.Now().Add(2 * time.Hour)
		release := p.Hold(1)
		if s.expire(later); !alive(p) {
			t.Error("a session with an open stream has ended as idle")
		}
		release()
		if s.expire(later); alive(p) {
			t.Error("an idle session lives on")
		}
	})
}

func TestUpkeepStoresUseAndDeletesTheOld(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		addUser(t, s, "ada", RoleAdmin)
		_, secret := addToken(t, s, "ci", RoleViewer, 0)
		if _, err := s.Authenticate(bearer(secret)); err != nil {
			t.Fatal(err)
		}
		long := time.Now().Add(-100 * 24 * time.Hour)
		if err := s.Record(t.Context(), Entry{Action: "ancient", At: long}); err != nil {
			t.Fatal(err)
		}
		session, _ := login(t, s, "ada")
		if _, err := d.Write.Exec(`update auth_session set seen_at = $1`, long.UnixMilli()); err != nil {
			t.Fatal(err)
		}
		s.drop(hashSecret(session))

		if err := s.upkeep(t.Context()); err != nil {
			t.Fatal(err)
		}
		tokens, err := s.ListTokens(t.Context())
		if err != nil || tokens[0].SeenAt == nil || time.Since(*tokens[0].SeenAt) > time.Minute {
			t.Errorf("last use not stored: %+v, %v", tokens, err)
		}
		if users, err := s.ListUsers(t.Context()); err != nil || users[0].Sessions != 0 {
			t.Errorf("idle session counted: %+v, %v", users, err)
		}
		var sessions int
		if err := d.Read.QueryRow(`select count(*) from auth_session`).Scan(&sessions); err != nil || sessions != 0 {
			t.Errorf("%d idle sessions kept, %v", sessions, err)
		}
		for _, action := range auditActions(t, s) {
			if action == "local ancient  ok" {
				t.Error("an audit entry of 100 days is still there")
			}
		}
	})
}
