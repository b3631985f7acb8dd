// Package auth knows who may do what: users with passwords, browser sessions, API tokens, and the audit log.
//
// Everything is stored in the database, secrets only as hashes. A running server answers from memory: all live
// credentials are in an immutable map behind an atomic pointer, so that authenticating a request takes no lock and no
// query. Service.Run compares one number in the database every second and reloads the map when it moved; that is how
// changes made by another process (the command line, another server) take effect within 2 s.
package auth

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"github.com/agentos/agentos/internal/db"
)

// Lines in the log about failed sign-ins: more at once than an address has free attempts.
const (
	failuresPerSecond = 10
	failuresAtOnce    = 100
)

// Options configure a Service. The zero value is right for production over plain HTTP on loopback.
type Options struct {
	Log            *slog.Logger  // nil: discard
	SessionIdle    time.Duration // a session unused for so long ends; zero: 7 days
	SessionMax     time.Duration // a session ends after this in any case; zero: 30 days
	RefreshEvery   time.Duration // pace of looking for changes; zero: 1 s
	AuditRetention time.Duration // older audit entries are deleted; zero: 90 days
	AuditRows      int           // of each class at most; zero: 500,000
	HashMemoryKiB  uint32        // memory of one password hash; zero: 64 MiB

	// File is where the live credentials are remembered, as hashes, so that a server which starts while the database does
	// not answer lets in whom it let in before; empty: nowhere. What was revoked since counts again once the database
	// answers.
	File string
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.SessionIdle == 0 {
		o.SessionIdle = 7 * 24 * time.Hour
	}
	if o.SessionMax == 0 {
		o.SessionMax = 30 * 24 * time.Hour
	}
	if o.RefreshEvery == 0 {
		o.RefreshEvery = time.Second
	}
	if o.AuditRetention == 0 {
		o.AuditRetention = 90 * 24 * time.Hour
	}
	if o.AuditRows == 0 {
		o.AuditRows = 500_000
	}
	if o.HashMemoryKiB == 0 {
		o.HashMemoryKiB = 64 << 10
	}
	return o
}

// Service is safe for concurrent use.
type Service struct {
	db     *db.DB
	opts   Options
	log    *slog.Logger
	hasher *hasher
	logins *loginLimit

	known atomic.Pointer[knownSet] // never nil; what it points to is never changed
	down  atomic.Bool              // the database did not answer the last time Open or Run asked it

	fleet   atomic.Pointer[string]      // its id; nil until read from the database or Options.File
	cookies atomic.Pointer[cookieNames] // never nil

	loading  chan struct{} // held while reading rows that will be published; see refresh.go
	publish  sync.Mutex    // held while replacing known and closing the principals that left
	writing  sync.Mutex    // held while writing Options.File
	storing  sync.Mutex    // held while storing sums
	tally    *tally
	flight   singleflight.Group
	misses   *rate.Limiter
	rejected *rejections
	failures *rate.Limiter // of lines in the log about sign-ins
	unlogged atomic.Int64  // that it kept out
	first    *firstAdmin   // of EnsureAdmin, until its outcome is known
}

// Open prepares a Service and loads all live credentials. A database that does not answer is not an error: until it does,
// every credential that Options.File does not name is unknown (ErrUnavailable), and Run keeps trying.
func Open(ctx context.Context, database *db.DB, opts Options) (*Service, error) {
	if database == nil {
		return nil, errors.New("open accounts: no database given")
	}
	opts = opts.withDefaults()
	s := &Service{
		db:       database,
		opts:     opts,
		log:      opts.Log,
		hasher:   newHasher(opts.HashMemoryKiB),
		logins:   newLoginLimit(),
		loading:  make(chan struct{}, 1),
		misses:   rate.NewLimiter(missesPerSecond, missesPerSecond),
		rejected: newRejections(),
		tally:    newTally(),
		failures: rate.NewLimiter(failuresPerSecond, failuresAtOnce),
	}
	s.known.Store(&knownSet{change: -1})
	s.cookies.Store(cookieNamesOf(""))
	if err := s.refresh(ctx); err != nil {
		s.down.Store(true)
		s.log.Warn("accounts could not be loaded; retrying every second", "error", err)
		if err := s.recall(time.Now()); err != nil {
			s.log.Warn("nobody is let in until the database answers", "error", err)
		}
	}
	return s, nil
}

// Fleet returns which fleet this is, the same for all its processes; empty until it is read from the database or the remembered file.
func (s *Service) Fleet() string {
	if id := s.fleet.Load(); id != nil {
		return *id
	}
	return ""
}

// setFleet notes which fleet this is, by which its cookies are named.
func (s *Service) setFleet(id string) {
	s.fleet.Store(&id)
	s.cookies.Store(cookieNamesOf(id))
}

// Loaded reports whether the live credentials were read from the database since Open.
func (s *Service) Loaded() bool { return s.known.Load().change >= 0 }

// Admits reports whether this service can let in whom it should: it has read the live credentials, or knows some of them from
// elsewhere. Before, all it can do while the database does not answer is to turn everybody away.
func (s *Service) Admits() bool { return s.Loaded() || len(s.known.Load().principals) > 0 }
