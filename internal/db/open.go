package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Kind is what sort of database it is, for the few statements that differ.
type Kind string

// The kinds.
const (
	SQLite   Kind = "sqlite"
	Postgres Kind = "postgres"
)

// DB is an open database.
type DB struct {
	Kind Kind
	// Write is SQLite's one writer, where every transaction takes the write lock when it begins, so keep them short; on
	// Postgres it lends the connections of Pool. Begin a transaction with DB.Begin.
	Write *sql.DB
	Read  *sql.DB       // refuses to write
	Pool  *pgxpool.Pool // Postgres only, for River and listeners; nil on SQLite
	URL   string        // without password
	Path  string        // of the SQLite file, absolute; empty on Postgres

	attached bool // another program's: only read
	log      *slog.Logger
	observer observer
	file     *file   // SQLite only
	server   *server // Postgres only
}

// Open opens the database of a URL: "sqlite:///var/lib/agentos/agentos.db" or "postgres://user:password@host/name".
//
// A missing SQLite file is created, readable for its owner alone; its folder must exist. A Postgres server must answer
// within 5 s; an error that is Temporary may be gone at the next try, any other needs somebody to change something.
//
// Call Migrate before using it. A nil log discards.
func Open(ctx context.Context, rawURL string, log *slog.Logger) (*DB, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if isPostgres(rawURL) {
		return openPostgres(ctx, rawURL, log)
	}
	return openSQLite(ctx, rawURL, log)
}

// Prepare is Open for processes that must start while the database is away: a Postgres server is not asked anything yet,
// and the first statements fail until it answers. A SQLite file is opened.
func Prepare(ctx context.Context, rawURL string, log *slog.Logger) (*DB, error) {
	if !isPostgres(rawURL) {
		return Open(ctx, rawURL, log)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return preparePostgres(rawURL, log)
}

// Close closes both pools and waits for statements under way.
func (d *DB) Close() error {
	err := d.Read.Close()
	if !d.attached { // else Write is Read
		err = errors.Join(err, d.Write.Close())
	}
	if d.server != nil {
		return errors.Join(err, d.server.close())
	}
	return errors.Join(err, d.file.setAside())
}

// Ping reports whether the database can be worked with.
//
// SQLite: whether the file is there, is the one that was opened, can be opened again, and holds our tables. Open
// connections alone do not show that: they go on working on a file that was deleted. Postgres: whether it answers, takes
// writes, and holds our tables.
//
// It never takes longer than the context.
func (d *DB) Ping(ctx context.Context) error {
	if d.attached {
		return d.pingAttached(ctx)
	}
	if d.Kind == Postgres {
		return d.pingPostgres(ctx)
	}
	return d.pingSQLite(ctx)
}

// Describe names the database for people: "SQLite", or "Postgres 15.4 at host:port/name".
func (d *DB) Describe() string {
	if d.Kind == Postgres {
		return d.server.describe()
	}
	return "SQLite"
}

// Reopen drops every connection, so that each further statement opens the file or calls the server again. Statements under
// way end first.
func (d *DB) Reopen() {
	if d.Kind == Postgres {
		d.server.reset()
		return
	}
	d.file.drop("asked to")
}

// Statements counts the SQL statements executed since Open, those of River included, for tests that must show there were
// none.
func (d *DB) Statements() uint64 { return d.observer.statements.Load() }

// Trace calls a function before each statement of either pool, for tests and for finding out what is slow. It may be
// called from many goroutines. Nil ends that.
func (d *DB) Trace(observe func(query string, args []driver.NamedValue)) {
	if observe == nil {
		d.observer.trace.Store(nil)
		return
	}
	d.observer.trace.Store(&observe)
}
