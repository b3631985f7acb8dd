package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// readers is how many statements may read at the same time.
const readers = 4

func openSQLite(ctx context.Context, rawURL string, log *slog.Logger) (*DB, error) {
	path, err := sqlitePath(rawURL)
	if err != nil {
		return nil, err
	}
	if err := ensureFile(path); err != nil {
		return nil, err
	}
	d := &DB{Kind: SQLite, URL: rawURL, Path: path, log: log}
	d.file = &file{path: path, log: log, observer: &d.observer, release: d.closeIdle}
	d.Write = sql.OpenDB(d.file.connector(writerDSN(path)))
	d.Write.SetMaxOpenConns(1)
	d.Read = sql.OpenDB(d.file.connector(readerDSN(path)))
	d.Read.SetMaxOpenConns(readers)
	d.keepIdle()
	if err := d.tryWriter(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, Wrap(err)), d.Close())
	}
	return d, nil
}

// pingSQLite respects the context even while SQLite waits for a lock, which does not.
func (d *DB) pingSQLite(ctx context.Context) error {
	if err := d.file.check(); err != nil {
		return err
	}
	if err := access(d.Path); err != nil {
		return err
	}
	answer := make(chan error, 1)
	go func() { answer <- d.readVersion(ctx) }() // ends when SQLite gives up, after some seconds
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%s does not answer: %w", d.Path, context.Cause(ctx))
	}
}

func (d *DB) readVersion(ctx context.Context) error {
	var version int
	if err := d.Read.QueryRowContext(ctx, `select coalesce(max(version), 0) from agentos_migration`).Scan(&version); err != nil {
		return fmt.Errorf("read %s: %w", d.Path, Wrap(err))
	}
	return nil
}

// tryWriter makes SQLite read the file's header, which is where a file that is no database shows.
func (d *DB) tryWriter(ctx context.Context) error {
	var version int
	return d.Write.QueryRowContext(ctx, `pragma schema_version`).Scan(&version)
}

func (d *DB) closeIdle() {
	d.Read.SetMaxIdleConns(0)
	d.Write.SetMaxIdleConns(0)
	d.keepIdle()
}

func (d *DB) keepIdle() {
	d.Read.SetMaxIdleConns(readers)
	if !d.attached {
		d.Write.SetMaxIdleConns(1)
	}
}

func sqlitePath(rawURL string) (string, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", fmt.Errorf("database URL: %w: write sqlite:///path/agentos.db", err)
	}
	if u.Scheme != "sqlite" || u.Host != "" || u.Path == "" {
		return "", fmt.Errorf("database URL %q: write sqlite:///path/agentos.db or postgres://user:password@host/name", u.Redacted())
	}
	if u.Fragment != "" || u.RawQuery != "" || u.ForceQuery {
		return "", fmt.Errorf("database URL %q: write # and ? in a path as %%23 and %%3F", u.Redacted())
	}
	path, err := filepath.Abs(u.Path)
	if err != nil {
		return "", fmt.Errorf("database URL %q: %w", rawURL, err)
	}
	return path, nil
}

// ensureFile creates a missing file itself, because SQLite would make it readable for everybody. It must not open a file
// that exists: closing it again would drop the locks other connections of this process hold on it.
func ensureFile(path string) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("open %s: it is not a file", path)
	case err == nil:
		return access(path)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("open the database: %w", err)
	}
	created, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist): // another process was faster
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("create %s: the folder %s does not exist: make it, or choose another with --data", path, filepath.Dir(path))
	case err != nil:
		return fmt.Errorf("create the database: %w", err)
	}
	return created.Close()
}

func writerDSN(path string) string {
	return dsn(path, "_txlock=immediate", "_pragma=auto_vacuum(2)", "_pragma=journal_mode(WAL)", "_pragma=journal_size_limit(67108864)")
}

func readerDSN(path string) string { return dsn(path, "_pragma=query_only(1)") }

// dsn refuses to create the file: one that vanished must not come back empty.
func dsn(path string, more ...string) string {
	params := append([]string{
		"mode=rw", "_pragma=busy_timeout(5000)", "_pragma=synchronous(NORMAL)", "_pragma=foreign_keys(1)", "_pragma=cache_size(-8192)",
	}, more...)
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path}).String() + "?" + strings.Join(params, "&")
}
