package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

const (
	// migrationDeadline bounds one statement of a migration: an index of a big table takes its time.
	migrationDeadline = time.Hour
	migrationLockPoll = 200 * time.Millisecond
	// migrationLock is what the process holds that migrates a schema; others with the same schema wait.
	migrationLock = `hashtextextended('agentos migration of ' || current_schema(), 0)`
)

// migratePostgres holds a lock of its session throughout, because River's steps are transactions of their own: one of them
// adds a value to an enumeration, which only later transactions can use.
func (d *DB) migratePostgres(ctx context.Context, steps []migration) error {
	pool, err := d.server.migrationPool(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	ours := stdlib.OpenDBFromPool(pool)
	defer func() { _ = ours.Close() }()
	conn, err := ours.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := d.ensureSchema(ctx, conn); err != nil {
		return err
	}
	if err := d.lockMigration(ctx, conn); err != nil {
		return err
	}
	defer d.unlockMigration(ctx, conn)
	if done, err := d.upToDate(ctx, conn, steps); err != nil || done { // another process was faster
		return err
	}
	// Before River's tables, so that those that come without it are another program's.
	_, err = conn.ExecContext(ctx, `create table if not exists agentos_migration (
		version bigint primary key, name text not null, applied_ms bigint not null, compatible_to bigint not null default 0)`)
	if err != nil {
		return err
	}
	found, err := d.schema(ctx, conn)
	if err != nil {
		return err
	}
	if err := migrateRiverPostgres(ctx, pool, found.river); err != nil {
		return err
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := migrateOurs(ctx, tx, steps, found.own); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	d.log.Info("database migrated", "database", d.name(), "from", found.own, "to", len(steps))
	return nil
}

// migrationPool has connections that may take their time, but do not wait for a table's lock for long: meanwhile everybody
// else would wait behind them.
func (s *server) migrationPool(ctx context.Context) (*pgxpool.Pool, error) {
	config := s.config.Copy()
	config.MaxConns = 3
	tracer := *config.ConnConfig.Tracer.(*tracer)
	tracer.timeout = migrationDeadline
	config.ConnConfig.Tracer = &tracer
	config.ConnConfig.RuntimeParams["statement_timeout"] = "0"
	config.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "60000"
	return pgxpool.NewWithConfig(ctx, config)
}

func migrateRiverPostgres(ctx context.Context, pool *pgxpool.Pool, from int) error {
	if from == riverVersion {
		return nil
	}
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return fmt.Errorf("the job queue: %w", err)
	}
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, &rivermigrate.MigrateOpts{TargetVersion: riverVersion})
	if err != nil {
		return fmt.Errorf("the job queue: %w", err)
	}
	return nil
}

// ensureSchema makes the schema that the URL names.
func (d *DB) ensureSchema(ctx context.Context, conn *sql.Conn) error {
	first, _, _ := strings.Cut(d.server.config.ConnConfig.RuntimeParams["search_path"], ",")
	first = strings.Trim(first, ` "`)
	if first == "" || first == "$user" {
		return nil
	}
	var there bool
	err := conn.QueryRowContext(ctx, `select exists (select 1 from pg_namespace where nspname = $1)`, first).Scan(&there)
	if err != nil || there {
		return err
	}
	if _, err = conn.ExecContext(ctx, `create schema if not exists `+pgx.Identifier{first}.Sanitize()); err != nil {
		// Two processes at once: the slower one fails even so.
		if again := conn.QueryRowContext(ctx, `select exists (select 1 from pg_namespace where nspname = $1)`, first).Scan(&there); again == nil && there {
			return nil
		}
		return fmt.Errorf("make the schema %s: %w", first, err)
	}
	return nil
}

// lockMigration asks again and again instead of waiting in Postgres, where it would run into a timeout.
func (d *DB) lockMigration(ctx context.Context, conn *sql.Conn) error {
	tick := time.NewTicker(migrationLockPoll)
	defer tick.Stop()
	for waited := false; ; waited = true {
		var locked bool
		if err := conn.QueryRowContext(ctx, `select pg_try_advisory_lock(`+migrationLock+`)`).Scan(&locked); err != nil || locked {
			return err
		}
		if !waited {
			d.log.Info("another process migrates the database: waiting for it", "database", d.name())
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("another process migrates the database: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}

func (d *DB) unlockMigration(ctx context.Context, conn *sql.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackDeadline)
	defer cancel()
	_, err := conn.ExecContext(ctx, `select pg_advisory_unlock(`+migrationLock+`)`)
	if err != nil && !errors.Is(err, sql.ErrConnDone) { // closing the pool unlocks it too
		d.log.Warn("the migration lock was not released in time", "error", err)
	}
}
