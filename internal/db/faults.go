package db

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const readOnlyTransaction = "25006"

// codes are Postgres's error codes, or their classes, with what an operator should do.
var codes = map[string]string{
	"08":    "the connection to the database broke",
	"25006": "Postgres takes no writes: it is a standby, or failing over",
	"25P03": "Postgres ended a transaction that was idle for too long",
	"28":    "Postgres refuses the user: check name and password in the database URL, and pg_hba.conf",
	"3D000": "the database does not exist: create it, or correct its name in the database URL",
	"3F000": "the schema does not exist: create it, or correct search_path in the database URL",
	"40001": "Postgres gave way to another transaction",
	"40P01": "Postgres ended a deadlock",
	"42P01": "a table is missing: run agentos migrate",
	"42501": "Postgres does not let the user do that: grant the right",
	"53":    "Postgres is out of resources",
	"53100": "the disk of Postgres is full",
	"53200": "Postgres is out of memory",
	"53300": "Postgres has no connection left: raise its max_connections, or lower pool_max_conns in the database URL",
	"55P03": "another transaction holds a lock for too long",
	"57014": "Postgres cancelled the statement: it took too long, or somebody asked for it",
	"57":    "Postgres ended the connection",
	"57P01": "Postgres is shutting down, or somebody ended the connection",
	"57P02": "Postgres ended all connections because one of its processes crashed",
	"57P03": "Postgres is starting or shutting down",
	"58":    "Postgres cannot read or write its files",
}

// errReadOnly is what Ping says before a statement finds out.
var errReadOnly = errors.New(codes[readOnlyTransaction])

func explanationOfCode(code string) string {
	if text, known := codes[code]; known {
		return text
	}
	if len(code) == 5 {
		return codes[code[:2]]
	}
	return ""
}

// explainPostgres is empty for an error that says nothing about Postgres.
func explainPostgres(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return explanationOfCode(pgErr.Code)
	}
	var connect *pgconn.ConnectError
	connecting := errors.As(err, &connect)
	var name *net.DNSError
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return "the host of the database URL has no address: check its name"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "Postgres is not there: nothing accepts connections at its address"
	case connecting && strings.Contains(err.Error(), "ValidateConnect failed"):
		return "no host of the database URL takes writes: Postgres may be failing over"
	case isDisagreement(err):
		return "Postgres and this process do not agree on TLS: check sslmode in the database URL"
	case isTimeout(err):
		return "the database does not answer"
	case isBroken(err):
		return codes["08"]
	case connecting:
		return "Postgres cannot be reached"
	}
	return ""
}

// temporaryPostgres reports whether the statement itself is not to blame.
func temporaryPostgres(err error) bool {
	var pgErr *pgconn.PgError
	var connect *pgconn.ConnectError
	switch {
	case errors.As(err, &connect), errors.Is(err, errReadOnly):
		return true // no statement was judged
	case errors.As(err, &pgErr):
		switch pgErr.Code {
		case "40001", "40P01", "55P03", "25P03", readOnlyTransaction:
			return true
		}
		switch pgErr.Code[:min(2, len(pgErr.Code))] {
		case "08", "53", "57", "58":
			return true
		}
		return false
	}
	return isTimeout(err) || isBroken(err)
}

func isTimeout(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &network) && network.Timeout()
}

// isDisagreement reports whether the server was there, and TLS failed by what one of the two sides wants.
func isDisagreement(err error) bool {
	return strings.Contains(err.Error(), "tls error") && !isTimeout(err) && !isBroken(err)
}

// isBroken reports whether a connection was lost under a statement.
func isBroken(err error) bool {
	var op *net.OpError
	return errors.Is(err, errBroken) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.As(err, &op) || errors.Is(err, pgx.ErrTxCommitRollback) ||
		pgconn.SafeToRetry(err)
}

// isFatal reports whether the server ends the connection with the error.
func isFatal(err *pgconn.PgError) bool {
	severity := cmp.Or(err.SeverityUnlocalized, err.Severity)
	return severity == "FATAL" || severity == "PANIC"
}

// openError is why a database cannot be worked with from the start.
type openError struct {
	url   string // without password
	cause error
}

func (e *openError) Error() string { return "open " + e.url + ": " + e.cause.Error() }
func (e *openError) Unwrap() error { return e.cause }

// temporary is false for what only somebody who changes a setting can mend.
func (e *openError) temporary() bool {
	var pgErr *pgconn.PgError
	if errors.As(e.cause, &pgErr) {
		return !Refused(e.cause)
	}
	var name *net.DNSError
	return !isDisagreement(e.cause) && (!errors.As(e.cause, &name) || !name.IsNotFound)
}

// ReadOnly reports whether Postgres refused to write because it is a standby.
func ReadOnly(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == readOnlyTransaction
}

// Refused reports whether Postgres is there and will not have whoever connects, for a reason that a retry does not change:
// a wrong password, a database that does not exist.
func Refused(err error) bool {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return false
	}
	switch pgErr.Code[:min(2, len(pgErr.Code))] {
	case "28", "3D", "3F", "42":
		return true
	}
	return false
}

// Unstorable reports whether a database refused a value for what it is: a number or a time beyond its types, a text that it
// cannot hold.
func Unstorable(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && strings.HasPrefix(pgErr.Code, "22")
}
