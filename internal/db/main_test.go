package db_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
)

// The test binary also is the process that may not read a file, see TestOpenSaysWhatIsWrong.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "open" {
		d, err := db.Open(context.Background(), "sqlite://"+os.Args[2], nil)
		fmt.Println(err)
		if err == nil {
			d.Close()
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(dbtest.Main(m))
}

func openMigrated(t testing.TB, path string) *db.DB {
	t.Helper()
	d, err := db.Open(context.Background(), "sqlite://"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	if err := d.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	return d
}

// eachEmpty runs a test with the URL of a database of each kind that holds nothing.
func eachEmpty(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, dbtest.URL(filepath.Join(t.TempDir(), "agentos.db"))) })
	t.Run("postgres", func(t *testing.T) { test(t, dbtest.EmptyPostgresURL(t)) })
}

func exec(t testing.TB, d *db.DB, statement string, args ...any) {
	t.Helper()
	if _, err := d.Write.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

// until polls a condition for as long as a slow machine may need.
func until(t testing.TB, what string, met func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !met() {
		select {
		case <-deadline:
			t.Fatalf("timed out waiting: %s", what)
		case <-tick.C:
		}
	}
}
