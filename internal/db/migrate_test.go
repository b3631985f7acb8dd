package db_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
)

func TestMigrateBringsRiverToTheVersionOfItsRelease(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		if d.Kind == db.Postgres {
			wantRelease(t, riverpgxv5.New(d.Pool))
		} else {
			wantRelease(t, riversqlite.New(d.Write))
		}
	})
}

func wantRelease[TTx any](t *testing.T, driver riverdriver.Driver[TTx]) {
	t.Helper()
	migrator, err := rivermigrate.New(driver, nil)
	if err != nil {
		t.Fatal(err)
	}
	result, err := migrator.Validate(t.Context(), nil)
	if err != nil || !result.OK {
		t.Errorf("River's tables are not those of its release: %+v, %v", result, err)
	}
}

func TestMigrateRefusesANewerSchema(t *testing.T) {
	for _, table := range []string{
		`insert into agentos_migration (version, name, applied_ms) values (9999, 'future', 0)`,
		`insert into agentos_migration (version, name, applied_ms, compatible_to) values (9999, 'future', 0, 9998)`,
		`insert into river_migration (line, version) values ('main', 9999)`,
	} {
		dbtest.Each(t, func(t *testing.T, d *db.DB) {
			exec(t, d, table)
			err := d.Migrate(t.Context())
			if err == nil || !strings.Contains(err.Error(), "newer agentos") || db.Temporary(err) {
				t.Errorf("after %s: %v", table, err)
			}
		})
	}
}

func TestMigrateWorksWithANewerSchemaThatAllowsIt(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		exec(t, d, `insert into agentos_migration (version, name, applied_ms, compatible_to) values (9998, 'future', 0, 1), (9999, 'future', 0, 3)`)
		if err := d.Migrate(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestMigrateRefusesAForeignDatabase(t *testing.T) {
	eachEmpty(t, func(t *testing.T, url string) {
		d := dbtest.OpenURL(t, url)
		exec(t, d, `create table river_migration (line text, version integer)`)
		if err := d.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "belongs to another program") || db.Temporary(err) {
			t.Errorf("error %v", err)
		}
		if _, err := d.Write.ExecContext(t.Context(), `select * from agentos_migration`); err == nil {
			t.Error("it left something in there")
		}
	})
}

func TestMigrateManyAtOnce(t *testing.T) {
	eachEmpty(t, func(t *testing.T, url string) {
		var wait sync.WaitGroup
		for range 8 {
			d := dbtest.OpenURL(t, url)
			wait.Go(func() {
				if err := d.Migrate(context.Background()); err != nil {
					t.Errorf("migrate beside others: %v", err)
				}
				var steps, twice int
				err := d.Read.QueryRow(`select count(*), count(*) - count(distinct version) from agentos_migration`).Scan(&steps, &twice)
				if err != nil || steps < 3 || twice != 0 {
					t.Errorf("%d steps, %d of them twice, %v", steps, twice, err)
				}
			})
		}
		wait.Wait()
	})
}

func TestMigrateAgainChangesNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		what := func() (all string) {
			rows, err := d.Read.Query(`select version, name, applied_ms, compatible_to from agentos_migration order by version`)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			for rows.Next() {
				var version, applied, compatible int64
				var name string
				if err := rows.Scan(&version, &name, &applied, &compatible); err != nil {
					t.Fatal(err)
				}
				all += fmt.Sprintln(version, name, applied, compatible)
			}
			return all
		}
		before := what()
		if err := d.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if after := what(); after != before || strings.Count(after, "\n") < 3 {
			t.Errorf("%s\nbecame %s", before, after)
		}
	})
}
