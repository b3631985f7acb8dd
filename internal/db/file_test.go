package db_test

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
)

// marked opens a database whose schedule table holds one mark.
func marked(t *testing.T, path, mark string) *db.DB {
	t.Helper()
	d := openMigrated(t, path)
	exec(t, d, `insert into schedule (agent, spec, next_ms) values ($1, '', 0)`, mark)
	return d
}

func markOf(t *testing.T, pool *sql.DB) (mark string, err error) {
	t.Helper()
	return mark, pool.QueryRowContext(t.Context(), `select agent from schedule`).Scan(&mark)
}

// fails waits until statements on both pools fail, in time and with the text.
func fails(t *testing.T, d *db.DB, text string) {
	t.Helper()
	for _, pool := range []*sql.DB{d.Read, d.Write} {
		var err error
		until(t, "statements fail: "+text, func() bool {
			begin := time.Now()
			_, err = markOf(t, pool)
			if took := time.Since(begin); took > 7*time.Second {
				t.Fatalf("a statement hung for %v", took)
			}
			return err != nil
		})
		if !strings.Contains(err.Error(), text) || !db.Temporary(err) {
			t.Errorf("error %q (temporary %v), want %q", err, db.Temporary(err), text)
		}
	}
	if err := d.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("Ping says %v, want %q", err, text)
	}
}

// works waits until statements on both pools find the mark again.
func works(t *testing.T, d *db.DB, mark string) {
	t.Helper()
	until(t, "the database works with mark "+mark, func() bool {
		read, err1 := markOf(t, d.Read)
		written, err2 := markOf(t, d.Write)
		return err1 == nil && err2 == nil && read == mark && written == mark && d.Ping(t.Context()) == nil
	})
	exec(t, d, `update schedule set next_ms = next_ms + 1`)
}

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func TestMovedAwayAndBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agentos.db")
	d := marked(t, path, "mine")
	move(t, path, path+".away")
	fails(t, d, "the database file is gone")
	if _, err := os.Stat(path); err == nil {
		t.Error("the file was made again")
	}
	move(t, path+".away", path)
	works(t, d, "mine")
}

func TestDeletedWhileATransactionIsOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agentos.db")
	d := marked(t, path, "mine")
	tx, err := d.Write.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	move(t, path, path+".away")
	if err := d.Ping(t.Context()); err == nil {
		t.Error("Ping did not notice")
	}
	tx.Rollback()
	fails(t, d, "the database file is gone")
	move(t, path+".away", path)
	works(t, d, "mine")
}

// After a read has found the file gone, the connection that is still open takes no write.
func TestGoneForAllOnceOneKnows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agentos.db")
	d := marked(t, path, "mine")
	if err := d.Ping(t.Context()); err != nil { // the next check of open connections is checkEvery away
		t.Fatal(err)
	}
	move(t, path, path+".away")
	var held []*sql.Conn
	var err error
	for err == nil && len(held) < 4 { // so many readers there are at most
		var c *sql.Conn
		if c, err = d.Read.Conn(t.Context()); err == nil {
			held = append(held, c)
		}
	}
	if err == nil {
		t.Fatal("no new connection was needed")
	}
	if _, err := d.Write.ExecContext(t.Context(), `update schedule set next_ms = next_ms + 1`); err == nil {
		t.Error("written into a file that is gone")
	}
	for _, c := range held {
		c.Close()
	}
	move(t, path+".away", path)
	works(t, d, "mine")
}

// Another file in its place is for the next start, which finds it without anything of the old one's log.
func TestReplacedByAnotherDatabase(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "agentos.db")
	d := marked(t, path, "mine")
	marked(t, filepath.Join(dir, "other.db"), "theirs").Close()
	move(t, filepath.Join(dir, "other.db"), path)
	fails(t, d, "was replaced: restart agentos")
	d.Close()
	d = openMigrated(t, path)
	works(t, d, "theirs")
	var verdict string
	if err := d.Read.QueryRowContext(t.Context(), `pragma integrity_check`).Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity: %s, %v", verdict, err)
	}
}

func TestReplacedByGarbageAndBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agentos.db")
	d := marked(t, path, "mine")
	move(t, path, path+".away")
	if err := os.WriteFile(path, bytes.Repeat([]byte("garbage "), 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	fails(t, d, "was replaced")
	move(t, path+".away", path)
	works(t, d, "mine")
}

// An emptied file is an empty database to SQLite: without care, everything would be "no such table" for good.
func TestEmptiedAndRestored(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agentos.db")
	d := marked(t, path, "mine")
	exec(t, d, `pragma wal_checkpoint(truncate)`)
	backup, err := os.ReadFile(path) // closing it drops SQLite's locks; nobody else uses this file
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	until(t, "statements fail", func() bool {
		_, err := markOf(t, d.Read)
		return err != nil
	})
	if err := d.Ping(t.Context()); err == nil {
		t.Error("Ping did not notice")
	}
	for range 5 { // a new writer would make an empty database, and write that into the log
		if _, err := d.Write.ExecContext(t.Context(), `delete from schedule`); err == nil {
			t.Error("an emptied file was written to")
		}
	}
	if err := os.WriteFile(path, backup, 0o600); err != nil {
		t.Fatal(err)
	}
	works(t, d, "mine")
}

func TestReopenKeepsWorking(t *testing.T) {
	d := marked(t, filepath.Join(t.TempDir(), "agentos.db"), "mine")
	rows, err := d.Read.QueryContext(t.Context(), `select agent from schedule`) // holds a connection
	if err != nil {
		t.Fatal(err)
	}
	d.Reopen()
	rows.Close()
	works(t, d, "mine")
}
