package auth

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
)

// as is the actor of a user's browser.
func as(user string) Actor { return Actor{Name: user, Kind: KindSession, User: user} }

// A token never has more rights than its owner, on every server, and ends with the owner; a service token has its own.
func TestTokensAreBoundToTheirOwner(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		here, there := running(t, d, Options{}), running(t, d, Options{RefreshEvery: 20 * time.Millisecond})
		addUser(t, here, "root", RoleAdmin)
		addUser(t, here, "ada", RoleAdmin)
		ctx := WithActor(t.Context(), as("ada"))
		_, bound, err := here.CreateToken(ctx, TokenParams{Name: "bound", Role: RoleAdmin})
		if err != nil {
			t.Fatal(err)
		}
		p, err := here.Authenticate(bearer(bound))
		if err != nil || p.User != "ada" || p.Role != RoleAdmin {
			t.Fatalf("%+v, %v", p, err)
		}
		// A token that a token makes has the same owner: no way around.
		child := WithActor(t.Context(), Actor{Name: p.Name, Kind: p.Kind, User: p.User})
		_, made, err := here.CreateToken(child, TokenParams{Name: "made", Role: RoleAdmin})
		if err != nil {
			t.Fatal(err)
		}
		_, service, err := here.CreateToken(ctx, TokenParams{Name: "service", Role: RoleOperator, Service: true})
		if err != nil {
			t.Fatal(err)
		}
		_, local, err := here.CreateToken(t.Context(), TokenParams{Name: "local", Role: RoleAdmin}) // by the command line
		if err != nil {
			t.Fatal(err)
		}
		_, lent, err := here.CreateToken(t.Context(), TokenParams{Name: "lent", Role: RoleAdmin, Owner: "ada"})
		if err != nil {
			t.Fatal(err)
		}
		want := func(what string, roles map[string]Role) {
			t.Helper()
			for secret, role := range roles {
				for _, s := range []*Service{here, there} {
					eventually(t, 20*time.Second, what, func() bool {
						p, err := s.Authenticate(bearer(secret))
						if role == "" {
							return errors.Is(err, ErrNoCredential)
						}
						return err == nil && p.Role == role
					})
				}
			}
		}
		want("an admin's tokens", map[string]Role{bound: RoleAdmin, made: RoleAdmin, lent: RoleAdmin, service: RoleOperator, local: RoleAdmin})
		old, err := here.Authenticate(bearer(bound))
		if err != nil {
			t.Fatal(err)
		}
		if err := here.SetRole(t.Context(), "ada", RoleViewer); err != nil {
			t.Fatal(err)
		}
		endsWithin(t, old, time.Second) // its streams begin again
		want("a viewer's tokens", map[string]Role{bound: RoleViewer, made: RoleViewer, lent: RoleViewer, service: RoleOperator, local: RoleAdmin})
		tokens, err := here.ListTokens(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, token := range tokens {
			switch owned := token.Name != "service" && token.Name != "local"; {
			case owned && (token.Owner == nil || *token.Owner != "ada" || token.Role != RoleAdmin || token.Effective != RoleViewer),
				!owned && (token.Owner != nil || token.Effective != token.Role):
				t.Errorf("listed: %+v", token)
			}
		}
		if err := here.DeleteUser(t.Context(), "ada"); err != nil {
			t.Fatal(err)
		}
		want("nobody's tokens", map[string]Role{bound: "", made: "", lent: "", service: RoleOperator, local: RoleAdmin})
		addUser(t, here, "ada", RoleAdmin) // another of the same name
		want("tokens of the one before", map[string]Role{bound: "", made: "", lent: ""})
	})
}

func TestTokensOfNobody(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		addUser(t, s, "ada", RoleAdmin)
		if _, _, err := s.CreateToken(t.Context(), TokenParams{Name: "x", Role: RoleViewer, Owner: "nobody"}); !errors.Is(err, ErrNotFound) {
			t.Errorf("for a user that does not exist: %v", err)
		}
		var invalid *InvalidError
		if _, _, err := s.CreateToken(t.Context(), TokenParams{Name: "x", Role: RoleViewer, Owner: "ada", Service: true}); !errors.As(err, &invalid) {
			t.Errorf("a service token with an owner: %v", err)
		}
		// A user that the previous version deletes loses all tokens too.
		if _, _, err := s.CreateToken(WithActor(t.Context(), as("ada")), TokenParams{Name: "x", Role: RoleViewer}); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Write.ExecContext(t.Context(), `delete from auth_user where name = 'ada'`); err != nil {
			t.Fatal(err)
		}
		if tokens, err := s.ListTokens(t.Context()); err != nil || len(tokens) != 0 {
			t.Errorf("%+v, %v", tokens, err)
		}
	})
}

// A start without the database does not forget whose a token is.
func TestRememberedTokensAreBound(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		opts := Options{File: filepath.Join(t.TempDir(), "credentials.json")}
		maker := open(t, d.DB, opts)
		addUser(t, maker, "ada", RoleViewer)
		_, secret, err := maker.CreateToken(WithActor(t.Context(), as("ada")), TokenParams{Name: "ci", Role: RoleAdmin})
		if err != nil {
			t.Fatal(err)
		}
		d.Break()
		p, err := open(t, d.DB, opts).Authenticate(bearer(secret))
		if err != nil || p.User != "ada" || p.Role != RoleViewer {
			t.Errorf("%+v, %v", p, err)
		}
	})
}

func TestChangeOwnPassword(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		addUser(t, s, "ada", RoleViewer)
		_, mine := login(t, s, "ada")
		_, other := login(t, s, "ada")
		_, secret, err := s.CreateToken(WithActor(t.Context(), as("ada")), TokenParams{Name: "ci", Role: RoleViewer})
		if err != nil {
			t.Fatal(err)
		}
		token, err := s.Authenticate(bearer(secret))
		if err != nil {
			t.Fatal(err)
		}
		const next, address = "another password", "192.0.2.1:2"
		var invalid *InvalidError
		for what, err := range map[string]error{
			"a wrong present one": s.ChangePassword(t.Context(), mine, "not the password", next, address),
			"a weak new one":      s.ChangePassword(t.Context(), mine, password, "password123", address),
			"the same":            s.ChangePassword(t.Context(), mine, password, password, address),
		} {
			if !errors.As(err, &invalid) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if err := s.ChangePassword(t.Context(), token, password, next, address); !errors.Is(err, ErrNotASession) {
			t.Errorf("by a token: %v", err)
		}
		if err := s.ChangePassword(t.Context(), mine, password, next, address); err != nil {
			t.Fatal(err)
		}
		if !alive(mine) || alive(other) {
			t.Errorf("this session lives: %v, the other one: %v", alive(mine), alive(other))
		}
		if _, _, err := s.Login(t.Context(), "ada", password, address); !errors.Is(err, ErrBadCredentials) {
			t.Errorf("with the old one: %v", err)
		}
		if _, _, err := s.Login(t.Context(), "ada", next, address); err != nil {
			t.Errorf("with the new one: %v", err)
		}
		var limited *RateLimitedError
		for range 30 {
			err = s.ChangePassword(t.Context(), mine, "not the password", "yet another password", "198.51.100.1:1")
		}
		if !errors.As(err, &limited) {
			t.Errorf("after thirty guesses: %v, want them throttled", err)
		}
	})
}
