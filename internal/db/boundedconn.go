package db

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// endTimeout is how long a connection may take to begin or to end.
const endTimeout = 3 * time.Second

// boundedConn is a network connection to Postgres that nobody waits for without end.
//
// The driver ends a connection by asking the server to cancel its statement, over another connection, and then waiting up
// to 15 s for the server to hang up; meanwhile the connection keeps its place in the pool. So that a hung server does not
// empty the pool for longer than needed, it ends by itself: before it is established (which one that cancels never
// is), and once its end has begun.
type boundedConn struct {
	net.Conn
	mu    sync.Mutex
	limit time.Time // zero: none
}

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{
		Timeout:         endTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &boundedConn{Conn: conn}
	c.endSoon()
	return c, nil
}

// lookup bounds the search for a name's addresses, which the driver's connect timeout does not cover.
func lookup(ctx context.Context, host string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	return net.DefaultResolver.LookupHost(ctx, host)
}

// boundedOf finds the boundedConn under a connection, also under TLS.
func boundedOf(conn *pgconn.PgConn) *boundedConn {
	under := conn.Conn()
	if tls, ok := under.(interface{ NetConn() net.Conn }); ok {
		under = tls.NetConn()
	}
	c, _ := under.(*boundedConn)
	return c
}

// establish lets the connection live for as long as both sides want.
func (c *boundedConn) establish() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = time.Time{}
	_ = c.Conn.SetDeadline(time.Time{})
}

// endSoon gives the connection endTimeout to live.
func (c *boundedConn) endSoon() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = time.Now().Add(endTimeout)
	_ = c.Conn.SetDeadline(c.limit)
}

// SetDeadline keeps to the limit. The driver sets a deadline in the future only for the end of a connection.
func (c *boundedConn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Conn.SetDeadline(c.bounded(t))
}

// SetReadDeadline keeps to the limit.
func (c *boundedConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Conn.SetReadDeadline(c.bounded(t))
}

// SetWriteDeadline keeps to the limit.
func (c *boundedConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Conn.SetWriteDeadline(c.bounded(t))
}

func (c *boundedConn) bounded(t time.Time) time.Time {
	if !t.IsZero() {
		if soon := time.Now().Add(endTimeout); t.After(soon) {
			t = soon
		}
	}
	if !c.limit.IsZero() && (t.IsZero() || t.After(c.limit)) {
		t = c.limit
	}
	return t
}
