package db_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/agentos/agentos/internal/db"
)

// A file of an earlier version cannot shrink before it is compacted, which a start does if there is little in it.
func TestFilesShrink(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "agentos.db")
	d, err := db.Open(ctx, "sqlite://"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	exec := func(statement string) {
		t.Helper()
		if _, err := d.Write.ExecContext(ctx, statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	size := func() int64 {
		t.Helper()
		exec(`pragma wal_checkpoint(truncate)`)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	fill := func() {
		t.Helper()
		exec(`insert into large (data) with recursive n(i) as (select 1 union all select i + 1 from n where i < 4000) select randomblob(10000) from n`)
		exec(`delete from large where id > 100`)
	}
	exec(`pragma auto_vacuum = none`)
	exec(`vacuum`) // as an earlier version made it
	exec(`create table large (id integer primary key, data blob)`)
	fill()
	if err := d.Shrink(ctx); err != nil || size() < 38<<20 {
		t.Fatalf("%d bytes, %v", size(), err)
	}
	if done, err := d.Compact(ctx, false); err != nil || !done || size() > 2<<20 {
		t.Fatalf("compacted: %v, %v, %d bytes", done, err, size())
	}
	for range 2 {
		fill()
		if err := d.Shrink(ctx); err != nil || size() > 25<<20 {
			t.Errorf("%d bytes after it shrank, %v", size(), err)
		}
	}
	if done, err := d.Compact(ctx, true); err != nil || !done || size() > 4<<20 {
		t.Errorf("compacted because somebody asked for it: %v, %v, %d bytes", done, err, size())
	}
	fresh, err := db.Open(ctx, "sqlite://"+filepath.Join(t.TempDir(), "fresh.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	var mode int
	if err := fresh.Write.QueryRowContext(ctx, `pragma auto_vacuum`).Scan(&mode); err != nil || mode != 2 {
		t.Errorf("a new file: auto_vacuum %d, %v", mode, err)
	}
}
