package auth

import (
	"context"
	"sync/atomic"
	"time"
)

// Kinds of principal.
const (
	KindSession = "session"
	KindToken   = "token"
)

// Principal is who makes a request. It never changes: when its role or its rights end, Done is closed and the next
// request gets another Principal or none.
type Principal struct {
	Name      string    // the user, or the token's name
	Role      Role      // never more than the user's
	User      string    // whose rights it has: it ends with that user; empty: a service token, with rights of its own
	Kind      string    // KindSession or KindToken
	ID        string    // of the session or token
	ExpiresAt time.Time // zero: never

	life   context.Context // until Done; a context because any number of streams can wait for its end without a goroutine each
	end    context.CancelFunc
	idle   time.Duration // ends when unused for so long; zero: never
	seen   atomic.Int64  // unix ms of the last use in this process or, when loaded, in any; at most 1 s behind
	stored atomic.Int64  // seen as the database has it
	held   atomic.Int64  // uses that are under way, such as open streams
}

// Done is closed within 2 s after log-out, revocation, expiry, or a change of role or password, also when another
// process did it.
func (p *Principal) Done() <-chan struct{} { return p.life.Done() }

// OnEnd calls fn in its own goroutine when Done closes, unless stop is called first.
func (p *Principal) OnEnd(fn func()) (stop func() bool) { return context.AfterFunc(p.life, fn) }

// Hold notes a use that goes on until release is called: meanwhile the session does not count as idle. A principal has at most
// so many at a time; release is nil when it has them already.
func (p *Principal) Hold(most int) (release func()) {
	if p.held.Add(1) > int64(most) {
		p.held.Add(-1)
		return nil
	}
	return func() {
		p.touch(time.Now())
		p.held.Add(-1)
	}
}

// valid reports whether p may still be used at now, as far as this process knows.
func (p *Principal) valid(now time.Time) bool {
	if !p.ExpiresAt.IsZero() && !now.Before(p.ExpiresAt) {
		return false
	}
	return p.idle == 0 || now.UnixMilli()-p.seen.Load() < p.idle.Milliseconds() || p.held.Load() > 0
}

// touch notes the use. Most calls find it noted within the last second and write nothing, so that cores do not fight for
// the memory.
func (p *Principal) touch(now time.Time) {
	if ms := now.UnixMilli(); ms-p.seen.Load() >= 1000 {
		p.seen.Store(ms)
	}
}

func (p *Principal) prefix() string {
	if p.Kind == KindSession {
		return sessionPrefix
	}
	return tokenPrefix
}

// same reports whether a row just read describes the principal that is already known.
func (p *Principal) same(other *Principal) bool {
	return p.ID == other.ID && p.Name == other.Name && p.Role == other.Role && p.User == other.User && p.Kind == other.Kind &&
		p.ExpiresAt.Equal(other.ExpiresAt)
}
