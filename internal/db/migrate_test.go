package db_test

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/agentos/agentos/internal/db"
)

func TestMigrateBringsRiverToTheVersionOfItsRelease(t *testing.T) {
	d := openMigrated(t, filepath.Join(t.TempDir(), "agentos.db"))
	migrator, err := rivermigrate.New(riversqlite.New(d.Write), nil)
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
		`insert into river_migration (line, version) values ('main', 9999)`,
	} {
		d := openMigrated(t, filepath.Join(t.TempDir(), "agentos.db"))
		exec(t, d, table)
		err := d.Migrate(t.Context())
		if err == nil || !strings.Contains(err.Error(), "newer agentos") {
			t.Errorf("after %s: %v", table, err)
		}
	}
}

func TestMigrateRefusesAForeignDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.db")
	d, err := db.Open(t.Context(), "sqlite://"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	exec(t, d, `create table river_migration (line text, version integer)`)
	if err := d.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "belongs to another program") {
		t.Errorf("error %v", err)
	}
}

func TestMigrateManyAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agentos.db")
	var wait sync.WaitGroup
	for range 4 {
		d, err := db.Open(t.Context(), "sqlite://"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		wait.Go(func() {
			if err := d.Migrate(t.Context()); err != nil {
				t.Errorf("migrate beside others: %v", err)
			}
		})
	}
	wait.Wait()
}
