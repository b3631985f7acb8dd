package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/agentos/agentos/test/servers"
)

// databaseName is the database of the jobs, which all contestants look at.
const databaseName = "jobs"

// The roles of the contestants: what a role asked for is what its contestant asked for.
const (
	roleOwner    = "agentos" // of the database, made by test/servers
	roleAgentOS  = "bench_agentos"
	roleReplaced = "bench_replaced"
	rolePeer     = "bench_riverui"
	roleFlow     = "bench_flow"
)

// database is a throwaway Postgres with River's tables, filled by fill.
type database struct {
	server *servers.Postgres
	conn   *pgx.Conn // of a superuser: fills, and reads the statistics
	size   int       // finished jobs it was filled with
}

// postgresSettings are those of a small server of its own for a table of some gigabytes. Nothing is kept safe: that costs
// all contestants the same, and filling ten million jobs a quarter of the time.
func postgresSettings() []servers.PostgresOption {
	var options []servers.PostgresOption
	for _, s := range [][2]string{
		{"shared_buffers", "2GB"}, {"effective_cache_size", "8GB"}, {"maintenance_work_mem", "1GB"}, {"work_mem", "32MB"},
		{"wal_level", "minimal"}, {"max_wal_senders", "0"}, {"max_wal_size", "8GB"}, {"checkpoint_timeout", "30min"},
		{"random_page_cost", "1.1"}, {"max_connections", "300"}, {"pg_stat_statements.track_utility", "off"},
	} {
		options = append(options, servers.PostgresSetting(s[0], s[1]))
	}
	return options
}

func newDatabase(ctx context.Context, options ...servers.PostgresOption) (*database, error) {
	server, err := servers.NewPostgres(append(postgresSettings(), options...)...)
	if err != nil {
		return nil, err
	}
	d := &database{server: server}
	if err := d.prepare(ctx); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *database) prepare(ctx context.Context) (err error) {
	if err := d.server.CreateDatabase(databaseName, ""); err != nil {
		return err
	}
	if d.conn, err = d.server.Connect(ctx, databaseName); err != nil {
		return err
	}
	if err := d.exec(ctx, `create extension pg_stat_statements`); err != nil {
		return err
	}
	for _, role := range []string{roleAgentOS, roleReplaced, rolePeer, roleFlow} {
		if err := d.exec(ctx, `create role `+role+` login`); err != nil {
			return err
		}
	}
	return nil
}

// migrate makes River's tables with River's own migrations, and lets the contestants at them.
func (d *database) migrate(ctx context.Context) error {
	pool, err := pgxpool.New(ctx, d.url(roleOwner))
	if err != nil {
		return err
	}
	defer pool.Close()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("make River's tables: %w", err)
	}
	// The readers get what reading takes, the flow and River UI what River's clients have.
	readers, clients := roleAgentOS+", "+roleReplaced, rolePeer+", "+roleFlow
	return errors.Join(
		d.exec(ctx, `grant select on all tables in schema public to `+readers),
		d.exec(ctx, `grant select, insert, update, delete on all tables in schema public to `+clients),
		d.exec(ctx, `grant usage on all sequences in schema public to `+clients),
	)
}

// url is the way of a role to the database.
func (d *database) url(role string) string {
	return (&url.URL{
		Scheme: "postgres", User: url.UserPassword(role, "any"), Host: d.server.Addr(), Path: "/" + databaseName,
		RawQuery: "sslmode=disable",
	}).String()
}

func (d *database) exec(ctx context.Context, statement string, args ...any) error {
	_, err := d.conn.Exec(ctx, statement, args...)
	if err != nil {
		return fmt.Errorf("%.60s: %w", statement, err)
	}
	return nil
}

func (d *database) version(ctx context.Context) (version string, err error) {
	return version, d.conn.QueryRow(ctx, `show server_version`).Scan(&version)
}

// bytes is what the jobs and their indexes take on disk.
func (d *database) bytes(ctx context.Context) (n int64, err error) {
	return n, d.conn.QueryRow(ctx, `select pg_total_relation_size('river_job')`).Scan(&n)
}

// atRest waits until the database works for nobody but the role, which may be none.
func (d *database) atRest(ctx context.Context, but string) error {
	return until(ctx, pageTimeout, "wait until the database is at rest", func() error {
		var busy []string
		err := d.conn.QueryRow(ctx, `select array_agg(coalesce(usename, backend_type)) from pg_stat_activity
			where state = 'active' and pid <> pg_backend_pid() and usename is distinct from $1
				or backend_type = 'autovacuum worker'`, but).Scan(&busy)
		if err == nil && len(busy) > 0 {
			err = fmt.Errorf("it works for %s", strings.Join(busy, ", "))
		}
		return err
	})
}

func (d *database) close() error {
	if d.conn != nil {
		_ = d.conn.Close(context.Background()) // the server ends next
	}
	return d.server.Close()
}
