// Package dbtest gives each test a database of its own: SQLite, Postgres, or each of them in turn.
package dbtest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/agentos/agentos/internal/db"
)

// template is a migrated, closed database, made once a process.
var template = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "agentos-template-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "template.db")
	d, err := db.Open(context.Background(), "sqlite://"+path, nil)
	if err != nil {
		return nil, err
	}
	if err := d.Migrate(context.Background()); err != nil {
		return nil, err
	}
	if err := d.Close(); err != nil { // moves the write-ahead log into the file
		return nil, err
	}
	return os.ReadFile(path)
})

// New returns a migrated SQLite database in a folder of the test's own. It is closed when the test ends.
func New(t testing.TB) *db.DB {
	t.Helper()
	return Open(t, Path(t))
}

// Path returns where a migrated database lies that nobody has opened, for tests with several processes.
func Path(t testing.TB) string {
	t.Helper()
	content, err := template()
	if err != nil {
		t.Fatalf("make the template database: %v", err)
	}
	path := filepath.Join(t.TempDir(), "agentos.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Open opens the SQLite database at a path and closes it when the test ends.
func Open(t testing.TB, path string) *db.DB {
	t.Helper()
	return OpenURL(t, URL(path))
}

// URL names the SQLite database at a path, whatever is in the path.
func URL(path string) string { return (&url.URL{Scheme: "sqlite", Path: path}).String() }

// OpenURL opens the database of a URL and closes it when the test ends.
func OpenURL(t testing.TB, url string) *db.DB {
	t.Helper()
	d, err := db.Open(context.Background(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close the database: %v", err)
		}
	})
	return d
}

// AnotherFleet makes d the database of a fleet of its own: those of tests are copies of one, with its identity.
func AnotherFleet(t testing.TB, d *db.DB) *db.DB {
	t.Helper()
	if _, err := d.Write.ExecContext(context.Background(), `update fleet_identity set id = $1`, strings.ToLower(rand.Text())); err != nil {
		t.Fatal(err)
	}
	return d
}
