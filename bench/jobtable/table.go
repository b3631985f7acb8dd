// Package jobtable is what all contestants look at: a throwaway Postgres with River's tables, filled to a size, at work if that is wanted,
// and what each of them has asked of it.
package jobtable

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
	RoleAgentOS  = "bench_agentos"
	RoleReplaced = "bench_replaced"
	RolePeer     = "bench_riverui"

	roleOwner = "agentos" // of the database, made by test/servers
	roleFlow  = "bench_flow"
)

// Table is a throwaway Postgres with River's tables, filled by Fill.
type Table struct {
	Size int // finished jobs it was filled with

	server   *servers.Postgres
	conn     *pgx.Conn                        // of a superuser: fills, and reads the statistics
	progress func(format string, args ...any) // learns how far filling is
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

// New starts the server and makes River's tables with River's own migrations.
func New(ctx context.Context, progress func(format string, args ...any), options ...servers.PostgresOption) (*Table, error) {
	server, err := servers.NewPostgres(append(postgresSettings(), options...)...)
	if err != nil {
		return nil, err
	}
	d := &Table{server: server, progress: progress}
	if err := d.prepare(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Table) prepare(ctx context.Context) (err error) {
	if err := d.server.CreateDatabase(databaseName, ""); err != nil {
		return err
	}
	if d.conn, err = d.server.Connect(ctx, databaseName); err != nil {
		return err
	}
	if err := d.exec(ctx, `create extension pg_stat_statements`); err != nil {
		return err
	}
	for _, role := range []string{RoleAgentOS, RoleReplaced, RolePeer, roleFlow} {
		if err := d.exec(ctx, `create role `+role+` login`); err != nil {
			return err
		}
	}
	return d.migrate(ctx)
}

// migrate makes River's tables, and lets the contestants at them.
func (d *Table) migrate(ctx context.Context) error {
	pool, err := pgxpool.New(ctx, d.URL(roleOwner))
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
	readers, clients := RoleAgentOS+", "+RoleReplaced, RolePeer+", "+roleFlow
	return errors.Join(
		d.exec(ctx, `grant select on all tables in schema public to `+readers),
		d.exec(ctx, `grant select, insert, update, delete on all tables in schema public to `+clients),
		d.exec(ctx, `grant usage on all sequences in schema public to `+clients),
	)
}

// URL is the way of a role to the database.
func (d *Table) URL(role string) string {
	return (&url.URL{
		Scheme: "postgres", User: url.UserPassword(role, "any"), Host: d.server.Addr(), Path: "/" + databaseName,
		RawQuery: "sslmode=disable",
	}).String()
}

func (d *Table) exec(ctx context.Context, statement string, args ...any) error {
	_, err := d.conn.Exec(ctx, statement, args...)
	if err != nil {
		return fmt.Errorf("%.60s: %w", statement, err)
	}
	return nil
}

// Version is that of Postgres.
func (d *Table) Version(ctx context.Context) (version string, err error) {
	return version, d.conn.QueryRow(ctx, `show server_version`).Scan(&version)
}

// Bytes is what the jobs and their indexes take on disk.
func (d *Table) Bytes(ctx context.Context) (n int64, err error) {
	return n, d.conn.QueryRow(ctx, `select pg_total_relation_size('river_job')`).Scan(&n)
}

// Busy is an error while the database works for anybody but the role, which may be none.
func (d *Table) Busy(ctx context.Context, but string) error {
	var busy []string
	err := d.conn.QueryRow(ctx, `select array_agg(coalesce(usename, backend_type)) from pg_stat_activity
		where state = 'active' and pid <> pg_backend_pid() and usename is distinct from $1
			or backend_type = 'autovacuum worker'`, but).Scan(&busy)
	if err == nil && len(busy) > 0 {
		err = fmt.Errorf("the database works for %s", strings.Join(busy, ", "))
	}
	return err
}

// Close ends the server.
func (d *Table) Close() error {
	if d.conn != nil {
		_ = d.conn.Close(context.Background()) // the server ends next
	}
	return d.server.Close()
}
