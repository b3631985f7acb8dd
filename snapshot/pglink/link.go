package pglink

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/sony/gobreaker/v2"

	"github.com/agentos/agentos/snapshot/link"
)

// Options configures a Link.
type Options struct {
	// Holder is the name others see while this process has the lease. Empty = host name and process id.
	Holder string

	// Key names the document, which has a row of its own. Empty = snapshot.
	Key string

	// MaxBytes is the size of the largest document, as snapshot.Options.MaxBytes. Zero = link.DefaultMaxBytes.
	MaxBytes int

	// Lease is how long a grant lasts unless it is kept. Zero = link.LeaseTime. It must be the same in all processes.
	Lease time.Duration

	// Timeout is the longest that a call takes. Zero = 1 s.
	Timeout time.Duration
}

func (o Options) withDefaults() Options {
	if o.Holder == "" {
		host, _ := os.Hostname()
		o.Holder = fmt.Sprintf("%s:%d", host, os.Getpid())
	}
	if o.Key == "" {
		o.Key = "snapshot"
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = link.DefaultMaxBytes
	}
	if o.Lease <= 0 {
		o.Lease = link.LeaseTime
	}
	if o.Timeout <= 0 {
		o.Timeout = time.Second
	}
	return o
}

// A Link is the link.Link through Postgres. All methods may be called at the same time. No call takes longer than
// Options.Timeout, whatever the server does; while calls fail, they fail at once, and one each second tries again.
type Link struct {
	opts    Options
	id      string // of this Link among all that ever were: a holder that was restarted is another one
	config  *pgx.ConnConfig
	dialer  *dialer
	pool    *pool
	breaker *gobreaker.CircuitBreaker[struct{}]

	token atomic.Int64 // of the last grant
	errs  atomic.Uint64
	last  atomic.Pointer[trouble]

	ctx context.Context // ends with the link
	end context.CancelFunc

	mu      sync.Mutex // guards closed, and running against being waited for too early
	closed  bool
	running sync.WaitGroup // calls, and what they leave to be done
}

var _ link.Link = (*Link)(nil)

// trouble is why the last call failed; nil error = it did not.
type trouble struct{ err error }

var errClosed = errors.New("the link is closed")

// Open makes a Link to the server of the configuration, of which it takes the host, TLS and whom to connect as; it has
// timeouts and a dialer of its own. The server need not be there, neither now nor later, and is connected to when it is.
// The link lives until Close, not only as long as ctx.
func Open(ctx context.Context, config *pgx.ConnConfig, opts Options) *Link {
	l := &Link{opts: opts.withDefaults(), id: rand.Text(), dialer: &dialer{}}
	l.ctx, l.end = context.WithCancel(context.WithoutCancel(ctx))
	l.config = configure(config, l.dialer, l.opts.Timeout)
	l.pool = newPool(l)
	l.breaker = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Timeout:      time.Second,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= 2 },
		IsSuccessful: func(err error) bool { return err == nil || isOutcome(err) },
		IsExcluded:   func(err error) bool { return errors.Is(err, context.Canceled) },
	})
	l.last.Store(&trouble{})
	return l
}

// Name returns "postgres".
func (l *Link) Name() string { return "postgres" }

// Close ends all connections. Calls under way fail, and it waits for them.
func (l *Link) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.end()
	l.running.Wait()
	l.pool.close()
}

// begin counts a call that Close has to wait for.
func (l *Link) begin() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errClosed
	}
	l.running.Add(1)
	return nil
}

// call does something at the server within the deadline, unless the server is known not to do it.
func (l *Link) call(ctx context.Context, op string, do func(ctx context.Context, conn *pgx.Conn) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := l.begin(); err != nil {
		return err
	}
	defer l.running.Done()
	ctx, cancel := l.bound(ctx, l.opts.Timeout)
	defer cancel()
	_, err := l.breaker.Execute(func() (struct{}, error) { return struct{}{}, l.attempt(ctx, do) })
	switch {
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		l.errs.Add(1)
		if last := l.last.Load().err; last != nil {
			err = last
		}
		return explain(op, l.config, err)
	case err == nil, isOutcome(err):
		l.last.Store(&trouble{})
		return err
	case l.ctx.Err() != nil:
		return errClosed
	case errors.Is(err, context.Canceled):
		return err
	}
	l.errs.Add(1)
	l.last.Store(&trouble{err})
	return explain(op, l.config, err)
}

// attempt does it, and again when a connection turns out to have been closed while it was idle: that is no news about
// the server. Everything that is done here can be done twice.
func (l *Link) attempt(ctx context.Context, do func(ctx context.Context, conn *pgx.Conn) error) error {
	for {
		c, err := l.pool.get(ctx)
		if err != nil {
			return err
		}
		idled := c.used
		c.used = true
		err = do(ctx, c.Conn)
		stale := idled && err != nil && c.IsClosed() && ctx.Err() == nil
		l.pool.put(c)
		if !stale { // and a new connection is not
			return err
		}
	}
}

// bound ends a context after d and with the link.
func (l *Link) bound(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, d)
	stop := context.AfterFunc(l.ctx, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// isOutcome distinguishes errors that are an answer to what was asked from those that say that it could not be asked.
func isOutcome(err error) bool {
	var held *link.HeldError
	return errors.As(err, &held) || errors.Is(err, link.ErrFenced) || errors.Is(err, link.ErrNotFound)
}
