package pglink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const readOnly = "25006"

// reasons are Postgres's error codes, or their classes, in words that show an operator what to do.
var reasons = map[string]string{
	readOnly: "takes no writes: it is a standby, or failing over",
	"28":     "refuses the user: check name and password, and pg_hba.conf",
	"3D000":  "has no such database: create it, or correct its name",
	"42P01":  "has no table snapshot_document in the search_path: bring the database's schema up to date",
	"42703":  "has a table snapshot_document of another version: bring the database's schema up to date",
	"42501":  "does not let the user do that: grant the right",
	"53100":  "has no disk space left",
	"53300":  "has no connection left: raise its max_connections",
	"53":     "is out of resources",
	"55P03":  "is held up: another transaction has locked the table snapshot_document",
	"57014":  "cancelled the statement: it took too long, or somebody asked for it",
	"57":     "ended the connection, or is starting or shutting down",
	"58":     "cannot read or write its files",
}

// explain says what was tried, where, and what an operator can do about it.
func explain(op string, at *pgx.ConnConfig, err error) error {
	if err == nil {
		return nil
	}
	where := "Postgres at " + net.JoinHostPort(at.Host, strconv.Itoa(int(at.Port))) + "/" + at.Database
	if why := reason(err); why != "" {
		return fmt.Errorf("%s: %s %s: %w", op, where, why, err)
	}
	return fmt.Errorf("%s: %s: %w", op, where, err)
}

// reason is empty when the error says it all.
func reason(err error) string {
	if code := codeOf(err); len(code) == 5 {
		if text, known := reasons[code]; known {
			return text
		}
		return reasons[code[:2]]
	}
	var network net.Error
	var name *net.DNSError
	var connect *pgconn.ConnectError
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return "has no address: check the host's name"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "is not there: nothing accepts connections at its address"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "does not answer"
	case errors.As(err, &connect):
		return "cannot be reached"
	}
	return ""
}

// endsConnection reports whether no connection outlives the error: the server ends it, or it takes no writes any more, and
// a new one may find the server that does.
func endsConnection(err *pgconn.PgError) bool {
	severity := cmp.Or(err.SeverityUnlocalized, err.Severity)
	return severity == "FATAL" || severity == "PANIC" || err.Code == readOnly
}

// codeOf is empty for an error that is not Postgres's.
func codeOf(err error) string {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer.Code
	}
	return ""
}
