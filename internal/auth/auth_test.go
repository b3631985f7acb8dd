package auth

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
)

const password = "correct horse battery"

// cheap makes password hashes that tests can afford.
func cheap(opts Options) Options {
	if opts.HashMemoryKiB == 0 {
		opts.HashMemoryKiB = 64
	}
	return opts
}

func open(t testing.TB, database *db.DB, opts Options) *Service {
	t.Helper()
	s, err := Open(t.Context(), database, cheap(opts))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// running opens a service and keeps it refreshed until the test ends.
func running(t testing.TB, database *db.DB, opts Options) *Service {
	t.Helper()
	s := open(t, database, opts)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return s
}

// eachOf runs a subtest on each kind of database.
func eachOf(t *testing.T, name string, test func(t *testing.T, d *db.DB)) {
	t.Run(name, func(t *testing.T) { dbtest.Each(t, test) })
}

func addUser(t testing.TB, s *Service, name string, role Role) {
	t.Helper()
	if err := s.CreateUser(t.Context(), name, password, role); err != nil {
		t.Fatal(err)
	}
}

func addToken(t testing.TB, s *Service, name string, role Role, ttl time.Duration) (Token, string) {
	t.Helper()
	token, secret, err := s.CreateToken(t.Context(), TokenParams{Name: name, Role: role, TTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	return token, secret
}

func login(t testing.TB, s *Service, name string) (string, *Principal) {
	t.Helper()
	token, p, err := s.Login(t.Context(), name, password, "192.0.2.1:1000")
	if err != nil {
		t.Fatal(err)
	}
	return token, p
}

func bearer(secret string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+secret)
	return r
}

func withCookie(cookie *http.Cookie) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: "theme", Value: "dark"})
	r.AddCookie(cookie)
	return r
}

// endsWithin fails the test when p's Done is still open after limit.
func endsWithin(t testing.TB, p *Principal, limit time.Duration) {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(limit):
		t.Fatalf("principal %s %q still lives after %s", p.Kind, p.Name, limit)
	}
}

func alive(p *Principal) bool {
	select {
	case <-p.Done():
		return false
	default:
		return true
	}
}

// eventually polls until ok, or fails after limit.
func eventually(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

func auditActions(t testing.TB, s *Service) []string {
	t.Helper()
	entries, err := s.ListAudit(t.Context(), 0, 100, "")
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, e := range entries {
		actions = append(actions, e.Actor+" "+e.Action+" "+e.Target+" "+e.Outcome)
	}
	return actions
}
