package pglink

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// hostTimeout is how long one host may take, so that there is time for the next one.
const hostTimeout = 1500 * time.Millisecond

// configure makes the configuration of the link's connections. The server ends a statement that waits for a lock before
// we give it up, so that the connection stays; and one that we have given up.
func configure(given *pgx.ConnConfig, d *dialer, timeout time.Duration) *pgx.ConnConfig {
	config := given.Copy()
	config.DialFunc = d.dial
	config.ConnectTimeout = hostTimeout
	config.Tracer, config.OnNotification = nil, nil
	config.OnPgError = func(_ *pgconn.PgConn, err *pgconn.PgError) bool { return !endsConnection(err) }
	params := config.RuntimeParams
	params["statement_timeout"] = millis(timeout)
	params["lock_timeout"] = millis(timeout * 7 / 10)
	params["default_transaction_isolation"] = "read committed" // an update must see who was faster
	name := params["application_name"]
	if name != "" {
		name += " "
	}
	params["application_name"] = name + "snapshot"
	if _, given := params["synchronous_commit"]; !given {
		params["synchronous_commit"] = "off" // a document that is lost in a crash is a second old
	}
	return config
}

func millis(d time.Duration) string { return strconv.FormatInt(max(1, d.Milliseconds()), 10) }

// A dialer makes the network connections of one link and counts them.
type dialer struct {
	open atomic.Int64
	made atomic.Uint64
}

// connecting marks the contexts of connect.
type connecting struct{}

// connect makes a connection to Postgres.
func (d *dialer) connect(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	return pgx.ConnectConfig(context.WithValue(ctx, connecting{}, true), config)
}

var errNoCancel = errors.New("the server ends the statement by itself")

// dial refuses what was not asked for by connect: for each statement that was given up the driver dials to have it
// cancelled, and on a hung server that takes 15 s, while one that works has a time limit.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if ctx.Value(connecting{}) == nil {
		return nil, errNoCancel
	}
	raw, err := (&net.Dialer{KeepAlive: 5 * time.Second}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.open.Add(1)
	d.made.Add(1)
	return &counted{Conn: raw, dialer: d}, nil
}

// counted is a network connection that is counted until it is closed.
type counted struct {
	net.Conn
	dialer *dialer
	once   sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.dialer.open.Add(-1) })
	return c.Conn.Close()
}
