package redislink_test

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/agentos/agentos/snapshot/link"
	"github.com/agentos/agentos/snapshot/redislink"
	"github.com/agentos/agentos/snapshot/snapshottest"
	"github.com/agentos/agentos/test/servers"
)

// TestMain fails when goroutines are left behind. rueidis' client of a Cluster has some that sleep for up to 5 s and then
// find that it is closed.
func TestMain(m *testing.M) {
	servers.AtOnce(4)
	status := m.Run()
	left := goleak.Find()
	for end := time.Now().Add(10 * time.Second); left != nil && time.Now().Before(end); {
		left = goleak.Find() // tries for a while itself
	}
	if status == 0 && left != nil {
		fmt.Fprintln(os.Stderr, "left behind:", left)
		status = 1
	}
	os.Exit(status)
}

func TestRedisConforms(t *testing.T) {
	redis := servers.StartRedis(t)
	var checks atomic.Int64
	snapshottest.TestLink(t, func(t *testing.T) snapshottest.LinkServer {
		t.Parallel() // each has keys and a way to the server of its own
		key := fmt.Sprint("check-", checks.Add(1))
		proxy := servers.StartProxy(t, redis.Addr)
		return snapshottest.LinkServer{
			Open: func(holder string) link.Link {
				return open(t, redis.URLAt(proxy.Addr), redislink.Options{Holder: holder, Key: key})
			},
			Cut: proxy.Cut, Hang: proxy.Hang, Slow: func(d time.Duration) { proxy.Slow(d / 2) },
			Mend: func() {
				if err := proxy.Mend(); err != nil {
					t.Error(err)
				}
			},
			Plant: func(doc []byte) { plant(t, redis, key, doc) },
		}
	})
}

func plant(t *testing.T, redis *servers.Redis, key string, doc []byte) {
	t.Helper()
	for _, k := range []string{key, key + ":last-good"} {
		if _, err := redis.Do("SET", k, string(doc)); err != nil {
			t.Fatal(err)
		}
	}
}

// group are servers to which the same is done.
type group []*servers.Redis

func (g group) kill() {
	for _, server := range g {
		server.Kill()
	}
}

func (g group) pause() {
	for _, server := range g {
		server.Pause()
	}
}

func (g group) mend(t *testing.T) {
	for _, server := range g {
		server.Resume()
		if err := server.Start(); err != nil {
			t.Error(err)
		}
	}
}

func TestSentinelConforms(t *testing.T) {
	t.Parallel()
	sentinel := servers.StartSentinel(t)
	all := group(append(sentinel.Servers[:], sentinel.Sentinels[:]...))
	snapshottest.TestLink(t, func(t *testing.T) snapshottest.LinkServer {
		primary, err := sentinel.Primary()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := primary.Do("FLUSHALL"); err != nil {
			t.Fatal(err)
		}
		return snapshottest.LinkServer{
			Open: func(holder string) link.Link { return open(t, sentinel.URL(), redislink.Options{Holder: holder}) },
			Cut:  all.kill, Hang: all.pause, Mend: func() { all.mend(t) },
			Plant: func(doc []byte) { plant(t, primary, key, doc) },
		}
	})
}

func TestClusterConforms(t *testing.T) {
	t.Parallel()
	cluster := servers.StartRedisCluster(t)
	all := group(cluster.Servers[:])
	snapshottest.TestLink(t, func(t *testing.T) snapshottest.LinkServer {
		for _, server := range cluster.Servers {
			if _, err := server.Do("FLUSHALL"); err != nil {
				t.Fatal(err)
			}
		}
		return snapshottest.LinkServer{
			Open: func(holder string) link.Link { return open(t, cluster.URL(), redislink.Options{Holder: holder}) },
			Cut:  all.kill, Hang: all.pause,
			Mend: func() {
				all.mend(t)
				if err := cluster.Await(); err != nil {
					t.Error(err)
				}
			},
			Plant: func(doc []byte) {
				for _, k := range []string{key, lastGood} {
					owner, err := cluster.Owner(k)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := owner.Do("SET", k, string(doc)); err != nil {
						t.Fatal(err)
					}
				}
			},
		}
	})
}
