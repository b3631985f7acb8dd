package redislink_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/agentos/agentos/snapshot/link"
	"github.com/agentos/agentos/snapshot/redislink"
	"github.com/agentos/agentos/test/servers"
)

// calling checks, until it is stopped, that no call takes longer than the timeout, nor the lease is given to two.
func calling(t *testing.T, links ...*redislink.Link) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			for _, conn := range links {
				for name, call := range map[string]func() error{
					"Load":   func() error { _, err := conn.Load(ctx); return err },
					"Notify": func() error { return conn.Notify(ctx, nil) },
				} {
					began := time.Now()
					err := call()
					if took := time.Since(began); took > longest {
						t.Errorf("%s() took %v: %v", name, took, err)
					}
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

func TestSentinelFailover(t *testing.T) {
	s := servers.StartSentinel(t, servers.RedisPassword("p@ss"))
	a, b := open(t, s.URL(), redislink.Options{Holder: "a"}), open(t, s.URL(), redislink.Options{Holder: "b"})
	h := receive(t, b)
	awaitExchange(t, h, a, a, b)
	old, err := s.Primary()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name         string
		break_, mend func(*servers.Redis)
	}{
		{"stopped", (*servers.Redis).Pause, (*servers.Redis).Resume},
		{"killed", (*servers.Redis).Kill, func(r *servers.Redis) {
			if err := r.Start(); err != nil {
				t.Error(err)
			}
		}},
	} {
		was := mustCampaign(t, a)
		stop := calling(t, a, b)
		c.break_(old)
		began := time.Now()
		now, err := s.AwaitPrimary(old)
		if err != nil {
			t.Fatal(err)
		}
		elected := time.Now()
		awaitExchange(t, h, a, a, b)
		t.Logf("%s: another primary after %v, all works %v later", c.name, elected.Sub(began).Round(time.Millisecond), time.Since(elected).Round(time.Millisecond))
		if grant := mustCampaign(t, b); grant.Token <= was.Token {
			t.Errorf("%s: token %d after %d", c.name, grant.Token, was.Token)
		}
		if err := b.Resign(t.Context()); err != nil {
			t.Error(err)
		}
		c.mend(old)
		eventually(t, 3*recovery, "the former primary follows the new one", func() error {
			role, err := old.Do("ROLE")
			if err == nil && role[:5] != "slave" {
				err = errors.New(role)
			}
			return err
		})
		awaitExchange(t, h, a, a, b) // not with the former one
		stop()
		old = now
	}
}

func mustCampaign(t *testing.T, conn *redislink.Link) link.Grant {
	t.Helper()
	var grant link.Grant
	eventually(t, recovery, "the lease is had", func() (err error) {
		grant, err = conn.Campaign(t.Context(), 1)
		return err
	})
	return grant
}

// TestSentinelsAreNotNeededMeanwhile stops the sentinels while links are in use, and opens one while there are none.
func TestSentinelsAreNotNeededMeanwhile(t *testing.T) {
	s := servers.StartSentinel(t)
	a, b := open(t, s.URL(), redislink.Options{Holder: "a"}), open(t, s.URL(), redislink.Options{Holder: "b"})
	h := receive(t, b)
	awaitExchange(t, h, a, a, b)
	for _, sentinel := range s.Sentinels {
		sentinel.Kill()
	}
	awaitExchange(t, h, a, a, b)
	late := open(t, s.URL(), redislink.Options{Holder: "late"})
	if _, err := late.Load(t.Context()); err == nil || errors.Is(err, link.ErrNotFound) {
		t.Errorf("Load() = %v without sentinels", err)
	}
	for _, sentinel := range s.Sentinels {
		if err := sentinel.Start(); err != nil {
			t.Fatal(err)
		}
	}
	awaitExchange(t, h, late, late)
}

// TestClusterNodeIsReplaced kills the node that has the document.
func TestClusterNodeIsReplaced(t *testing.T) {
	c := servers.StartRedisCluster(t)
	owner, err := c.Owner(key)
	if err != nil {
		t.Fatal(err)
	}
	replica, err := c.AddReplica(owner)
	if err != nil {
		t.Fatal(err)
	}
	a, b := open(t, c.URL(), redislink.Options{Holder: "a"}), open(t, c.URL(), redislink.Options{Holder: "b"})
	h := receive(t, b)
	awaitExchange(t, h, a, a, b)
	stop := calling(t, a, b)
	owner.Kill()
	began := time.Now()
	eventually(t, 3*recovery, "the replica takes over", func() error {
		_, err := replica.Do("SET", key, "x")
		return err
	})
	elected := time.Now()
	awaitExchange(t, h, a, a, b)
	t.Logf("the replica took over after %v, all worked %v later", elected.Sub(began).Round(time.Millisecond), time.Since(elected).Round(time.Millisecond))
	stop()
}

// TestClusterWithoutReplicaFailsFast kills the node that has the document, which nobody can replace, and starts it again.
func TestClusterWithoutReplicaFailsFast(t *testing.T) {
	for name, c := range map[string]struct {
		break_, mend func(*servers.Redis) error
	}{
		"killed":  {func(r *servers.Redis) error { r.Kill(); return nil }, (*servers.Redis).Start},
		"stopped": {func(r *servers.Redis) error { r.Pause(); return nil }, func(r *servers.Redis) error { r.Resume(); return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := servers.StartRedisCluster(t)
			owner, err := cluster.Owner(key)
			if err != nil {
				t.Fatal(err)
			}
			a, b := open(t, cluster.URL(), redislink.Options{Holder: "a"}), open(t, cluster.URL(), redislink.Options{Holder: "b"})
			h := receive(t, b)
			awaitExchange(t, h, a, a, b)
			if err := c.break_(owner); err != nil {
				t.Fatal(err)
			}
			doc := document(t, "meanwhile")
			slow := 0
			for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
				began := time.Now()
				if err := a.Store(t.Context(), doc); err == nil {
					t.Error("a document was stored although its node is gone")
				}
				if took := time.Since(began); took > longest {
					t.Errorf("Store() took %v", took)
				} else if took > longest/4 {
					slow++
				}
			}
			if slow > 6 {
				t.Errorf("%d calls waited", slow)
			}
			if err := c.mend(owner); err != nil {
				t.Fatal(err)
			}
			if err := cluster.Await(); err != nil {
				t.Fatal(err)
			}
			awaitExchange(t, h, a, a, b)
		})
	}
}
