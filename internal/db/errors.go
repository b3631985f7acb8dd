package db

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

var explanations = map[int]string{
	sqlite3.SQLITE_FULL:     "the disk is full",
	sqlite3.SQLITE_NOTADB:   "the file is not a database",
	sqlite3.SQLITE_CORRUPT:  "the database file is damaged",
	sqlite3.SQLITE_CANTOPEN: "the database file cannot be opened",
	sqlite3.SQLITE_READONLY: "the database file cannot be written",
	sqlite3.SQLITE_IOERR:    "the database file cannot be read or written",
	sqlite3.SQLITE_BUSY:     "another process holds the database's write lock",
	sqlite3.SQLITE_PROTOCOL: "another process holds the database's locks",
}

// Wrap puts in front of an error of the database what it means for an operator, once. Other errors pass unchanged.
func Wrap(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	text := explanations[primaryCode(err)]
	if text == "" {
		text = explainPostgres(err)
	}
	if text == "" || strings.Contains(err.Error(), text) {
		return err
	}
	return fmt.Errorf("%s: %w", text, err)
}

// Temporary reports whether the same statement may succeed later without anybody changing it: the file is gone or
// unreadable, the disk is full, another process holds the lock, the server is down or does not answer.
func Temporary(err error) bool {
	var opening *openError
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return false
	case errors.As(err, &opening):
		return opening.temporary()
	}
	var failure *sqlite.Error
	if !errors.As(err, &failure) {
		return isFileError(err) || temporaryPostgres(err)
	}
	switch primaryCode(err) {
	case sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISUSE:
		return false
	}
	return true
}

// damaged reports whether an error may lie in what the connection remembers of its file.
func damaged(err error) bool {
	switch primaryCode(err) {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY:
		return true
	}
	return false
}

// primaryCode is 0 for errors that are not SQLite's.
func primaryCode(err error) int {
	var failure *sqlite.Error
	if errors.As(err, &failure) {
		return failure.Code() & 0xff
	}
	return 0
}

// isFileError reports whether the operating system refused the file before SQLite saw it.
func isFileError(err error) bool {
	var refused *fileError
	return errors.As(err, &refused)
}

// fileError is why the path does not name a usable database file.
type fileError struct {
	text  string
	cause error // nil when the text says it all
}

func (e *fileError) Error() string {
	if e.cause == nil {
		return e.text
	}
	return e.text + ": " + e.cause.Error()
}

func (e *fileError) Unwrap() error { return e.cause }
