package auth

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// CookiePrefix begins the name of every session cookie; the rest is of the fleet. Browsers keep cookies by host and not by
// port: under one name, signing in to one fleet would sign out of the other on the same host.
const CookiePrefix = "agentos_session_"

// cookieNames are those of the session cookie. Browsers accept the second only from a secure origin, for this host alone,
// so that no neighbour host can plant one.
type cookieNames struct{ plain, secure string }

// fleetOfCookie is how much of the fleet's id a name has: enough to distinguish the fleets on one host.
const fleetOfCookie = 8

func cookieNamesOf(fleet string) *cookieNames {
	plain := CookiePrefix + fleet[:min(len(fleet), fleetOfCookie)]
	return &cookieNames{plain: plain, secure: "__Host-" + plain}
}

// missesPerSecond bounds how many unknown credentials a second are looked up in the database.
const missesPerSecond = 20

// Authenticate returns who makes the request: by its Authorization header when it has one, else by its session cookie.
//
// A known credential costs one hash and one map read. An unknown one is looked up in the database, at most
// missesPerSecond of them a second; none while the database does not answer Run, so that nobody waits for it. Errors:
// ErrNoCredential, ErrUnavailable when the database does not answer and the credential is not known, *RateLimitedError
// when too many unknown ones came at once.
func (s *Service) Authenticate(r *http.Request) (*Principal, error) {
	secret, prefix := s.credential(r)
	if !wellFormed(secret, prefix) {
		return nil, ErrNoCredential
	}
	key := hashSecret(secret)
	now := time.Now()
	if p, ok := s.known.Load().principals[key]; ok && p.valid(now) {
		return use(p, secret, now)
	}
	p, err := s.miss(r.Context(), key, now)
	if err != nil {
		return nil, err
	}
	return use(p, secret, now)
}

// use accepts a principal that was found by the secret's key when the rest of the secret is its own too: the hash does
// not cover id and kind.
func use(p *Principal, secret string, now time.Time) (*Principal, error) {
	if p.ID != idOf(secret) || p.prefix() != secret[:len(tokenPrefix)] {
		return nil, ErrNoCredential
	}
	p.touch(now)
	return p, nil
}

func (s *Service) credential(r *http.Request) (secret, prefix string) {
	if values := r.Header["Authorization"]; len(values) > 0 {
		scheme, token, _ := strings.Cut(values[0], " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", ""
		}
		return token, tokenPrefix
	}
	return s.sessionCookie(r), sessionPrefix
}

// sessionCookie prefers the cookie that only this host can have set. Over TLS it takes no other.
func (s *Service) sessionCookie(r *http.Request) string {
	names := s.cookies.Load()
	lines := r.Header["Cookie"]
	if value := cookieValue(lines, names.secure); value != "" || r.TLS != nil {
		return value
	}
	return cookieValue(lines, names.plain)
}

// cookieValue reads one cookie without parsing the others, and without allocating.
func cookieValue(lines []string, name string) string {
	for _, line := range lines {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			key, value, _ := strings.Cut(pair, "=")
			if strings.TrimSpace(key) == name {
				return strings.TrimSpace(value)
			}
		}
	}
	return ""
}

// miss decides about a credential that is not known, or not any more.
func (s *Service) miss(ctx context.Context, key digest, now time.Time) (*Principal, error) {
	if s.rejected.has(key) {
		return nil, ErrNoCredential
	}
	if s.down.Load() {
		return nil, fmt.Errorf("%w: the database did not answer a moment ago", ErrUnavailable)
	}
	if !s.misses.AllowN(now, 1) {
		return nil, &RateLimitedError{RetryAfter: time.Second}
	}
	// The look-up is shared, so it must not end with the request that happens to lead it.
	ctx = context.WithoutCancel(ctx)
	found, err, _ := s.flight.Do(string(key[:]), func() (any, error) {
		p, err := s.admit(ctx, key)
		if err == ErrNoCredential { //nolint:errorlint // admit returns it as it is
			s.rejected.add(key)
		}
		return p, err
	})
	if err != nil {
		return nil, err
	}
	return found.(*Principal), nil
}

// rejections remembers credentials that the database does not know, until the next refresh.
type rejections struct {
	mu   sync.Mutex
	keys map[digest]struct{}
}

const rejectedKeys = 1024

func newRejections() *rejections { return &rejections{keys: make(map[digest]struct{})} }

func (r *rejections) has(key digest) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.keys[key]
	return ok
}

func (r *rejections) add(key digest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.keys) >= rejectedKeys {
		clear(r.keys)
	}
	r.keys[key] = struct{}{}
}

func (r *rejections) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.keys)
}
