package server

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// NewHTTP returns the server of a handler, with a deadline for whoever is slow to ask or to read.
func NewHTTP(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute,
		WriteTimeout:   time.Minute, // streams set their own, for each write
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// Connections bounds how many connections a server holds, so that browsers and whoever else connects cannot take the open files
// that its database and its agents need. When there are too many, one that is idle makes room; if none is, the new one is
// answered with 503, and beyond some of those it is closed.
type Connections struct {
	most    int
	log     *slog.Logger
	refused atomic.Uint64

	mu     sync.Mutex
	open   map[net.Conn]*connection
	warned time.Time
}

type connection struct {
	idle   time.Time // since when; zero: it has a request under way
	refuse bool      // there was no room for it
}

const (
	// spare is how many connections beyond the bound are answered with 503 at a time, instead of being closed.
	spare = 16
	// firstRequestIn is how long a new connection may take to send its first request before it counts as idle.
	firstRequestIn = 2 * time.Second
	// warnEvery is how often a server says that it refuses connections.
	warnEvery = time.Minute
)

// NewConnections bounds the connections of one http.Server: see Bound.
func NewConnections(most int, log *slog.Logger) *Connections {
	return &Connections{most: most, log: log, open: map[net.Conn]*connection{}}
}

// Bound sets up a server that does not run yet.
func (c *Connections) Bound(web *http.Server) {
	web.ConnContext, web.ConnState, web.Handler = c.begin, c.changed, c.refusing(web.Handler)
}

// Refused returns how many connections found no room since the start: those answered with 503 and those closed.
func (c *Connections) Refused() uint64 { return c.refused.Load() }

type connectionKey struct{}

// begin is called for each new connection, before anything is read from it.
func (c *Connections) begin(ctx context.Context, conn net.Conn) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	one := &connection{idle: now.Add(firstRequestIn)}
	if len(c.open) >= c.most {
		longest := c.longestIdle(now)
		switch {
		case longest != nil:
			delete(c.open, longest)
			go func() { _ = longest.Close() }() // TLS says goodbye, which may take time
		case len(c.open) < c.most+spare:
			one.refuse = true
		default:
			go func() { _ = conn.Close() }()
		}
		if longest == nil {
			c.refused.Add(1)
		}
		if longest == nil && now.Sub(c.warned) > warnEvery {
			c.warned = now
			c.log.Warn("too many connections: new ones are refused", "most", c.most, "advice", "raise the limit of open files (LimitNOFILE), or add a server")
		}
	}
	c.open[conn] = one
	return context.WithValue(ctx, connectionKey{}, one)
}

// longestIdle returns the connection that has been idle for longest; nil when none is.
func (c *Connections) longestIdle(now time.Time) (longest net.Conn) {
	since := now
	for conn, one := range c.open {
		if !one.idle.IsZero() && one.idle.Before(since) {
			longest, since = conn, one.idle
		}
	}
	return longest
}

func (c *Connections) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.open[conn]
	if one == nil {
		return // it made room
	}
	switch state {
	case http.StateActive:
		one.idle = time.Time{}
	case http.StateIdle:
		one.idle = time.Now()
	case http.StateClosed, http.StateHijacked:
		delete(c.open, conn)
	}
}

// refusing answers the requests of connections for which there was no room.
func (c *Connections) refusing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if one, ok := r.Context().Value(connectionKey{}).(*connection); ok && one.refuse {
			w.Header().Set("Connection", "close")
			w.Header().Set("Retry-After", "5")
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("X-Content-Type-Options", "nosniff")
			http.Error(w, "This server has as many connections as it can hold. Try again in a moment.", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}
