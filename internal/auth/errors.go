package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/agentos/agentos/internal/db"
)

// The kinds of failure. Callers compare with errors.Is.
var (
	// ErrNoCredential: the request carries no credential, or one that is malformed, expired, revoked or never existed.
	ErrNoCredential = errors.New("no valid credential")
	// ErrUnavailable: the database did not answer, and without it the question cannot be decided.
	ErrUnavailable = errors.New("accounts are unavailable")
	// ErrBadCredentials: invalid username or password. It never says which of them is wrong.
	ErrBadCredentials = errors.New("wrong name or password")
	// ErrNoAccounts: nobody can log in, because no user exists yet. On the first start that lasts a moment.
	ErrNoAccounts = errors.New("there is no account yet")
	// ErrNotASession: only a person who signed in may do this, not a token.
	ErrNotASession = errors.New("a token has no password: sign in in a browser to change yours")
	// ErrNotFound: no such user or token.
	ErrNotFound = errors.New("not found")
	// ErrConflict is wrapped by errors whose text says what stands in the way.
	ErrConflict = errors.New("conflict")
)

// RateLimitedError says when a retry makes sense.
type RateLimitedError struct {
	RetryAfter time.Duration
}

func (e *RateLimitedError) Error() string {
	return fmt.Sprintf("too many attempts: try again in %s", e.RetryAfter.Round(time.Second))
}

// InvalidError says what is wrong with a value given by the caller, and how to write it.
type InvalidError struct {
	Text string
}

func (e *InvalidError) Error() string { return e.Text }

// unavailable keeps the cause for the operator and the kind for the caller. A failure that is no outage, such as a table
// that is missing, has no kind.
func unavailable(did string, err error) error {
	if !db.Temporary(err) && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", did, db.Wrap(err))
	}
	return fmt.Errorf("%w: %s: %w", ErrUnavailable, did, db.Wrap(err))
}

func conflict(text string) error {
	return fmt.Errorf("%w: %s", ErrConflict, text)
}

// isKind reports whether err already says what callers act on.
func isKind(err error) bool {
	var invalid *InvalidError
	var limited *RateLimitedError
	return errors.Is(err, ErrNotFound) || errors.Is(err, ErrConflict) || errors.Is(err, ErrBadCredentials) ||
		errors.Is(err, ErrUnavailable) || errors.Is(err, ErrNotASession) || errors.As(err, &invalid) || errors.As(err, &limited)
}
