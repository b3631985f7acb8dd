package db

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// endPatience is how long a connection may take to begin or to end.
const endPatience = 3 * time.Second

// link is a network connection to Postgres that hangs nobody.
//
// The driver ends a connection by asking the server to cancel its statement, over another connection, and then waiting up
// to 15 s for the server to hang up; meanwhile the connection keeps its place in the pool. So that a hung server does not
// empty the pool for longer than needed, a link ends by itself: before it is established (which one that cancels never
// is), and once its end has begun.
type link struct {
	net.Conn
	mu    sync.Mutex
	limit time.Time // zero: none
}

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{
		Timeout:         endPatience,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l := &link{Conn: conn}
	l.endSoon()
	return l, nil
}

// lookup bounds the search for a name's addresses, which the driver's connect timeout does not cover.
func lookup(ctx context.Context, host string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, endPatience)
	defer cancel()
	return net.DefaultResolver.LookupHost(ctx, host)
}

// linkOf finds the link under a connection, also under TLS.
func linkOf(conn *pgconn.PgConn) *link {
	under := conn.Conn()
	if tls, ok := under.(interface{ NetConn() net.Conn }); ok {
		under = tls.NetConn()
	}
	l, _ := under.(*link)
	return l
}

// establish lets the link live for as long as both sides want.
func (l *link) establish() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit = time.Time{}
	_ = l.Conn.SetDeadline(time.Time{})
}

// endSoon gives the link endPatience to live.
func (l *link) endSoon() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit = time.Now().Add(endPatience)
	_ = l.Conn.SetDeadline(l.limit)
}

// SetDeadline keeps to the limit. The driver sets a deadline in the future only for the end of a connection.
func (l *link) SetDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Conn.SetDeadline(l.bounded(t))
}

// SetReadDeadline keeps to the limit.
func (l *link) SetReadDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Conn.SetReadDeadline(l.bounded(t))
}

// SetWriteDeadline keeps to the limit.
func (l *link) SetWriteDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Conn.SetWriteDeadline(l.bounded(t))
}

func (l *link) bounded(t time.Time) time.Time {
	if !t.IsZero() {
		if soon := time.Now().Add(endPatience); t.After(soon) {
			t = soon
		}
	}
	if !l.limit.IsZero() && (t.IsZero() || t.After(l.limit)) {
		t = l.limit
	}
	return t
}
