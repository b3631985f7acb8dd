package redislink_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agentos/agentos/snapshot/link"
	"github.com/agentos/agentos/snapshot/redislink"
	"github.com/agentos/agentos/test/servers"
)

// TestOpenNeedsNoServer opens links before their servers are there.
func TestOpenNeedsNoServer(t *testing.T) {
	redis := servers.StartRedis(t)
	proxy := servers.StartProxy(t, redis.Addr)
	for name, c := range map[string]struct {
		url  string
		hung bool
	}{
		"refused": {redis.URLAt(proxy.Addr), false}, "hung": {redis.URLAt(proxy.Addr), true},
		"no Sentinel": {"redis-sentinel://" + proxy.Addr + "?master=m", false}, "hung Sentinel": {"redis-sentinel://" + proxy.Addr + "?master=m", true},
		"no Cluster": {"redis-cluster://" + proxy.Addr, false}, "hung Cluster": {"redis-cluster://" + proxy.Addr, true},
	} {
		if proxy.Cut(); c.hung {
			if err := proxy.Mend(); err != nil {
				t.Fatal(err)
			}
			proxy.Hang()
		}
		began := time.Now()
		conn := open(t, c.url, redislink.Options{})
		if took := time.Since(began); took > longest/4 {
			t.Errorf("%s: Open() took %v", name, took)
		}
		began = time.Now()
		if _, err := conn.Load(t.Context()); err == nil || errors.Is(err, link.ErrNotFound) {
			t.Errorf("%s: Load() = %v", name, err)
		}
		if took := time.Since(began); took > longest {
			t.Errorf("%s: Load() took %v", name, took)
		}
		began = time.Now()
		conn.Close()
		if took := time.Since(began); took > longest {
			t.Errorf("%s: Close() took %v", name, took)
		}
	}
	if err := proxy.Mend(); err != nil {
		t.Fatal(err)
	}
	conn := open(t, redis.URLAt(proxy.Addr), redislink.Options{})
	awaitExchange(t, receive(t, open(t, redis.URL(), redislink.Options{})), conn, conn)
}

// TestHungServerPilesNothingUp has hundreds of callers at a server that does not answer.
func TestHungServerPilesNothingUp(t *testing.T) {
	redis := servers.StartRedis(t)
	a, b := open(t, redis.URL(), redislink.Options{}), open(t, redis.URL(), redislink.Options{})
	awaitExchange(t, receive(t, b), a, a)
	goroutines := runtime.NumGoroutine()
	redis.Pause()
	var running sync.WaitGroup
	for range 300 {
		running.Go(func() {
			for range 3 {
				began := time.Now()
				if _, err := a.Load(t.Context()); err == nil {
					t.Error("a paused server answers")
				}
				if took := time.Since(began); took > longest {
					t.Errorf("Load() took %v", took)
				}
			}
		})
	}
	running.Wait()
	if s := a.Stats(); !s.Open || s.Connections > 10 {
		t.Errorf("%+v", s)
	}
	began := time.Now()
	for range 1000 {
		if _, err := a.Load(t.Context()); err == nil {
			t.Error("a paused server answers")
		}
	}
	if took := time.Since(began); took > 2*longest { // one of them, perhaps, tries
		t.Errorf("1000 calls took %v", took)
	}
	redis.Resume()
	eventually(t, recovery, "all is as it was", func() error {
		if _, err := a.Load(t.Context()); err != nil {
			return err
		}
		if now := runtime.NumGoroutine(); now > goroutines {
			return fmt.Errorf("%d goroutines, there were %d", now, goroutines)
		}
		return nil
	})
}

func TestCloseDoesNotWaitForTheServer(t *testing.T) {
	redis := servers.StartRedis(t)
	conn := open(t, redis.URL(), redislink.Options{})
	receive(t, conn)
	redis.Pause()
	defer redis.Resume()
	ended := make(chan error, 1)
	go func() { ended <- conn.Store(t.Context(), document(t, "x")) }()
	eventually(t, recovery, "the call is under way", func() error {
		if conn.Stats().Connections < 2 {
			return errors.New("it is not")
		}
		return nil
	})
	began := time.Now()
	conn.Close()
	if took := time.Since(began); took > longest/4 {
		t.Errorf("Close() took %v", took)
	}
	if err := <-ended; err == nil {
		t.Error("Store() = nil at a paused server")
	}
	if s := conn.Stats(); s.Connections != 0 {
		t.Errorf("%d connections are open after Close", s.Connections)
	}
}

// TestConnectionsClosedWhileIdleCostNothing has the server close connections as it does by its timeout.
func TestConnectionsClosedWhileIdleCostNothing(t *testing.T) {
	redis := servers.StartRedis(t)
	conn := open(t, redis.URL(), redislink.Options{})
	for range 5 {
		var running sync.WaitGroup
		for range 4 { // one for each connection
			running.Go(func() {
				if err := conn.Notify(t.Context(), nil); err != nil {
					t.Errorf("Notify() = %v", err)
				}
			})
		}
		running.Wait()
		do(t, redis, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	}
	if s := conn.Stats(); s.Errors != 0 {
		t.Errorf("errors were counted: %+v", s)
	}
}

func TestLinkIsKnownByItsHolder(t *testing.T) {
	redis := servers.StartRedis(t)
	conn := open(t, redis.URL(), redislink.Options{Holder: "host 1:ü"})
	mustCampaign(t, conn)
	if got := do(t, redis, "CLIENT", "LIST"); !strings.Contains(got, "name=snapshot:host_1:_") {
		t.Errorf("the connection has no name: %s", got)
	}
	if got := do(t, redis, "HGET", lease, "holder"); got != "host 1:ü" {
		t.Errorf("the lease names %q", got)
	}
}
