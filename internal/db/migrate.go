package db

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
)

//go:embed migrations/sqlite/*.sql
var migrationFiles embed.FS

// riverVersion is the version of River's tables in the River release this binary is built with.
const riverVersion = 8

type migration struct {
	version int
	name    string
	sql     string
}

// Migrate brings River's tables and ours to this binary's version. It is one transaction: all of it happens or nothing,
// and processes that start together do it one after the other. A database of a newer binary is refused.
func (d *DB) Migrate(ctx context.Context) error {
	ours, err := migrations()
	if err != nil {
		return err
	}
	latest := ours[len(ours)-1].version
	river, own, err := versions(ctx, d.Read)
	if err != nil {
		return Explain(err)
	}
	if river == riverVersion && own == latest {
		return nil
	}
	tx, err := d.Write.BeginTx(ctx, nil)
	if err != nil {
		return Explain(err)
	}
	defer tx.Rollback()
	if river, own, err = versions(ctx, tx); err != nil {
		return Explain(err)
	}
	if river > riverVersion || own > latest {
		return fmt.Errorf("%s was last used by a newer agentos (schema %d.%d, this one knows %d.%d): run that version", d.Path, own, river, latest, riverVersion)
	}
	if err := migrateRiver(ctx, d.Write, tx, river); err != nil {
		return err
	}
	if err := migrateOurs(ctx, tx, ours, own); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("migrate: %w", Explain(err))
	}
	d.log.Info("database migrated", "path", d.Path, "from", own, "to", latest)
	return nil
}

func migrateRiver(ctx context.Context, pool *sql.DB, tx *sql.Tx, from int) error {
	if from == riverVersion {
		return nil
	}
	migrator, err := rivermigrate.New(riversqlite.New(pool), nil)
	if err != nil {
		return fmt.Errorf("migrate the job queue: %w", err)
	}
	//nolint:staticcheck // deprecated for what Postgres cannot do in one transaction; SQLite can, and then nothing is done by halves
	_, err = migrator.MigrateTx(ctx, tx, rivermigrate.DirectionUp, &rivermigrate.MigrateOpts{TargetVersion: riverVersion})
	if err != nil {
		return fmt.Errorf("migrate the job queue: %w", Explain(err))
	}
	return nil
}

func migrateOurs(ctx context.Context, tx *sql.Tx, all []migration, from int) error {
	_, err := tx.ExecContext(ctx, `create table if not exists agentos_migration (
		version bigint primary key, name text not null, applied_ms bigint not null)`)
	if err != nil {
		return fmt.Errorf("migrate: %w", Explain(err))
	}
	for _, m := range all {
		if m.version <= from {
			continue
		}
		if _, err := tx.ExecContext(ctx, m.sql); err != nil {
			return fmt.Errorf("migrate to %s: %w", m.name, Explain(err))
		}
		_, err := tx.ExecContext(ctx, `insert into agentos_migration (version, name, applied_ms) values ($1, $2, $3)`,
			m.version, m.name, time.Now().UnixMilli())
		if err != nil {
			return fmt.Errorf("migrate to %s: %w", m.name, Explain(err))
		}
	}
	return nil
}

// versions reads how far River's tables and ours have come; 0 for a fresh database.
func versions(ctx context.Context, q interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}) (river, own int, err error) {
	var tables int
	err = q.QueryRowContext(ctx, `select count(*) from sqlite_master where type = 'table' and name in ('river_migration', 'agentos_migration')`).Scan(&tables)
	if err != nil || tables == 0 {
		return 0, 0, err
	}
	if tables == 1 {
		return 0, 0, errors.New("the database has half of the tables expected: it belongs to another program")
	}
	err = q.QueryRowContext(ctx, `select
		(select coalesce(max(version), 0) from river_migration where line = 'main'),
		(select coalesce(max(version), 0) from agentos_migration)`).Scan(&river, &own)
	return river, own, err
}

// migrations reads the embedded files, NNNN_name.sql, in order.
func migrations() ([]migration, error) {
	names, err := fs.Glob(migrationFiles, "migrations/sqlite/*.sql")
	if err != nil {
		return nil, err
	}
	all := make([]migration, 0, len(names))
	for _, path := range names { // sorted
		text, err := fs.ReadFile(migrationFiles, path)
		if err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(path[strings.LastIndexByte(path, '/')+1:], ".sql")
		number, _, _ := strings.Cut(name, "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != len(all)+1 {
			return nil, fmt.Errorf("migration %s: the number must be %04d", name, len(all)+1)
		}
		all = append(all, migration{version: version, name: name, sql: string(text)})
	}
	return all, nil
}
