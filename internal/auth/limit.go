package auth

import (
	"net/netip"
	"sync"
	"time"
)

// attemptLimit counts attempts by key and forgets them at a steady rate (a leaky bucket). It holds at most capacity keys.
type attemptLimit struct {
	burst    float64       // attempts before the key is refused
	every    time.Duration // one attempt is forgotten each
	capacity int

	mu   sync.Mutex
	keys map[string]level
}

type level struct {
	attempts float64
	at       time.Time
}

func newAttemptLimit(burst int, every time.Duration, capacity int) *attemptLimit {
	return &attemptLimit{burst: float64(burst), every: every, capacity: capacity, keys: make(map[string]level)}
}

// wait returns how long the key must wait before its next attempt; zero: now.
func (l *attemptLimit) wait(key string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if over := l.attempts(key, now) - (l.burst - 1); over > 0 {
		return time.Duration(over * float64(l.every))
	}
	return 0
}

// add counts n attempts; a negative n gives attempts back.
func (l *attemptLimit) add(key string, n float64, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.keys[key]; !known && len(l.keys) >= l.capacity {
		l.evict(now)
	}
	l.keys[key] = level{attempts: min(max(0, l.attempts(key, now)+n), l.burst), at: now}
}

func (l *attemptLimit) attempts(key string, now time.Time) float64 {
	known := l.keys[key]
	return max(0, known.attempts-float64(now.Sub(known.at))/float64(l.every))
}

// evict drops what has been forgotten anyway, or else the key with the fewest attempts: filling the table with new keys
// must not free one that is being refused.
func (l *attemptLimit) evict(now time.Time) {
	least, fewest := "", l.burst+1
	for key := range l.keys {
		attempts := l.attempts(key, now)
		if attempts == 0 {
			delete(l.keys, key)
		} else if attempts < fewest {
			least, fewest = key, attempts
		}
	}
	if len(l.keys) >= l.capacity {
		delete(l.keys, least)
	}
}

// loginLimit guards Login in this process: behind a load balancer each server counts for itself, so that n of them let
// through up to n times as much. Names and addresses are counted apart. A name that is being attacked stays open to addresses
// it has logged in from before, so that an attacker cannot lock the owner out.
type loginLimit struct {
	names     *attemptLimit
	addresses *attemptLimit

	mu       sync.Mutex
	familiar map[string]struct{} // name and address
}

const (
	limitedKeys  = 10_000
	familiarKeys = 1_000
)

func newLoginLimit() *loginLimit {
	return &loginLimit{
		names:     newAttemptLimit(10, 30*time.Second, limitedKeys),
		addresses: newAttemptLimit(20, 15*time.Second, limitedKeys),
		familiar:  make(map[string]struct{}),
	}
}

// take counts an attempt, or returns how long to wait before the next one. Attempts count before they are checked, so
// that many at once are no way around the limit; a success gives its own back.
func (l *loginLimit) take(name, address string, now time.Time) (wait time.Duration) {
	known := l.isFamiliar(name, address)
	wait = l.addresses.wait(address, now)
	if !known {
		wait = max(wait, l.names.wait(name, now))
	}
	if wait > 0 {
		return wait
	}
	l.addresses.add(address, 1, now)
	if !known {
		l.names.add(name, 1, now)
	}
	return 0
}

// giveBack undoes take for an attempt that was no failure of the person.
func (l *loginLimit) giveBack(name, address string, now time.Time) {
	l.addresses.add(address, -1, now)
	if !l.isFamiliar(name, address) {
		l.names.add(name, -1, now)
	}
}

// succeeded gives the attempt back and makes the address familiar for the name.
func (l *loginLimit) succeeded(name, address string, now time.Time) {
	l.giveBack(name, address, now)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.familiar) >= familiarKeys {
		clear(l.familiar)
	}
	l.familiar[name+"\x00"+address] = struct{}{}
}

func (l *loginLimit) isFamiliar(name, address string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.familiar[name+"\x00"+address]
	return ok
}

// hostOf is the host of "host:port", or all of it when it is none.
func hostOf(remote string) string {
	if address, err := netip.ParseAddrPort(remote); err == nil {
		return address.Addr().Unmap().String()
	}
	return remote
}

// addressKey is the host of "host:port"; an IPv6 host counts as its /64, which one customer has.
func addressKey(remote string) string {
	address, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	host := address.Addr().Unmap()
	if host.Is6() {
		if prefix, err := host.Prefix(64); err == nil {
			return prefix.String()
		}
	}
	return host.String()
}
