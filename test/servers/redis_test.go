package servers

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestRedisIsEmptyAfterARestart(t *testing.T) {
	r := StartRedis(t)
	set := func() {
		t.Helper()
		if _, err := r.Do("SET", "key", "two\nlines"); err != nil {
			t.Fatal(err)
		}
		if got, err := r.Do("GET", "key"); got != "two\nlines" || err != nil {
			t.Fatalf("GET: %q, %v", got, err)
		}
	}
	for name, again := range map[string]func() error{
		"restart": r.Restart,
		"kill":    func() error { r.Kill(); return r.Start() },
	} {
		set()
		if err := again(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := r.Do("GET", "key"); !errors.Is(err, ErrNil) {
			t.Errorf("after %s the key is there: %v", name, err)
		}
	}
}

func TestRedisPauses(t *testing.T) {
	r := StartRedis(t)
	r.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := r.DoContext(ctx, "PING"); err == nil {
		t.Error("a paused server answers")
	}
	r.Resume()
	if _, err := r.Do("PING"); err != nil {
		t.Errorf("after the pause: %v", err)
	}
}

func TestRedisWithPasswordAndTLS(t *testing.T) {
	r := StartRedis(t, RedisPassword("let me in"), RedisTLS())
	if _, err := r.Do("SET", "key", "value"); err != nil {
		t.Error(err)
	}
	if want := "rediss://:let%20me%20in@" + r.Addr + "/0"; r.URL() != want {
		t.Errorf("the URL is %q, want %q", r.URL(), want)
	}
	r.Password = ""
	if _, err := r.Do("GET", "key"); err == nil {
		t.Error("it answers without the password")
	}
}

func TestSentinelsChangeThePrimary(t *testing.T) {
	s := StartSentinel(t)
	first, err := s.Primary()
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Failover()
	if err != nil {
		t.Fatal(err)
	}
	if first == second {
		t.Fatal("the primary is the same")
	}
	if _, err := second.Do("SET", "key", "value"); err != nil {
		t.Error(err)
	}
}

func TestSentinelsReplaceADeadPrimary(t *testing.T) {
	s := StartSentinel(t, RedisPassword("secret"))
	s.Servers[0].Kill()
	primary, err := s.AwaitPrimary(s.Servers[0])
	if err != nil {
		t.Fatal(err)
	}
	if primary != s.Servers[1] {
		t.Error("the primary is not the replica")
	}
}

func TestRedisClusterHoldsKeys(t *testing.T) {
	c := StartRedisCluster(t)
	for _, key := range []string{"a", "b", "c", "d"} {
		owner, err := c.Owner(key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := owner.Do("SET", key, "value"); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
}
