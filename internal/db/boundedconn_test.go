package db_test

import (
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
)

// TestConnectionsOutliveTheTimeOfTheirDial runs a statement that takes longer than a connection may take to be made, on a
// connection of every kind that is made.
func TestConnectionsOutliveTheTimeOfTheirDial(t *testing.T) {
	t.Parallel()
	url := dbtest.PostgresURL(t)
	own := dbtest.OpenURL(t, url)
	reading, err := db.Attach(url, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Close()
	writing, err := db.AttachWriting(url, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer writing.Close()
	config, err := db.ConnConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	single, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer single.Close(t.Context())

	const long = `select pg_sleep(3.2)`
	var all sync.WaitGroup
	for name, run := range map[string]func() error{
		"of our own, to write": func() error { _, err := own.Write.ExecContext(t.Context(), long); return err },
		"of our own, to read":  func() error { _, err := own.Read.ExecContext(t.Context(), long); return err },
		"attached, to read":    func() error { _, err := reading.Read.ExecContext(t.Context(), long); return err },
		"attached, to write":   func() error { _, err := writing.Write.ExecContext(t.Context(), long); return err },
		"by the configuration": func() error { _, err := single.Exec(t.Context(), long); return err },
	} {
		all.Go(func() {
			if err := run(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	all.Wait()
}
