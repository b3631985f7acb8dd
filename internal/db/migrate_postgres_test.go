package db_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
)

// older brings an empty database to an older schema: River's tables at version river, ours at version own.
func older(t *testing.T, url string, river, own int) {
	t.Helper()
	d := dbtest.OpenURL(t, url)
	exec(t, d, `create table agentos_migration (
		version bigint primary key, name text not null, applied_ms bigint not null, compatible_to bigint not null default 0)`)
	if river > 0 {
		migrator, err := rivermigrate.New(riverpgxv5.New(d.Pool), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := migrator.Migrate(t.Context(), rivermigrate.DirectionUp, &rivermigrate.MigrateOpts{TargetVersion: river}); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob("migrations/postgres/*.sql") // sorted
	if err != nil || len(files) < own {
		t.Fatal(files, err)
	}
	for i, file := range files[:own] {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		exec(t, d, string(text))
		exec(t, d, `insert into agentos_migration (version, name, applied_ms, compatible_to) values ($1, $2, 0, 1)`, i+1, file)
	}
}

// A rolling upgrade: programs of the version before work on while several of the new one start.
func TestMigrateWhileTheVersionBeforeWorks(t *testing.T) {
	url := dbtest.EmptyPostgresURL(t)
	older(t, url, 7, 2)
	ctx, stop := context.WithCancel(t.Context())
	var old, fresh sync.WaitGroup
	for range 3 {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close(context.Background()) })
		old.Go(func() {
			for ctx.Err() == nil {
				if err := workAsBefore(conn); err != nil {
					t.Errorf("the version before: %v", err)
					return
				}
			}
		})
	}
	for range 4 {
		d := dbtest.OpenURL(t, url)
		fresh.Go(func() {
			if err := d.Migrate(context.Background()); err != nil {
				t.Errorf("migrate: %v", err)
			}
		})
	}
	fresh.Wait()
	stop()
	old.Wait()
}

// workAsBefore runs what a program of schema 2 does all the time.
func workAsBefore(conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	var id int64
	err = tx.QueryRow(ctx, `insert into river_job (args, kind, max_attempts) values ('{}', 'old', 3) returning id`).Scan(&id)
	if err != nil {
		return err
	}
	for _, statement := range []string{
		`insert into run (job_id, attempt, max_attempts, agent, queue, worker, outcome, scheduled_ms, started_ms, wait_ms)
			values ($1, 1, 3, 'old', 'default', 'w', 'running', 0, 0, 0)`,
		`update run set outcome = 'ok', ended_ms = 1, run_ms = 1 where job_id = $1`,
		`update river_job set state = 'completed', finalized_at = now() where id = $1`,
		`update auth_change set n = n + $1 * 0`,
	} {
		if _, err := tx.Exec(ctx, statement, id); err != nil {
			return err
		}
	}
	return tx.Commit(ctx)
}

func TestMigrateGoesOnWhereItWasInterrupted(t *testing.T) {
	for _, left := range []struct{ river, own int }{{0, 0}, {4, 0}, {8, 0}, {8, 1}} {
		url := dbtest.EmptyPostgresURL(t)
		older(t, url, left.river, left.own)
		d := dbtest.OpenURL(t, url)
		if err := d.Migrate(t.Context()); err != nil {
			t.Errorf("after %+v: %v", left, err)
		}
		wantRelease(t, riverpgxv5.New(d.Pool))
	}
}

// Each schema of a database is a world of its own.
func TestMigrateKeepsSchemasApart(t *testing.T) {
	url := dbtest.EmptyPostgresURL(t)
	var all sync.WaitGroup
	for _, schema := range []string{"one", "one", "two", "Third one"} {
		d := dbtest.OpenURL(t, url+"&schema="+strings.ReplaceAll(`"`+schema+`"`, " ", "%20"))
		all.Go(func() {
			if err := d.Migrate(context.Background()); err != nil {
				t.Errorf("migrate %q: %v", schema, err)
			}
			if err := d.Ping(context.Background()); err != nil {
				t.Errorf("ping %q: %v", schema, err)
			}
		})
	}
	all.Wait()
	d := dbtest.OpenURL(t, url)
	var schemas int
	err := d.Read.QueryRow(`select count(distinct schemaname) from pg_tables where tablename in ('river_job', 'run')`).Scan(&schemas)
	if err != nil || schemas != 3 {
		t.Errorf("tables in %d schemas, %v", schemas, err)
	}
	if err := d.Migrate(t.Context()); err != nil {
		t.Errorf("in the schema beside: %v", err)
	}
}

func TestMigrateReportsThatAnotherProcessHoldsItUp(t *testing.T) {
	url := dbtest.EmptyPostgresURL(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), `select pg_advisory_lock(hashtextextended('agentos migration of ' || current_schema(), 0))`)
	if err != nil {
		t.Fatal(err)
	}
	d := dbtest.OpenURL(t, url)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if err := d.Migrate(ctx); err == nil || !strings.Contains(err.Error(), "another process migrates the database") || !db.Temporary(err) {
		t.Errorf("error %v", err)
	}
	conn.Close(t.Context())
	if err := d.Migrate(t.Context()); err != nil {
		t.Errorf("after the other has gone: %v", err)
	}
}
