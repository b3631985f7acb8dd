// Package link is the contract between package snapshot and what connects the processes that show one document: package
// redislink through Redis, package pglink through Postgres. Only code that implements another link, or notifies without showing
// anything (see Notifier), needs it.
package link

import (
	"context"
	"errors"
	"time"
)

// DefaultMaxBytes is the size of the largest document unless the options of a Panel and of its links say otherwise.
const DefaultMaxBytes = 128 << 10

// LeaseTime is how long a lease lasts, by the holder's clock and by that of the link's server.
const LeaseTime = 3 * time.Second

var (
	// ErrNotFound is what Load returns when no document is stored.
	ErrNotFound = errors.New("no document is stored")

	// ErrFenced is what Store returns when a process that holds a later lease has stored a newer document: this one no
	// longer leads.
	ErrFenced = errors.New("a later holder of the lease has stored a newer document")

	// ErrForeign is wrapped by every error that says that another fleet uses what this one was given.
	ErrForeign = errors.New("it is used by another fleet: give each fleet a place of its own")
)

// HeldError says that another process has the lease.
type HeldError struct{ Holder string }

func (e *HeldError) Error() string { return "the lease is held by " + e.Holder }

// A Link connects the processes that show the same document: it keeps the document, says which process collects it, and
// carries notifications between them.
//
// A link need not be reliable: every call has a deadline, and the processes go on with what they have. It may fail, hang
// or return garbage. Its methods may be called at the same time.
type Link interface {
	// Name identifies the link in logs, statistics and the Cache-Status header, for example "redis".
	Name() string

	// Load returns the JSON of the newest document that is stored, whatever its age: expiry is decided by the document's
	// own timestamp. ErrNotFound says that there is none.
	Load(ctx context.Context) ([]byte, error)

	// Store keeps the document in place of what was there, and announces it to the listeners of the other processes. A
	// failed Store leaves the old one readable. A document older than the one that is stored is refused: ErrFenced. What
	// cannot be a document, or has a revision that lies more than a minute ahead of the clock, is overwritten whatever it
	// is: it would keep all later ones out.
	Store(ctx context.Context, doc Document) error

	// Campaign takes the lease, or keeps it when this process has it already, and says until when that is certain. The
	// error is a *HeldError when another process has the lease. A candidate of higher rank takes the lease from a
	// holder of lower rank. Any other error means that nothing is known: the link does not work.
	Campaign(ctx context.Context, rank int) (Grant, error)

	// Resign gives the lease up, so that another process has it at once. It does nothing for a process that has none.
	Resign(ctx context.Context) error

	// Listen passes on what other processes publish and ask for, and calls OnReady each time nothing can be missed from
	// then on. It returns the error that ended it: a lost connection or the context's. Callers begin again after a pause.
	Listen(ctx context.Context, to Listener) error

	// Notify asks the leader to collect the sections of these names, or all when none is given.
	Notify(ctx context.Context, sections []string) error

	// Close frees the link's connections. Calls under way fail.
	Close()
}

// A Document is what a link stores. It must not be modified.
type Document struct {
	Revision uint64
	Version  int    // its meta.version
	JSON     []byte // one line
	Gzip     []byte // JSON, gzipped
}

// A Grant is a lease that was given.
type Grant struct {
	// Token grows with each change of the holder, so that an earlier holder can be distinguished from the present one.
	Token uint64

	// Until is when the lease ends unless it is kept, by this process's monotonic clock, measured from before it asked.
	Until time.Time
}

// A Listener takes what a Link receives. Its functions return soon; nil ones are not called.
type Listener struct {
	OnReady    func()                  // from now on nothing is missed; what came before may have been
	OnDocument func(doc []byte)        // the JSON of a document another process published
	OnNotify   func(sections []string) // what Notify was called with in another process; empty = all sections
}
