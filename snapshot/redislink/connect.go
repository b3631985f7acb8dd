package redislink

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

const (
	// connections is how many commands of one process are under way at the same time, per server.
	connections = 4

	// pingEvery is how often an idle connection that waits for messages is tried.
	pingEvery = time.Second

	// bufferBytes is what each connection has for reading and writing: rueidis takes 2 x 512 KiB by default.
	bufferBytes = 16 << 10

	// refreshEvery is how often Sentinels and Clusters are asked who is who, for a change that nobody reported.
	refreshEvery = 5 * time.Second
)

// clientOptions is how rueidis is used: one command at a time on each connection, so that each has its own deadline and
// nothing waits behind something else.
func clientOptions(target *target, d *dialer, name string) rueidis.ClientOption {
	option := rueidis.ClientOption{
		InitAddress:           target.addrs,
		Username:              target.user,
		Password:              target.password,
		SelectDB:              target.db,
		ClientName:            name,
		ClientSetInfo:         rueidis.DisableClientSetInfo, // after it, why a server refuses to be connected to is lost
		DialCtxFn:             d.dial,
		TLSConfig:             target.tls, // by which a Cluster's client knows which port of a node to take
		ConnWriteTimeout:      d.timeout,
		DisableAutoPipelining: true,
		DisableCache:          true, // nothing is read twice, and no memory is wanted for it
		DisableRetry:          true, // it would go on beyond the deadline; call tries again where that makes sense
		BlockingPoolSize:      connections,
		BlockingPoolMinSize:   1,
		BlockingPoolCleanup:   30 * time.Second,
		PipelineMultiplex:     -1, // one connection for messages
		RingScaleEachConn:     6,
		ReadBufferEachConn:    bufferBytes,
		WriteBufferEachConn:   bufferBytes,
		ForceSingleClient:     target.mode == standalone,
	}
	option.Dialer.Timeout, option.Dialer.KeepAlive = d.timeout, pingEvery // KeepAlive is the pace of pings
	option.ClusterOption.MaxMovedRedirections = 3
	option.ClusterOption.ShardsRefreshInterval = refreshEvery
	if target.mode == sentinel {
		option.Sentinel = rueidis.SentinelOption{
			MasterSet: target.master, Username: target.sentinelUser, Password: target.sentinelPassword,
			ClientName: name, Dialer: option.Dialer, TLSConfig: target.tls,
			TopologyRefreshInterval: refreshEvery,
		}
	}
	return option
}

// A connector has the client as soon as there is one. rueidis makes clients only while their servers are there: for a
// Sentinel or a Cluster the connector tries again until it works.
type connector struct {
	option rueidis.ClientOption
	tried  chan struct{} // closed when the first attempt is over
	done   chan struct{} // closed when no more attempts are made

	mu     sync.Mutex // guards what follows
	client rueidis.Client
	err    error // why there is no client
}

// newConnector begins to connect, until ctx ends.
func newConnector(ctx context.Context, option rueidis.ClientOption) *connector {
	c := &connector{option: option, tried: make(chan struct{}), done: make(chan struct{})}
	if option.ForceSingleClient {
		c.client, c.err = unconnected(option)
		close(c.tried)
		close(c.done)
		return c
	}
	go c.run(ctx)
	return c
}

// unconnected makes the client of a single server, for which rueidis needs no connection, though it tries to make one:
// waiting for that is of no use.
func unconnected(option rueidis.ClientOption) (rueidis.Client, error) {
	var (
		dial     = option.DialCtxFn
		later    = errors.New("later")
		unneeded = true
	)
	option.DialCtxFn = func(ctx context.Context, addr string, d *net.Dialer, config *tls.Config) (net.Conn, error) {
		if unneeded {
			return nil, later
		}
		return dial(ctx, addr, d, config)
	}
	client, err := rueidis.NewClient(option)
	unneeded = false // before the client is anybody's
	if errors.Is(err, later) {
		err = nil
	}
	return client, err
}

func (c *connector) run(ctx context.Context) {
	defer close(c.done)
	first := sync.OnceFunc(func() { close(c.tried) })
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		client, err := rueidis.NewClient(c.option)
		c.mu.Lock()
		c.client, c.err = client, err
		c.mu.Unlock()
		first()
		if err == nil {
			return
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// get returns the client, or why there is none. It waits for the first attempt only.
func (c *connector) get(ctx context.Context) (rueidis.Client, error) {
	select {
	case <-c.tried:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.client, c.err
}

// close ends the client. The dialer is closed before, so that nothing has to be waited for.
func (c *connector) close() {
	<-c.done
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.client.Close()
	}
	c.err = errClosed
}
