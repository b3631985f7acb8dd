package db

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// writers is how many connections Pool may have, unless the URL says pool_max_conns. River listens on one more.
	writers = 10
	// fewestWriters: River's fetching, its upkeep and we must not wait for each other.
	fewestWriters = 3

	openDeadline   = 5 * time.Second
	readDeadline   = 5 * time.Second
	writeDeadline  = 30 * time.Second
	closeDeadline  = 5 * time.Second
	idleConnection = time.Minute

	// connectionLife lets pools that were filled by an outage shrink again: they hand their connections out in turn, so that
	// with steady work none is idle for long.
	connectionLife = time.Minute
)

// server is what a DB knows of its Postgres.
type server struct {
	config  *pgxpool.Config // of Pool
	reader  *pgxpool.Pool   // of DB.Read
	pool    *pgxpool.Pool
	version atomic.Pointer[string]
	address atomic.Pointer[string] // of the newest connection: with several hosts, the one that takes writes
}

func isPostgres(rawURL string) bool {
	return strings.HasPrefix(rawURL, "postgres://") || strings.HasPrefix(rawURL, "postgresql://")
}

func openPostgres(ctx context.Context, rawURL string, log *slog.Logger) (*DB, error) {
	d, err := preparePostgres(rawURL, log)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, openDeadline, fmt.Errorf("no answer within %v", openDeadline))
	defer cancel()
	for _, pool := range []*pgxpool.Pool{d.Pool, d.server.reader} {
		if err := pool.Ping(ctx); err != nil {
			err = Wrap(withCause(ctx, err))
			return nil, errors.Join(&openError{url: d.URL, cause: err}, d.Close())
		}
	}
	return d, nil
}

func preparePostgres(rawURL string, log *slog.Logger) (*DB, error) {
	config, err := postgresConfig(rawURL)
	if err != nil {
		return nil, err
	}
	d := &DB{Kind: Postgres, URL: displayURL(config.ConnConfig), log: log, server: &server{config: config}}
	if err := d.connectPools(config); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *DB) connectPools(config *pgxpool.Config) (err error) {
	s := d.server
	config.ConnConfig.Tracer = &tracer{observer: &d.observer, timeout: writeDeadline}
	config.AfterConnect = s.connected
	// A server that has become a standby refuses writes until the connection is made again, which finds the new primary
	// where the URL names several hosts.
	config.ConnConfig.OnPgError = func(_ *pgconn.PgConn, err *pgconn.PgError) bool {
		return !isFatal(err) && err.Code != readOnlyTransaction
	}
	reading := config.Copy()
	reading.MaxConns = readers
	reading.ConnConfig.Tracer = &tracer{observer: &d.observer, timeout: readDeadline}
	reading.ConnConfig.OnPgError = func(_ *pgconn.PgConn, err *pgconn.PgError) bool { return !isFatal(err) }
	setDefaults(reading.ConnConfig.RuntimeParams, map[string]string{
		"statement_timeout": strconv.FormatInt(readDeadline.Milliseconds(), 10),
	})
	reading.ConnConfig.RuntimeParams["lock_timeout"] = "1000"
	reading.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if err := s.connected(ctx, conn); err != nil {
			return err
		}
		// Not as a parameter of the connection: then target_session_attrs=read-write would take no server at all.
		_, err := conn.Exec(ctx, `set default_transaction_read_only = on`, pgx.QueryExecModeSimpleProtocol)
		return err
	}
	if s.pool, err = pgxpool.NewWithConfig(context.Background(), config); err != nil {
		return err
	}
	if s.reader, err = pgxpool.NewWithConfig(context.Background(), reading); err != nil {
		s.pool.Close()
		return err
	}
	d.Pool, d.Write, d.Read = s.pool, stdlib.OpenDBFromPool(s.pool), stdlib.OpenDBFromPool(s.reader)
	return nil
}

// postgresConfig reads the URL. What it does not say gets defaults that keep a hung server or a hung process of ours from
// holding up the others.
func postgresConfig(rawURL string) (*pgxpool.Config, error) {
	parsed, err := pgx.ParseConfig(rawURL)
	if err != nil {
		return nil, fmt.Errorf("database URL: %w: write postgres://user:password@host:5432/name", err)
	}
	_, sized := parsed.RuntimeParams["pool_max_conns"]
	config, err := pgxpool.ParseConfig(rawURL)
	if err != nil {
		return nil, fmt.Errorf("database URL: %w", err)
	}
	if !sized {
		config.MaxConns = writers
	}
	if config.MaxConns < fewestWriters {
		return nil, fmt.Errorf("database URL: pool_max_conns=%d is too few: give at least %d", config.MaxConns, fewestWriters)
	}
	config.PingTimeout = cmp.Or(config.PingTimeout, endTimeout)
	config.MaxConnIdleTime = min(config.MaxConnIdleTime, idleConnection)
	config.MaxConnLifetime = min(config.MaxConnLifetime, connectionLife)
	config.MaxConnLifetimeJitter = cmp.Or(config.MaxConnLifetimeJitter, config.MaxConnLifetime/10)
	config.HealthCheckPeriod = min(config.HealthCheckPeriod, idleConnection/4)
	config.BeforeClose = func(conn *pgx.Conn) { boundedOf(conn.PgConn()).endSoon() }
	conn := config.ConnConfig
	conn.ConnectTimeout = cmp.Or(conn.ConnectTimeout, endTimeout)
	conn.DialFunc, conn.LookupFunc = dial, lookup
	// Here and not at each pool: whoever connects by this configuration gets a connection that lasts.
	conn.AfterConnect = func(_ context.Context, made *pgconn.PgConn) error {
		boundedOf(made).establish()
		return nil
	}
	if schema, given := conn.RuntimeParams["schema"]; given {
		delete(conn.RuntimeParams, "schema")
		setDefaults(conn.RuntimeParams, map[string]string{"search_path": schema})
	}
	setDefaults(conn.RuntimeParams, map[string]string{
		"application_name":                    "agentos",
		"jit":                                 "off",  // costs more than our statements
		"lock_timeout":                        "5000", // as long as SQLite waits
		"idle_in_transaction_session_timeout": "5000", // a process that was stopped must not keep its locks
		"tcp_keepalives_idle":                 "10",
		"tcp_keepalives_interval":             "5",
		"tcp_keepalives_count":                "3",
	})
	return config, nil
}

// ConnConfig is how to connect to a Postgres database, as Open does, for packages that keep connections of their own.
func ConnConfig(rawURL string) (*pgx.ConnConfig, error) {
	config, err := postgresConfig(rawURL)
	if err != nil {
		return nil, err
	}
	return config.ConnConfig, nil
}

func setDefaults(params, defaults map[string]string) {
	for name, value := range defaults {
		if _, given := params[name]; !given {
			params[name] = value
		}
	}
}

// connected notes where a new connection leads.
func (s *server) connected(_ context.Context, conn *pgx.Conn) error {
	registerTimes(conn)
	version := conn.PgConn().ParameterStatus("server_version")
	version, _, _ = strings.Cut(version, " ") // without the distribution's name
	s.version.Store(&version)
	if remote := conn.PgConn().Conn().RemoteAddr(); remote != nil && remote.Network() != "unix" {
		address := remote.String()
		s.address.Store(&address)
	}
	return nil
}

func (s *server) describe() string {
	text := "Postgres"
	if version := s.version.Load(); version != nil {
		text += " " + *version
	}
	return text + " at " + s.where()
}

// where is host, port and name, as the URL gives them; with several hosts, the address of the newest connection.
func (s *server) where() string {
	conn := s.config.ConnConfig
	hosts := hostsOf(conn)
	where := hosts[0]
	if address := s.address.Load(); address != nil && len(hosts) > 1 {
		where = *address
	}
	return where + "/" + conn.Database
}

// name is the file or the server, for messages.
func (d *DB) name() string {
	if d.Kind == Postgres {
		return d.server.where()
	}
	return d.Path
}

// displayURL leaves out the password, and all options but the schema.
func displayURL(conn *pgx.ConnConfig) string {
	text := "postgres://" + conn.User + "@" + strings.Join(hostsOf(conn), ",") + "/" + conn.Database
	if schema := conn.RuntimeParams["search_path"]; schema != "" {
		text += "?search_path=" + schema
	}
	return text
}

// hostsOf lists the hosts of a URL; pgx names each again for the connection without TLS.
func hostsOf(conn *pgx.ConnConfig) []string {
	hosts := []string{hostPort(conn.Host, conn.Port)}
	for _, other := range conn.Fallbacks {
		if host := hostPort(other.Host, other.Port); host != hosts[len(hosts)-1] {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

func hostPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

func (d *DB) pingPostgres(ctx context.Context) error {
	var readOnly bool
	var version int
	err := d.Write.QueryRowContext(ctx, `select pg_is_in_recovery() or current_setting('transaction_read_only')::bool,
		(select coalesce(max(version), 0) from agentos_migration)`).Scan(&readOnly, &version)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", d.server.where(), Wrap(withCause(ctx, err)))
	case readOnly:
		d.server.pool.Reset()
		return fmt.Errorf("%s: %w", d.server.where(), errReadOnly)
	}
	return nil
}

// withCause says why the context ended instead of that it did.
func withCause(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) && errors.Is(err, ctx.Err()) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

func (s *server) reset() {
	if s.pool != nil {
		s.pool.Reset()
	}
	s.reader.Reset()
}

// close waits for connections that are lent, but not forever.
func (s *server) close() error {
	closed := make(chan struct{})
	go func() { // ends when the last connection comes back
		s.reader.Close()
		if s.pool != nil {
			s.pool.Close()
		}
		close(closed)
	}()
	timer := time.NewTimer(closeDeadline)
	defer timer.Stop()
	select {
	case <-closed:
		return nil
	case <-timer.C:
		inUse := s.reader.Stat().AcquiredConns()
		if s.pool != nil {
			inUse += s.pool.Stat().AcquiredConns()
		}
		return fmt.Errorf("close Postgres: %d connections are still in use", inUse)
	}
}
