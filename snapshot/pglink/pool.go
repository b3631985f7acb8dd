package pglink

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// connections is how many calls are under way at the same time.
	connections = 2

	// connectTimeout is how long a connection may take to be made. A call does not wait for it that long: on a slow way
	// the next one has it.
	connectTimeout = 3 * time.Second

	// endTimeout is how long a connection whose statement was given up may take to end.
	endTimeout = time.Second
)

// pooled is a connection that calls take turns with.
type pooled struct {
	*pgx.Conn
	used bool // so that it may have been closed meanwhile
}

// A pool has the connections of the calls. Nothing of it runs while nobody calls.
type pool struct {
	link  *Link
	slots chan struct{} // one for each connection that is there or being made
	idle  chan *pooled
}

func newPool(l *Link) *pool {
	return &pool{link: l, slots: make(chan struct{}, connections), idle: make(chan *pooled, connections)}
}

// get waits for a connection: one that is idle, or one that it makes.
func (p *pool) get(ctx context.Context) (*pooled, error) {
	select {
	case c := <-p.idle:
		return c, nil
	default:
	}
	slots, failed := p.slots, make(chan error, 1)
	for {
		select {
		case c := <-p.idle:
			return c, nil
		case slots <- struct{}{}:
			slots = nil // one is enough
			p.link.running.Go(func() { failed <- p.connect() })
		case err := <-failed:
			if err != nil {
				return nil, err
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// connect makes an idle connection.
func (p *pool) connect() error {
	ctx, cancel := context.WithTimeout(p.link.ctx, connectTimeout)
	defer cancel()
	conn, err := p.link.dialer.connect(ctx, p.link.config)
	if err != nil {
		<-p.slots
		return err
	}
	p.idle <- &pooled{Conn: conn}
	return nil
}

// put takes a connection back.
func (p *pool) put(c *pooled) {
	if c.IsClosed() {
		<-p.slots
		p.link.discard(c.Conn)
		return
	}
	p.idle <- c
}

// close ends the connections. Nobody calls any more.
func (p *pool) close() {
	for {
		select {
		case c := <-p.idle:
			p.link.discard(c.Conn)
		default:
			p.link.running.Wait()
			return
		}
	}
}

// discard ends a connection without waiting for it. A server that hangs does not hold it up for more than endTimeout,
// nor the end of the link at all. It is called while running counts the caller, or by Close alone.
func (l *Link) discard(conn *pgx.Conn) {
	l.running.Go(func() {
		wire := conn.PgConn()
		limit := time.NewTimer(endTimeout)
		defer limit.Stop()
		if !conn.IsClosed() {
			ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
			defer cancel()
			_ = conn.Close(ctx) // says good-bye, and that cannot fail in a way that matters
		}
		select {
		case <-wire.CleanupDone():
			return
		case <-limit.C:
		case <-l.ctx.Done():
		}
		again := time.NewTicker(10 * time.Millisecond)
		defer again.Stop()
		for { // the driver sets a deadline of its own, once
			_ = wire.Conn().SetDeadline(time.Unix(1, 0))
			select {
			case <-wire.CleanupDone():
				return
			case <-again.C:
			}
		}
	})
}
