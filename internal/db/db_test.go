package db_test

import (
	"context"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
)

func openFresh(t testing.TB, path string) *db.DB {
	t.Helper()
	d, err := db.Open(context.Background(), "sqlite://"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestTiming(t *testing.T) {
	path := t.TempDir() + "/a.db"
	begin := time.Now()
	d := openFresh(t, path)
	t.Log("fresh", time.Since(begin))
	d.Close()
	begin = time.Now()
	d = openFresh(t, path)
	t.Log("existing", time.Since(begin))
}
