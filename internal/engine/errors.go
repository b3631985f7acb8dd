package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/agentos/agentos/internal/db"
)

// The kinds of errors. Their texts are for users and say what to do.
var (
	ErrNotFound    = errors.New("not found")
	ErrConflict    = errors.New("not possible now")
	ErrInvalid     = errors.New("not valid")
	ErrUnavailable = errors.New("the database cannot be used at the moment")
)

var (
	// ErrCursor is returned for a cursor that is not one of the list.
	ErrCursor = ErrorOf(ErrInvalid, "the cursor is not one of a page with this filter: leave it out to begin with the newest")

	// ErrUnsupported is returned for a question that the engine cannot answer. It is wrapped with the reason.
	ErrUnsupported = ErrorOf(ErrInvalid, "not supported by this engine")
)

// kindError is an error of one of the kinds above with a text of its own.
type kindError struct {
	kind error
	text string
}

func (e *kindError) Error() string { return e.text }
func (e *kindError) Unwrap() error { return e.kind }

// ErrorOf makes an error of one of the kinds above.
func ErrorOf(kind error, format string, args ...any) error {
	return &kindError{kind: kind, text: fmt.Sprintf(format, args...)}
}

// NoSuchJob is the error for an id that no job has.
func NoSuchJob(id ID) error {
	return ErrorOf(ErrNotFound, "there is no job %s: it was deleted, or pruned after it ended", Clip(Clean(string(id)), 80))
}

// NoSuchRun is the error for an id that no attempt has.
func NoSuchRun(id ID) error {
	return ErrorOf(ErrNotFound, "there is no run %s: it was deleted, or pruned after some days", Clip(Clean(string(id)), 80))
}

// UnknownAgentError means that agentos.yaml has no agent of that name.
type UnknownAgentError struct {
	Agent string
	Near  string   // the one that may have been meant; empty: none
	Known []string // the names there are, in file order
}

func (e *UnknownAgentError) Error() string {
	const listed = 30
	text := fmt.Sprintf("there is no agent %q", Clip(e.Agent, 80))
	if e.Near != "" {
		text += fmt.Sprintf(", did you mean %s?", e.Near)
	}
	switch more := len(e.Known) - listed; {
	case more > 0:
		return fmt.Sprintf("%s; there are: %s and %d more", text, strings.Join(e.Known[:listed], ", "), more)
	case len(e.Known) > 0:
		return fmt.Sprintf("%s; there are: %s", text, strings.Join(e.Known, ", "))
	}
	return text
}

func (e *UnknownAgentError) Unwrap() error { return ErrNotFound }

// WrapDB says what failed and turns the database's failures into ErrUnavailable.
func WrapDB(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %w", what, err)
	case db.Temporary(err):
		return fmt.Errorf("%s: %w: %w", what, ErrUnavailable, db.Wrap(err))
	}
	return fmt.Errorf("%s: %w", what, err)
}
