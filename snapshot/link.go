package snapshot

import (
	"context"
	"errors"
	"time"
)

// A Link connects the processes that show the same document, through Redis or through Postgres: one of them collects,
// all of them show. It keeps the document as a Tier does, says which process collects, and carries news between them.
//
// A link need not be reliable: every call has a deadline, and the processes go on with what they have. Its methods may
// be called at the same time.
//
// Its Store announces the document to the listeners of the other processes. A document older than the one that is kept
// is not stored: ErrFenced. What cannot be a document, or has a revision that lies more than a minute ahead of the clock,
// is overwritten whatever it is: it would keep all later ones out.
type Link interface {
	Tier

	// Campaign takes the lease, or keeps it when this process has it already, and says until when that is certain. The
	// error is a *HeldError when another process has the lease. A candidate of higher rank takes the lease from a
	// holder of lower rank. Any other error means that nothing is known: the link does not work.
	Campaign(ctx context.Context, rank int) (Grant, error)

	// Resign gives the lease up, so that another process has it at once. It does nothing for a process that has none.
	Resign(ctx context.Context) error

	// Listen passes on what other processes publish and ask for, and calls ready each time nothing can be missed from
	// then on. It returns the error that ended it: a lost connection or the context's. Callers begin anew after a pause.
	Listen(ctx context.Context, to Listener) error

	// Tell asks the process that collects to look at the sections of these names, or at all when none is given.
	Tell(ctx context.Context, sections []string) error

	// Close frees the link's connections. Calls under way fail.
	Close()
}

// LeaseTime is how long a grant lasts, by the clock of whoever it was given to and by that of the link's server.
const LeaseTime = 3 * time.Second

// A Grant is a lease that was given.
type Grant struct {
	// Token grows with each change of the holder, so that one who held it earlier can be told from the present one.
	Token uint64

	// Until is when the lease ends unless it is kept, by this process's monotonic clock, reckoned from before it asked.
	Until time.Time
}

// A Listener takes what a Link hears. Its functions return soon; nil ones are not called.
type Listener struct {
	Ready    func()                  // from now on nothing is missed; what came before may have been
	Document func(doc []byte)        // the JSON of a document another process published
	Told     func(sections []string) // what Tell was called with in another process; empty = all sections
}

// HeldError says that another process has the lease.
type HeldError struct{ Holder string }

func (e *HeldError) Error() string { return "the lease is held by " + e.Holder }

// ErrFenced is what Store returns when a process that holds a later lease has stored a newer document: this one no
// longer collects.
var ErrFenced = errors.New("a later holder of the lease has stored a newer document")
