package redislink

import (
	"context"
	"crypto/tls"
	"errors"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

var errHandshake = errors.New("TLS handshake")

// A dialer makes the connections of one link and knows those that are open: when the link is closed they end at once,
// whatever the client is waiting for.
type dialer struct {
	target  *target
	timeout time.Duration   // of one connection, the TLS handshake included
	ctx     context.Context // ends with the link; nothing is dialed after that

	mute atomic.Uint64 // connections that ended before the server said anything

	mu   sync.Mutex // guards what follows
	open map[*conn]struct{}
	made uint64
}

func newDialer(ctx context.Context, target *target, timeout time.Duration) *dialer {
	return &dialer{target: target, timeout: timeout, ctx: ctx, open: map[*conn]struct{}{}}
}

// conn is a connection the dialer knows of.
type conn struct {
	net.Conn
	dialer   *dialer
	answered atomic.Bool // the server has said something
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.answered.Store(true)
	} else if err != nil && !c.answered.Load() {
		c.dialer.mute.Add(1)
	}
	return n, err
}

func (c *conn) Close() error {
	c.dialer.forget(c)
	return c.Conn.Close()
}

// dial has the signature that rueidis wants; what to dial with is the dialer's own business.
func (d *dialer) dial(ctx context.Context, addr string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	defer context.AfterFunc(d.ctx, cancel)()
	raw, err := d.connect(ctx, addr)
	if err != nil {
		return nil, err
	}
	return d.keep(raw)
}

func (d *dialer) connect(ctx context.Context, addr string) (net.Conn, error) {
	network := "tcp"
	if d.target.socket {
		network = "unix"
	}
	raw, err := (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext(ctx, network, addr)
	if err != nil || d.target.tls == nil {
		return raw, err
	}
	config := d.target.tls.Clone()
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(addr)
	}
	secure := tls.Client(raw, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(errHandshake, err, raw.Close())
	}
	return secure, nil
}

func (d *dialer) keep(raw net.Conn) (net.Conn, error) {
	c := &conn{Conn: raw, dialer: d}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx.Err() != nil {
		return nil, errors.Join(errClosed, raw.Close())
	}
	d.open[c] = struct{}{}
	d.made++
	return c, nil
}

func (d *dialer) forget(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, c)
}

// counts returns how many connections are open, and how many were made.
func (d *dialer) counts() (open int, made uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.open), d.made
}

// closeAll ends all connections. The context has ended before, so that there will be no more.
func (d *dialer) closeAll() {
	d.mu.Lock()
	open := slices.Collect(maps.Keys(d.open))
	d.mu.Unlock()
	for _, c := range open {
		_ = c.Close() // rueidis learns of it by its next read
	}
}
