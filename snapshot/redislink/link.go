package redislink

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
	"github.com/sony/gobreaker/v2"

	"github.com/agentos/agentos/snapshot/link"
)

// Options configures a Link.
type Options struct {
	// Holder is the name others see while this process has the lease. Empty = host name and process id.
	Holder string

	// Key is where the document is stored; the other keys and the channels begin with it. Empty = snapshot.
	Key string

	// MaxBytes is the size of the largest document, as snapshot.Options.MaxBytes. Zero = link.DefaultMaxBytes.
	MaxBytes int

	// Fleet names what the document is about, as snapshot.Options.Fleet. While another fleet has the lease or has just stored
	// its document, this link takes part in nothing: its calls fail with link.ErrForeign. Nil = empty, which refuses nothing.
	Fleet func() string

	// TTL is how long the document stays at Key. Zero = 15 s. The last good copy stays 30 days.
	TTL time.Duration

	// Lease is how long a grant lasts unless it is kept. Zero = link.LeaseTime. It must be the same in all processes.
	Lease time.Duration

	// Timeout is the longest that a call takes. Zero = 1 s.
	Timeout time.Duration
}

const lastGoodTTL = 30 * 24 * time.Hour

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
	if o.Fleet == nil {
		o.Fleet = func() string { return "" }
	}
	o.TTL = orDefault(o.TTL, 15*time.Second)
	o.Lease = orDefault(o.Lease, link.LeaseTime)
	o.Timeout = orDefault(o.Timeout, time.Second)
	return o
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// A Link is the link.Link through Redis or Valkey. All methods may be called at the same time. No call takes longer
// than Options.Timeout, whatever the server does; while it does not answer, calls fail at once, and one each second tries
// again. Errors that come from the server say what to do.
type Link struct {
	opts    Options
	target  *target
	id      string // of this Link among all that ever were: a holder that was restarted is another one
	dialer  *dialer
	conns   *connector
	breaker *gobreaker.CircuitBreaker[struct{}]

	token  atomic.Uint64 // of the last grant
	stored atomic.Uint64 // the newest revision that this link stores or has stored
	errs   atomic.Uint64
	last   atomic.Pointer[trouble]

	foreign atomic.Pointer[trouble] // whose lease it is, if another fleet's; as of the last Campaign

	mu    sync.Mutex      // guards end, and calls against being waited for too early
	ctx   context.Context // ends with the link
	end   context.CancelFunc
	calls sync.WaitGroup
}

var _ link.Link = (*Link)(nil)

var errClosed = errors.New("the link is closed")

// trouble is why the last call failed; nil error = it did not.
type trouble struct{ err error }

// Open makes a Link to the server at the URL, in one of the forms above. It fails only for a faulty URL: the server
// need not be there, neither now nor later, and is connected to when it is. The link lives until Close, not only as long
// as ctx.
func Open(ctx context.Context, rawURL string, opts Options) (*Link, error) {
	target, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	opts = opts.withDefaults()
	l := &Link{opts: opts, target: target, id: rand.Text()}
	l.ctx, l.end = context.WithCancel(context.WithoutCancel(ctx))
	l.dialer = newDialer(l.ctx, target, opts.Timeout*9/10) // less than a call, which is to say why there is no connection
	l.conns = newConnector(l.ctx, clientOptions(target, l.dialer, clientName(opts.Holder)))
	l.breaker = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Timeout:      time.Second,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= 2 },
		IsSuccessful: func(err error) bool { return err == nil || answered(err) },
		IsExcluded:   func(err error) bool { return errors.Is(err, context.Canceled) },
	})
	l.last.Store(&trouble{})
	l.foreign.Store(&trouble{})
	return l, nil
}

// clientName is the holder's name as CLIENT LIST shows it, which takes no blanks.
func clientName(holder string) string {
	return "snapshot:" + strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '_'
		}
		return r
	}, holder)
}

// Name returns "redis".
func (l *Link) Name() string { return "redis" }

// Close ends all connections. Calls under way fail, and it waits for them.
func (l *Link) Close() {
	l.mu.Lock()
	l.end()
	l.mu.Unlock()
	l.dialer.closeAll()
	l.calls.Wait()
	l.conns.close()
}

// begin counts a call that Close has to wait for.
func (l *Link) begin() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return errClosed
	}
	l.calls.Add(1)
	return nil
}

// call does something at the server within the deadline, unless the server is known not to answer.
func (l *Link) call(ctx context.Context, op string, do func(ctx context.Context, client rueidis.Client) error) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if err := l.begin(); err != nil {
		return err
	}
	defer l.calls.Done()
	ctx, cancel := context.WithTimeout(ctx, l.opts.Timeout)
	defer cancel()
	_, err := l.breaker.Execute(func() (struct{}, error) { return struct{}{}, l.attempt(ctx, do) })
	switch {
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		l.errs.Add(1)
		if last := l.last.Load().err; last != nil {
			return l.explain(op, last)
		}
		return l.explain(op, err)
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
	return l.explain(op, err)
}

// foreigner is the error of a link whose keys another fleet uses.
func (l *Link) foreigner(holder string) error {
	return fmt.Errorf("%s, where %s leads: %w, a server or a prefix of the keys", l.target, holder, link.ErrForeign)
}

// attempt does it, and again when a connection turns out to have been closed, most likely while it was idle: that is no
// news about the server, unless that closes new ones too. Everything that is done here can be done twice.
func (l *Link) attempt(ctx context.Context, do func(ctx context.Context, client rueidis.Client) error) error {
	client, err := l.conns.get(ctx)
	if err != nil {
		return err
	}
	mute := l.dialer.mute.Load()
	for range connections + 1 { // all may have been closed
		err = do(ctx, client)
		if !isBroken(err) || ctx.Err() != nil || l.dialer.mute.Load() != mute {
			return err
		}
	}
	return err
}

// isOutcome distinguishes errors that are an answer to what was asked from those that say that it could not be asked.
func isOutcome(err error) bool {
	var held *link.HeldError
	return errors.As(err, &held) || errors.Is(err, link.ErrForeign) || errors.Is(err, link.ErrFenced) || errors.Is(err, link.ErrNotFound)
}

// answered reports whether the server is there, though it may have refused. Who is refused on connecting connects again
// each time, which is to be limited like connecting in vain.
func answered(err error) bool {
	if isOutcome(err) {
		return true
	}
	var refused *rueidis.RedisError
	if !errors.As(err, &refused) {
		return false
	}
	for _, text := range []string{"NOAUTH", "WRONGPASS", "max number of clients"} {
		if strings.HasPrefix(refused.Error(), text) {
			return false
		}
	}
	return true
}
