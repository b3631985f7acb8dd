package auth

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
)

func TestAuthenticateRefusesWhatIsNotACredential(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		addUser(t, s, "ada", RoleAdmin)
		_, secret := addToken(t, s, "ci", RoleViewer, 0)
		session, _ := login(t, s, "ada")
		header := func(name, value string) *http.Request {
			r := httptest.NewRequest("GET", "/", nil)
			if name != "" {
				r.Header.Set(name, value)
			}
			return r
		}
		both := header("Authorization", "Bearer nonsense")
		both.AddCookie(s.SessionCookie(session, false))
		cookieName := s.cookies.Load().plain
		for name, r := range map[string]*http.Request{
			"nothing":                     header("", ""),
			"empty bearer":                header("Authorization", "Bearer "),
			"basic":                       header("Authorization", "Basic "+secret),
			"cut token":                   bearer(secret[:len(secret)-1]),
			"longer token":                bearer(secret + "a"),
			"another id":                  bearer("aos_aaaaaaaa" + secret[12:]),
			"session with a token's key":  withCookie(&http.Cookie{Name: cookieName, Value: "ses_" + secret[4:]}),
			"another key":                 bearer(secret[:len(secret)-4] + "aaaa"),
			"a session as a token":        bearer(session),
			"a token as a cookie":         withCookie(&http.Cookie{Name: cookieName, Value: secret}),
			"cookie of another name":      withCookie(&http.Cookie{Name: "x" + cookieName, Value: session}),
			"bad header beside a session": both,
		} {
			if p, err := s.Authenticate(r); !errors.Is(err, ErrNoCredential) {
				t.Errorf("%s: %v, %v; want ErrNoCredential", name, p, err)
			}
		}
	})
}

func TestAuthenticateKnowsTokensAndSessions(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		addUser(t, s, "ada", RoleOperator)
		token, secret := addToken(t, s, "ci", RoleViewer, time.Hour)
		session, _ := login(t, s, "ada")

		p, err := s.Authenticate(bearer(secret))
		if err != nil || p.Name != "ci" || p.Role != RoleViewer || p.Kind != KindToken || p.ID != token.ID || !p.ExpiresAt.Equal(*token.ExpiresAt) {
			t.Errorf("token: %+v, %v", p, err)
		}
		p, err = s.Authenticate(withCookie(s.SessionCookie(session, false)))
		if err != nil || p.Name != "ada" || p.Role != RoleOperator || p.Kind != KindSession {
			t.Errorf("session: %+v, %v", p, err)
		}
		if !strings.HasPrefix(secret, "aos_"+token.ID+"_") {
			t.Errorf("token %q does not show its id %q", secret, token.ID)
		}
	})
}

func TestSecretsAreNotInTheDatabase(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		addUser(t, s, "ada", RoleAdmin)
		_, secret := addToken(t, s, "ci", RoleViewer, 0)
		session, _ := login(t, s, "ada")
		for _, table := range []string{"auth_user", "auth_session", "auth_token", "audit"} {
			for _, text := range []string{secret, secret[len(secret)-keyLength:], session, session[len(session)-keyLength:], password} {
				if dump := dumpTable(t, d.Read, table); strings.Contains(dump, text) {
					t.Errorf("table %s holds a secret", table)
				}
			}
		}
	})
}

func TestAuthenticateOverTLSWantsTheHostCookie(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		addUser(t, s, "ada", RoleAdmin)
		session, _ := login(t, s, "ada")
		cookie := s.SessionCookie(session, true)
		names := s.cookies.Load()
		if cookie.Name != names.secure || !strings.HasPrefix(cookie.Name, "__Host-agentos_session_") || !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" {
			t.Errorf("cookie: %+v", cookie)
		}
		for _, c := range []struct {
			name, cookie string
			tls          *tls.ConnectionState
			want         error
		}{
			{"host cookie over TLS", names.secure, &tls.ConnectionState{}, nil},
			{"host cookie behind a proxy", names.secure, nil, nil},
			{"plain cookie over TLS, which any neighbour can set", names.plain, &tls.ConnectionState{}, ErrNoCredential},
		} {
			r := withCookie(&http.Cookie{Name: c.cookie, Value: session})
			r.TLS = c.tls
			if _, err := s.Authenticate(r); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", c.name, err, c.want)
			}
		}
	})
}

func TestFloodOfUnknownTokensIsNoSQLLoad(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		_, good := addToken(t, s, "ci", RoleViewer, 0)
		_, err := s.Authenticate(bearer(good))
		if err != nil {
			t.Fatal(err)
		}
		var refused, limited int
		for range 2000 {
			bad, _ := newSecret(tokenPrefix)
			var rate *RateLimitedError
			switch _, err := s.Authenticate(bearer(bad)); {
			case errors.As(err, &rate):
				limited++
			case errors.Is(err, ErrNoCredential):
				refused++
			default:
				t.Fatalf("unknown token: %v", err)
			}
		}
		// The loop may take a few seconds on a busy machine, in which more look-ups are allowed.
		if refused > 10*missesPerSecond || limited == 0 {
			t.Errorf("%d look-ups and %d refused without one", refused, limited)
		}
		if _, err := s.Authenticate(bearer(good)); err != nil {
			t.Errorf("a known token during the flood: %v", err)
		}
	})
}

func TestRejectedCredentialIsRemembered(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		bad, _ := newSecret(tokenPrefix)
		for range 100 {
			if _, err := s.Authenticate(bearer(bad)); !errors.Is(err, ErrNoCredential) {
				t.Fatalf("%v, want ErrNoCredential each time", err)
			}
		}
	})
}

func TestDatabaseDownKeepsTheKnown(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		s := running(t, d.DB, Options{RefreshEvery: 10 * time.Millisecond})
		addUser(t, s, "ada", RoleAdmin)
		token, known := addToken(t, s, "ci", RoleViewer, 0)
		p, err := s.Authenticate(bearer(known))
		if err != nil {
			t.Fatal(err)
		}
		d.Break()
		unknown, _ := newSecret(tokenPrefix)
		if _, err := s.Authenticate(bearer(unknown)); !errors.Is(err, ErrUnavailable) {
			t.Errorf("unknown token: %v, want ErrUnavailable", err)
		}
		again, err := s.Authenticate(bearer(known))
		if err != nil || again != p || !alive(p) {
			t.Errorf("known token: %v, %v", again, err)
		}
		if _, _, err := s.Login(t.Context(), "ada", password, "192.0.2.1:1"); !errors.Is(err, ErrUnavailable) {
			t.Errorf("login: %v, want ErrUnavailable", err)
		}
		if err := s.RevokeToken(t.Context(), token.ID); !errors.Is(err, ErrUnavailable) {
			t.Errorf("revoking: %v, want ErrUnavailable", err)
		}
		if err := s.Record(t.Context(), Entry{Action: "test"}); !errors.Is(err, ErrUnavailable) {
			t.Errorf("recording: %v, want ErrUnavailable", err)
		}
		d.Mend()
		eventually(t, 20*time.Second, "an unknown token is refused again", func() bool {
			_, err := s.Authenticate(bearer(unknown))
			return errors.Is(err, ErrNoCredential)
		})
		login(t, s, "ada") // failing while the database was away counted as no attempt
		if err := s.RevokeToken(t.Context(), token.ID); err != nil || alive(p) {
			t.Errorf("revoking afterwards: %v, alive %v", err, alive(p))
		}
	})
}

// A server that hangs is worse than one that is gone: everything that needs it must end by itself.
func TestDatabaseHangingKeepsTheKnown(t *testing.T) {
	d := dbtest.NewBreakable(t, db.Postgres)
	s := running(t, d.DB, Options{RefreshEvery: 10 * time.Millisecond})
	_, known := addToken(t, s, "ci", RoleViewer, 0)
	d.Hang()
	defer d.Mend()
	for range 3 {
		unknown, _ := newSecret(tokenPrefix)
		start := time.Now()
		if _, err := s.Authenticate(bearer(unknown)); !errors.Is(err, ErrUnavailable) {
			t.Errorf("unknown token: %v, want ErrUnavailable", err)
		}
		if took := time.Since(start); took > 2*refreshDeadline {
			t.Errorf("an unknown token waited %s", took)
		}
		if _, err := s.Authenticate(bearer(known)); err != nil {
			t.Errorf("known token: %v", err)
		}
	}
}

func TestOpenWithoutDatabaseServesAndRecovers(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		maker := open(t, d.DB, Options{})
		_, secret := addToken(t, maker, "ci", RoleViewer, 0)
		d.Break()
		s := running(t, d.DB, Options{RefreshEvery: 10 * time.Millisecond})
		if _, err := s.Authenticate(bearer(secret)); !errors.Is(err, ErrUnavailable) || s.Loaded() {
			t.Errorf("without database: %v, loaded %v", err, s.Loaded())
		}
		d.Mend()
		eventually(t, 20*time.Second, "credentials loaded after the database came back", func() bool {
			_, ok := s.known.Load().principals[hashSecret(secret)]
			return ok && s.Loaded()
		})
	})
}

func TestMissingTableIsNoOutage(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		if _, err := d.Write.ExecContext(t.Context(), `alter table audit rename to away`); err != nil {
			t.Fatal(err)
		}
		if _, err := s.ListAudit(t.Context(), 0, 1, ""); err == nil || errors.Is(err, ErrUnavailable) {
			t.Errorf("%v: waiting for the database would not help", err)
		}
	})
}

func TestAuthenticateDoesNotAllocate(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		addUser(t, s, "ada", RoleAdmin)
		_, secret := addToken(t, s, "ci", RoleViewer, 0)
		session, _ := login(t, s, "ada")
		for name, r := range map[string]*http.Request{
			"token":   bearer(secret),
			"session": withCookie(s.SessionCookie(session, false)),
		} {
			allocs := testing.AllocsPerRun(100, func() {
				if _, err := s.Authenticate(r); err != nil {
					t.Fatal(err)
				}
			})
			if allocs != 0 {
				t.Errorf("%s: %v allocations", name, allocs)
			}
		}
	})
}

func BenchmarkAuthenticate(b *testing.B) {
	s := open(b, dbtest.New(b), Options{})
	addUser(b, s, "ada", RoleAdmin)
	_, secret := addToken(b, s, "ci", RoleViewer, 0)
	session, _ := login(b, s, "ada")
	for name, r := range map[string]*http.Request{
		"token":   bearer(secret),
		"session": withCookie(s.SessionCookie(session, false)),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Authenticate(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
