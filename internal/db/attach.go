package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

// attachedDeadline ends a statement on another program's database, there too.
const attachedDeadline = 10 * time.Second

// actors is how many acts on another program's database may be under way.
const actors = 2

// Attach opens another program's database to read it: "postgres://user:password@host/name", with the schema of River's tables
// if it is not the one that the user's connections search, or a SQLite file by its path or URL. Read and Write are one pool,
// which refuses to write: there is no migration, nothing is created, and every statement ends after 10 s at the latest.
//
// A Postgres server need not answer yet: the first statements fail until it does.
func Attach(rawURL, schema string, log *slog.Logger) (*DB, error) {
	return attach(rawURL, schema, log, attachment{connections: readers, deadline: attachedDeadline})
}

// AttachForQueries is Attach for statements of people's own: one pool of so many connections, which refuses to write, and where a
// statement ends after the deadline at the latest.
func AttachForQueries(rawURL string, connections int, deadline time.Duration, log *slog.Logger) (*DB, error) {
	return attach(rawURL, "", log, attachment{connections: connections, deadline: deadline})
}

// AttachWriting is Attach for changing rows through River: Read and Write are one small pool, which may write. On Postgres the URL
// has to lead to a server that takes writes, not to a replica.
func AttachWriting(rawURL, schema string, log *slog.Logger) (*DB, error) {
	return attach(rawURL, schema, log, attachment{writing: true, connections: actors, deadline: attachedDeadline})
}

// attachment is how an attached database is used.
type attachment struct {
	writing     bool
	connections int
	deadline    time.Duration // of a statement
}

func attach(rawURL, schema string, log *slog.Logger, how attachment) (*DB, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if isPostgres(rawURL) {
		return attachPostgres(rawURL, schema, log, how)
	}
	if schema != "" {
		return nil, errors.New("a schema is for Postgres: SQLite has none")
	}
	return attachSQLite(rawURL, log, how)
}

func attachPostgres(rawURL, schema string, log *slog.Logger, how attachment) (*DB, error) {
	config, err := postgresConfig(rawURL)
	if err != nil {
		return nil, err
	}
	if schema != "" {
		config.ConnConfig.RuntimeParams["search_path"] = pgx.Identifier{schema}.Sanitize()
	}
	params := config.ConnConfig.RuntimeParams
	if !how.writing {
		params["lock_timeout"] = "1000"
	}
	params["statement_timeout"] = strconv.FormatInt(how.deadline.Milliseconds(), 10)
	d := &DB{Kind: Postgres, URL: displayURL(config.ConnConfig), attached: true, log: log, server: &server{config: config}}
	s := d.server
	config.MaxConns = int32(how.connections)
	if how.writing {
		config.MinConns = 0
	}
	config.ConnConfig.Tracer = &tracer{observer: &d.observer, timeout: how.deadline}
	config.ConnConfig.OnPgError = func(_ *pgconn.PgConn, err *pgconn.PgError) bool {
		return !isFatal(err) && (!how.writing || err.Code != readOnlyTransaction)
	}
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if err := s.connected(ctx, conn); err != nil || how.writing {
			return err
		}
		_, err := conn.Exec(ctx, `set default_transaction_read_only = on`, pgx.QueryExecModeSimpleProtocol)
		return err
	}
	if s.reader, err = pgxpool.NewWithConfig(context.Background(), config); err != nil {
		return nil, err
	}
	d.Read = stdlib.OpenDBFromPool(s.reader)
	d.Write = d.Read
	if how.writing {
		d.Pool = s.reader
	}
	return d, nil
}

func attachSQLite(rawURL string, log *slog.Logger, how attachment) (*DB, error) {
	if !strings.Contains(rawURL, "://") { // a path
		abs, err := filepath.Abs(rawURL)
		if err != nil {
			return nil, err
		}
		rawURL = (&url.URL{Scheme: "sqlite", Path: abs}).String()
	}
	path, err := sqlitePath(rawURL)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("attach: %w", err)
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("attach %s: it is not a file", path)
	}
	d := &DB{Kind: SQLite, URL: rawURL, Path: path, attached: true, log: log}
	d.file = &file{foreign: true, path: path, log: log, observer: &d.observer, release: d.closeIdle}
	dsn, connections := attachedDSN(path), how.connections
	if how.writing {
		dsn, connections = sharedDSN(path), 1
	}
	d.Read = sql.OpenDB(d.file.connector(dsn))
	d.Read.SetMaxOpenConns(connections)
	d.Write = d.Read
	d.keepIdle()
	return d, nil
}

// attachedDSN neither creates nor writes the file.
func attachedDSN(path string) string {
	params := []string{"mode=ro", "_pragma=busy_timeout(5000)", "_pragma=query_only(1)", "_pragma=cache_size(-8192)"}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path}).String() + "?" + strings.Join(params, "&")
}

// pingAttached reports whether River's tables can be read.
func (d *DB) pingAttached(ctx context.Context) error {
	var one int
	err := d.Read.QueryRowContext(ctx, `select count(*) from (select 1 from river_job limit 1) one`).Scan(&one)
	if err != nil {
		return fmt.Errorf("%s: %w", d.name(), Wrap(withCause(ctx, err)))
	}
	return nil
}

// Schema is the Postgres schema that unqualified names of an attached database are looked up in first; empty for the user's
// own, and on SQLite.
func (d *DB) Schema() string {
	if d.server == nil {
		return ""
	}
	return strings.Trim(d.server.config.ConnConfig.RuntimeParams["search_path"], `"`)
}

// sharedDSN names a SQLite file that another program uses too, for changing rows in it.
func sharedDSN(path string) string {
	params := []string{"mode=rw", "_pragma=busy_timeout(5000)", "_pragma=foreign_keys(1)", "_txlock=immediate"}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path}).String() + "?" + strings.Join(params, "&")
}
