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
)

//go:embed migrations/*/*.sql
var migrationFiles embed.FS

// riverVersion is the version of River's tables in the River release this binary is built with, on both databases.
const riverVersion = 8

// foreign is the error when River's tables are there without ours.
const foreign = "the database has half of the tables expected: it belongs to another program; give AgentOS a database or a schema of its own"

// migration is one step of our schema. A step only ever adds to it, so that programs of the step before go on working; one
// that cannot says so by compatibleTo.
type migration struct {
	version      int
	name         string
	sql          string
	compatibleTo int // the oldest version whose programs work on this one too
}

// schema is how far a database has come; zeros for a fresh one.
type schema struct {
	river int
	own   int
}

// querier reads rows: a pool, a connection or a transaction.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// execer also changes them.
type execer interface {
	querier
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Migrate brings River's tables and ours to this binary's version. Processes that start together do it one after the
// other, and those that run go on working, see docs/decisions/0070-postgres-migrations.md. The schema of a newer binary is
// left alone when it says that this binary can work on it, and refused when not.
//
// On SQLite it is one transaction. On Postgres our steps are one, and each of River's is; what was interrupted goes on at
// the next start.
func (d *DB) Migrate(ctx context.Context) error {
	steps, err := migrations(d.Kind)
	if err != nil {
		return err
	}
	done, err := d.upToDate(ctx, d.Read, steps)
	if done || err != nil && (d.Kind == SQLite || Temporary(err)) {
		return Wrap(err)
	}
	// On Postgres another process may be half way through: what it leaves is judged again once it is done.
	if d.Kind == Postgres {
		err = d.migratePostgres(ctx, steps)
	} else {
		err = d.migrateSQLite(ctx, steps)
	}
	if err != nil {
		return fmt.Errorf("migrate: %w", Wrap(err))
	}
	return nil
}

// upToDate reports whether there is nothing to do. A schema that this binary cannot work on is an error.
func (d *DB) upToDate(ctx context.Context, q querier, steps []migration) (bool, error) {
	found, err := d.schema(ctx, q)
	if err != nil {
		return false, err
	}
	latest := len(steps)
	if found.own > latest {
		return true, d.tolerated(ctx, q, found, latest)
	}
	if found.river > riverVersion {
		return false, d.tooNew(found, latest)
	}
	return found == schema{river: riverVersion, own: latest}, nil
}

// tolerated returns an error unless the newer schema says that programs of ours work on it.
func (d *DB) tolerated(ctx context.Context, q querier, found schema, latest int) error {
	var oldest int
	err := q.QueryRowContext(ctx, `select coalesce(max(case when compatible_to > 0 then compatible_to else version end), 0)
		from agentos_migration where version > $1`, latest).Scan(&oldest)
	if err != nil {
		return err
	}
	if oldest > latest {
		return d.tooNew(found, latest)
	}
	d.log.Info("the database has the schema of a newer agentos, which this one can work with", "schema", found.own, "own", latest)
	return nil
}

func (d *DB) tooNew(found schema, latest int) error {
	return fmt.Errorf("%s was last used by a newer agentos (schema %d.%d, this one knows %d.%d): run that version",
		d.name(), found.own, found.river, latest, riverVersion)
}

func (d *DB) schema(ctx context.Context, q querier) (found schema, err error) {
	tables := `select exists (select 1 from sqlite_master where type = 'table' and name = 'river_migration'),
		exists (select 1 from sqlite_master where type = 'table' and name = 'agentos_migration')`
	version := `select coalesce(max(version), 0) from river_migration where line = 'main'`
	if d.Kind == Postgres {
		tables = `select to_regclass('river_migration') is not null, to_regclass('agentos_migration') is not null`
		// The column comes with River's fifth step, and an interruption may have left fewer.
		version = `select coalesce(max(version), 0) from river_migration m where coalesce(to_jsonb(m) ->> 'line', 'main') = 'main'`
	}
	var river, own bool
	switch err := q.QueryRowContext(ctx, tables).Scan(&river, &own); {
	case err != nil:
		return schema{}, err
	case river && !own, own && !river && d.Kind == SQLite: // on Postgres ours comes first, by itself
		return schema{}, errors.New(foreign)
	}
	if river {
		err = q.QueryRowContext(ctx, version).Scan(&found.river)
	}
	if own && err == nil {
		err = q.QueryRowContext(ctx, `select coalesce(max(version), 0) from agentos_migration`).Scan(&found.own)
	}
	return found, err
}

// migrateOurs takes the steps that were not taken yet.
func migrateOurs(ctx context.Context, tx execer, steps []migration, from int) error {
	for _, step := range steps[from:] {
		if _, err := tx.ExecContext(ctx, step.sql); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		_, err := tx.ExecContext(ctx, `insert into agentos_migration (version, name, applied_ms) values ($1, $2, $3)`,
			step.version, step.name, time.Now().UnixMilli())
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	for _, step := range steps[from:] { // SQLite has the column only after the last step
		_, err := tx.ExecContext(ctx, `update agentos_migration set compatible_to = $2 where version = $1`, step.version, step.compatibleTo)
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// migrations reads the embedded files, NNNN_name.sql, in order.
func migrations(kind Kind) ([]migration, error) {
	names, err := fs.Glob(migrationFiles, "migrations/"+string(kind)+"/*.sql")
	if err != nil {
		return nil, err
	}
	steps := make([]migration, 0, len(names))
	for _, path := range names { // sorted
		text, err := fs.ReadFile(migrationFiles, path)
		if err != nil {
			return nil, err
		}
		step := migration{name: strings.TrimSuffix(path[strings.LastIndexByte(path, '/')+1:], ".sql"), sql: string(text)}
		number, _, _ := strings.Cut(step.name, "_")
		if step.version, err = strconv.Atoi(number); err != nil || step.version != len(steps)+1 {
			return nil, fmt.Errorf("migration %s: the number must be %04d", step.name, len(steps)+1)
		}
		first, _, _ := strings.Cut(step.sql, "\n")
		if _, err := fmt.Sscanf(first, "-- compatible_to: %d", &step.compatibleTo); err != nil || step.compatibleTo < 1 || step.compatibleTo > step.version {
			return nil, fmt.Errorf("migration %s: the first line must be \"-- compatible_to: N\", the oldest version whose programs work on it", step.name)
		}
		steps = append(steps, step)
	}
	return steps, nil
}
