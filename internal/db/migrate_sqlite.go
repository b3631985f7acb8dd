package db

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
)

func (d *DB) migrateSQLite(ctx context.Context, steps []migration) error {
	tx, err := d.Write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if done, err := d.upToDate(ctx, tx, steps); err != nil || done { // another process was faster
		return err
	}
	found, err := d.schema(ctx, tx)
	if err != nil {
		return err
	}
	if err := migrateRiverSQLite(ctx, d.Write, tx, found.river); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `create table if not exists agentos_migration (
		version bigint primary key, name text not null, applied_ms bigint not null)`)
	if err != nil {
		return err
	}
	if err := migrateOurs(ctx, tx, steps, found.own); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	d.log.Info("database migrated", "database", d.name(), "from", found.own, "to", len(steps))
	return nil
}

func migrateRiverSQLite(ctx context.Context, pool *sql.DB, tx *sql.Tx, from int) error {
	if from == riverVersion {
		return nil
	}
	migrator, err := rivermigrate.New(riversqlite.New(pool), nil)
	if err != nil {
		return fmt.Errorf("the job queue: %w", err)
	}
	//nolint:staticcheck // deprecated for what Postgres cannot do in one transaction; SQLite can, and then nothing is done by halves
	_, err = migrator.MigrateTx(ctx, tx, rivermigrate.DirectionUp, &rivermigrate.MigrateOpts{TargetVersion: riverVersion})
	if err != nil {
		return fmt.Errorf("the job queue: %w", err)
	}
	return nil
}
