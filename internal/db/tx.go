package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// rollbackDeadline bounds the end of a transaction whose caller has no time left.
const rollbackDeadline = time.Second

// errBroken is what becomes of a transaction whose connection the driver gave up.
var errBroken = errors.New("the connection to the database broke during the transaction")

// Tx is a writing transaction, used by one goroutine. It works like *sql.Tx; SQLite and Postgres give River the same
// transaction in the driver's own form. Close the rows of one statement before the next: Postgres needs it.
type Tx struct {
	ctx    context.Context // for Commit, as in *sql.Tx
	lite   *sql.Tx         // SQLite only
	conn   *sql.Conn       // Postgres only: lends pg's connection to statements of ours
	pg     pgx.Tx
	broken bool // the connection is no longer ours
	done   bool
}

// Begin begins a transaction that writes. Unlike one of database/sql, it does not end by itself when ctx does: always
// defer Rollback.
func (d *DB) Begin(ctx context.Context) (*Tx, error) {
	if d.Kind == SQLite {
		tx, err := d.Write.BeginTx(ctx, nil)
		if err != nil {
			return nil, err
		}
		return &Tx{ctx: ctx, lite: tx}, nil
	}
	conn, err := d.Write.Conn(ctx)
	if err != nil {
		return nil, err
	}
	t := &Tx{ctx: ctx, conn: conn}
	err = conn.Raw(func(raw any) (err error) {
		t.pg, err = raw.(*stdlib.Conn).Conn().Begin(ctx)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, ignoreClosed(conn.Close()))
	}
	return t, nil
}

// SQLite is the transaction for River's SQLite driver; nil on Postgres.
func (t *Tx) SQLite() *sql.Tx { return t.lite }

// Postgres is the transaction for River's Postgres driver; nil on SQLite.
func (t *Tx) Postgres() pgx.Tx { return t.pg }

// ExecContext runs a statement that gives no rows.
func (t *Tx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if t.lite != nil {
		return t.lite.ExecContext(ctx, query, args...)
	}
	if err := t.usable(ctx); err != nil {
		return nil, err
	}
	result, err := t.conn.ExecContext(ctx, query, args...)
	return result, t.judge(ctx, err)
}

// QueryContext runs a statement that gives rows.
func (t *Tx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if t.lite != nil {
		return t.lite.QueryContext(ctx, query, args...)
	}
	if err := t.usable(ctx); err != nil {
		return nil, err
	}
	rows, err := t.conn.QueryContext(ctx, query, args...)
	return rows, t.judge(ctx, err)
}

// QueryRowContext runs a statement that gives at most one row. Its errors come with Scan.
func (t *Tx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if t.lite != nil {
		return t.lite.QueryRowContext(ctx, query, args...)
	}
	row := t.conn.QueryRowContext(ctx, query, args...)
	_ = t.judge(ctx, row.Err()) // Scan gives it
	return row
}

// Commit ends the transaction and keeps what it did. After an error it is unknown whether it was kept, unless the error
// is Postgres's own.
func (t *Tx) Commit() error {
	if t.lite != nil {
		return t.lite.Commit()
	}
	if t.done {
		return sql.ErrTxDone
	}
	t.done = true
	if t.broken {
		return errBroken
	}
	return errors.Join(t.pg.Commit(t.ctx), ignoreClosed(t.conn.Close()))
}

// Rollback ends the transaction and keeps nothing. After Commit it returns sql.ErrTxDone and does nothing.
func (t *Tx) Rollback() error {
	if t.lite != nil {
		return t.lite.Rollback()
	}
	if t.done {
		return sql.ErrTxDone
	}
	t.done = true
	if t.broken {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), rollbackDeadline)
	defer cancel()
	return errors.Join(t.pg.Rollback(ctx), ignoreClosed(t.conn.Close()))
}

func (t *Tx) usable(ctx context.Context) error {
	switch {
	case t.done:
		return sql.ErrTxDone
	case t.broken:
		return errBroken
	}
	return ctx.Err() // the driver would give up the connection for it
}

// judge notes that database/sql has dropped the connection, and returns the reason as an error of ours.
func (t *Tx) judge(ctx context.Context, err error) error {
	if !errors.Is(err, driver.ErrBadConn) {
		return err
	}
	t.broken = true
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w: %w", errBroken, err)
}

func ignoreClosed(err error) error {
	if errors.Is(err, sql.ErrConnDone) {
		return nil
	}
	return err
}
