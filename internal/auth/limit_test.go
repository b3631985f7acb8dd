package auth

import (
	"fmt"
	"testing"
	"time"
)

func TestAttemptLimitRefusesAndForgets(t *testing.T) {
	l, now := newAttemptLimit(3, time.Minute, 10), time.Now()
	for i := range 3 {
		if wait := l.wait("a", now); wait != 0 {
			t.Fatalf("attempt %d must wait %s", i, wait)
		}
		l.add("a", 1, now)
	}
	if wait := l.wait("a", now); wait != time.Minute {
		t.Errorf("after the burst: wait %s, want 1m", wait)
	}
	if wait := l.wait("b", now); wait != 0 {
		t.Errorf("another key must wait %s", wait)
	}
	if wait := l.wait("a", now.Add(time.Minute)); wait != 0 {
		t.Errorf("a minute later: wait %s", wait)
	}
}

func TestAttemptLimitIsBoundedAndKeepsTheRefused(t *testing.T) {
	l, now := newAttemptLimit(3, time.Hour, 100), time.Now()
	for range 3 {
		l.add("attacked", 1, now)
	}
	for i := range 1000 {
		l.add(fmt.Sprint("noise", i), 1, now)
	}
	if len(l.keys) > 100 {
		t.Errorf("%d keys, want at most 100", len(l.keys))
	}
	if l.wait("attacked", now) == 0 {
		t.Error("a flood of new keys freed the refused one")
	}
}

func TestLoginLimitKeepsOwnerIn(t *testing.T) {
	l, now := newLoginLimit(), time.Now()
	l.take("ada", "192.0.2.1", now)
	l.succeeded("ada", "192.0.2.1", now)
	for i := range 100 {
		l.take("ada", fmt.Sprint("198.51.100.", i), now)
	}
	if l.take("ada", "203.0.113.9", now) == 0 {
		t.Error("an unknown address may still guess at an attacked name")
	}
	if wait := l.take("ada", "192.0.2.1", now); wait != 0 {
		t.Errorf("the owner's address must wait %s", wait)
	}
}

func TestAddressKey(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:80":             "192.0.2.1",
		"[::ffff:192.0.2.1]:80":    "192.0.2.1",
		"[2001:db8:1:2:3:4:5:6]:9": "2001:db8:1:2::/64",
		"@":                        "@",
	} {
		if got := addressKey(remote); got != want {
			t.Errorf("addressKey(%q) = %q, want %q", remote, got, want)
		}
	}
}
