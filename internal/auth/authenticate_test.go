package auth

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db/dbtest"
)

func TestAuthenticateRefusesWhatIsNotACredential(t *testing.T) {
	s := open(t, dbtest.New(t), Options{})
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
}

func TestAuthenticateKnowsTokensAndSessions(t *testing.T) {
	s := open(t, dbtest.New(t), Options{})
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
}

func TestSecretsAreNotInTheDatabase(t *testing.T) {
	database := dbtest.New(t)
	s := open(t, database, Options{})
	addUser(t, s, "ada", RoleAdmin)
	_, secret := addToken(t, s, "ci", RoleViewer, 0)
	session, _ := login(t, s, "ada")
	for _, table := range []string{"auth_user", "auth_session", "auth_token", "audit"} {
		for _, text := range []string{secret, secret[len(secret)-keyLength:], session, session[len(session)-keyLength:], password} {
			if dump := dumpTable(t, database.Read, table); strings.Contains(dump, text) {
				t.Errorf("table %s holds a secret", table)
			}
		}
	}
}

func TestAuthenticateOverTLSWantsTheHostCookie(t *testing.T) {
	s := open(t, dbtest.New(t), Options{})
	addUser(t, s, "ada", RoleAdmin)
	session, _ := login(t, s, "ada")
	cookie := s.SessionCookie(session, true)
	if cookie.Name != "__Host-agentos_session" || !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" {
		t.Errorf("cookie: %+v", cookie)
	}
	for _, c := range []struct {
		name, cookie string
		tls          *tls.ConnectionState
		want         error
	}{
		{"host cookie over TLS", secureCookieName, &tls.ConnectionState{}, nil},
		{"host cookie behind a proxy", secureCookieName, nil, nil},
		{"plain cookie over TLS, which any neighbour can set", cookieName, &tls.ConnectionState{}, ErrNoCredential},
	} {
		r := withCookie(&http.Cookie{Name: c.cookie, Value: session})
		r.TLS = c.tls
		if _, err := s.Authenticate(r); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestFloodOfUnknownTokensIsNoSQLLoad(t *testing.T) {
	s := open(t, dbtest.New(t), Options{})
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
}

func TestRejectedCredentialIsRemembered(t *testing.T) {
	s := open(t, dbtest.New(t), Options{})
	bad, _ := newSecret(tokenPrefix)
	for range 100 {
		if _, err := s.Authenticate(bearer(bad)); !errors.Is(err, ErrNoCredential) {
			t.Fatalf("%v, want ErrNoCredential each time", err)
		}
	}
}

func TestDatabaseDownKeepsTheKnown(t *testing.T) {
	database := dbtest.New(t)
	s := running(t, database, Options{RefreshEvery: 10 * time.Millisecond})
	_, known := addToken(t, s, "ci", RoleViewer, 0)
	p, err := s.Authenticate(bearer(known))
	if err != nil {
		t.Fatal(err)
	}
	if err := database.Close(); err != nil {
		t.Fatal(err)
	}
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
}

func TestOpenWithoutDatabaseServesAndRecovers(t *testing.T) {
	database := dbtest.New(t)
	maker := open(t, database, Options{})
	_, secret := addToken(t, maker, "ci", RoleViewer, 0)
	if _, err := database.Write.Exec(`alter table auth_change rename to away`); err != nil {
		t.Fatal(err)
	}
	s := running(t, database, Options{RefreshEvery: 10 * time.Millisecond})
	if _, err := database.Write.Exec(`alter table away rename to auth_change`); err != nil {
		t.Fatal(err)
	}
	eventually(t, 2*time.Second, "credentials loaded after the database came back", func() bool {
		_, ok := s.known.Load().principals[hashSecret(secret)]
		return ok
	})
}

func TestAuthenticateDoesNotAllocate(t *testing.T) {
	s := open(t, dbtest.New(t), Options{})
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
