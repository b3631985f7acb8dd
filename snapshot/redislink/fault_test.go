package redislink_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agentos/agentos/snapshot/link"
	"github.com/agentos/agentos/snapshot/redislink"
	"github.com/agentos/agentos/test/servers"
)

// A place is a server, the way to it, and what breaks them.
type place struct {
	redis *servers.Redis
	proxy *servers.Proxy
	admin *rawConn // straight to the server, as long as that lives
}

// A fault is broken, then mended.
type fault struct {
	name   string
	break_ func(t *testing.T, p *place) (mend func())
	says   string // what errors say meanwhile
	reads  bool   // whether Load works meanwhile
	direct bool   // without the proxy, which loses a refusal that the server sends before it was asked anything
}

func mendProxy(t *testing.T, p *place) func() {
	return func() {
		if err := p.proxy.Mend(); err != nil {
			t.Error(err)
		}
	}
}

func restart(t *testing.T, p *place) func() {
	return func() {
		if err := p.redis.Start(); err != nil {
			t.Error(err)
		}
	}
}

// dropClients ends all connections but the one that asks.
func (p *place) dropClients() {
	p.admin.do("CLIENT KILL TYPE normal SKIPME yes")
	p.admin.do("CLIENT KILL TYPE pubsub")
}

// later sends a command that takes long, and waits until the server says what it says meanwhile.
func (p *place) later(t *testing.T, meanwhile string, args ...string) (wait func()) {
	t.Helper()
	var running sync.WaitGroup
	running.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		_, _ = p.redis.DoContext(ctx, args...)
	})
	eventually(t, recovery, "the server says "+meanwhile, func() error {
		if _, err := p.redis.Do("GET", key); err == nil || !strings.Contains(err.Error(), meanwhile) {
			return errors.New("it does not")
		}
		return nil
	})
	return running.Wait
}

var faults = []fault{
	{name: "refused", says: "connection refused", break_: func(t *testing.T, p *place) func() {
		p.proxy.Cut()
		return mendProxy(t, p)
	}},
	{name: "crashed", says: "connection", break_: func(t *testing.T, p *place) func() {
		p.redis.Kill()
		return restart(t, p)
	}},
	{name: "stopped", says: "no answer in time", break_: func(_ *testing.T, p *place) func() {
		p.redis.Pause()
		return p.redis.Resume
	}},
	{name: "hung", says: "no answer in time", break_: func(t *testing.T, p *place) func() {
		p.proxy.Hang()
		return mendProxy(t, p)
	}},
	{name: "slow", says: "no answer in time", break_: func(t *testing.T, p *place) func() {
		p.proxy.Slow(700 * time.Millisecond) // each way
		return mendProxy(t, p)
	}},
	{name: "read-only", says: "this is a replica", reads: true, break_: func(t *testing.T, p *place) func() {
		do(t, p.redis, "REPLICAOF", "127.0.0.1", "1")
		return func() { do(t, p.redis, "REPLICAOF", "NO", "ONE") }
	}},
	{name: "out of memory", says: "raise maxmemory", reads: true, break_: func(t *testing.T, p *place) func() {
		do(t, p.redis, "CONFIG", "SET", "maxmemory", "1mb", "maxmemory-policy", "noeviction")
		do(t, p.redis, "CONFIG", "SET", "maxmemory", "100kb") // what an empty server needs is more than that
		return func() { do(t, p.redis, "CONFIG", "SET", "maxmemory", "0") }
	}},
	{name: "out of connections", direct: true, says: "raise maxclients", break_: func(_ *testing.T, p *place) func() {
		p.admin.do("CONFIG SET maxclients 1")
		p.dropClients()
		return func() { p.admin.do("CONFIG SET maxclients 1000") }
	}},
	{name: "wants a password", says: "the server wants a password", break_: func(_ *testing.T, p *place) func() {
		p.admin.do("CONFIG SET requirepass x")
		p.dropClients()
		return func() { p.admin.do(`CONFIG SET requirepass ""`) }
	}},
	{name: "loading", says: "LOADING", break_: func(t *testing.T, p *place) func() {
		do(t, p.redis, "DEBUG", "POPULATE", "8000")
		do(t, p.redis, "CONFIG", "SET", "key-load-delay", "500", "loading-process-events-interval-bytes", "1024")
		return p.later(t, "LOADING", "DEBUG", "RELOAD")
	}},
	{name: "busy", says: "a script blocks the server", break_: func(t *testing.T, p *place) func() {
		do(t, p.redis, "CONFIG", "SET", "busy-reply-threshold", "50")
		wait := p.later(t, "BUSY", "EVAL", "while true do end", "0")
		return func() {
			do(t, p.redis, "SCRIPT", "KILL")
			wait()
		}
	}},
}

// TestLinkSurvives breaks a server in each way while two processes use it, looks at the results of calls, mends it and looks
// whether all is as before.
func TestLinkSurvives(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			redis := servers.StartRedis(t)
			p := &place{redis: redis, proxy: servers.StartProxy(t, redis.Addr), admin: dialRaw(t, redis.Addr)}
			url := redis.URLAt(p.proxy.Addr)
			if f.direct {
				url = redis.URL()
			}
			a, b := open(t, url, redislink.Options{Holder: "a"}), open(t, url, redislink.Options{Holder: "b"})
			h := receive(t, b)
			awaitExchange(t, h, a, a, b)
			before, err := clients(redis)
			if err != nil {
				t.Fatal(err)
			}

			mend := f.break_(t, p)
			began := a.Stats()
			suffer(t, f, a, 3*time.Second)
			during := a.Stats()
			if during.Errors == began.Errors || during.Error == "" && !f.reads { // else the last call may have worked
				t.Errorf("the statistics say nothing: %+v", during)
			}
			if made := during.Connects - began.Connects; made > 20 || during.Connections > before {
				t.Errorf("%d connections were made meanwhile, %d are open", made, during.Connections)
			}
			mend()
			mended := time.Now()
			awaitExchange(t, h, a, a, b)
			awaitExchange(t, h, a, b, a)
			t.Logf("all works %v after the end of the fault", time.Since(mended).Round(time.Millisecond))
			eventually(t, recovery, "connections are as before", func() error {
				after, err := clients(redis)
				if err == nil && after > before {
					err = errors.New("there are more")
				}
				return err
			})
			if s := a.Stats(); s.Open || s.Error != "" || s.Connections > before {
				t.Errorf("after the fault: %+v", s)
			}
		})
	}
}

// suffer calls while the fault lasts. No call takes longer than the timeout; after two that did, only one each second does.
func suffer(t *testing.T, f fault, conn *redislink.Link, lasts time.Duration) {
	t.Helper()
	doc := document(t, "meanwhile")
	calls := []struct {
		name  string
		works bool
		do    func() error
	}{
		{"Store", false, func() error { return conn.Store(t.Context(), doc) }},
		{"Load", f.reads, func() error { _, err := conn.Load(t.Context()); return err }},
		{"Campaign", false, func() error { _, err := conn.Campaign(t.Context(), 1); return err }},
	}
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	slow, said := 0, false
	for i, end := 0, time.Now().Add(lasts); time.Now().Before(end); i++ {
		call := calls[i%len(calls)]
		began := time.Now()
		err := call.do()
		took := time.Since(began)
		if took > longest {
			t.Errorf("%s() took %v", call.name, took)
		}
		if took > longest/4 {
			slow++
		}
		if (err == nil) != call.works || errors.As(err, new(*link.HeldError)) || errors.Is(err, link.ErrFenced) ||
			errors.Is(err, link.ErrNotFound) {
			t.Errorf("%s() = %v meanwhile", call.name, err)
		}
		said = said || err != nil && strings.Contains(err.Error(), f.says)
		<-ticker.C
	}
	if limit := 3 + int(lasts/time.Second); slow > limit {
		t.Errorf("%d calls waited, want %d at most", slow, limit)
	}
	if !said {
		t.Errorf("no error said %q; the last one: %v", f.says, conn.Stats().Error)
	}
}
