package db

import (
	"context"
	"database/sql/driver"
	"sync/atomic"
)

// engine is all that a connection of the SQLite driver can do.
type engine interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// conn is a SQLite connection that is dropped when the path no longer leads to its file, or when it failed in a
// way that may lie in what it remembers of the file.
type conn struct {
	engine
	file       *file
	epoch      int
	broken     atomic.Bool
	statements statements
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.file.observer.observe(query, args)
	var result driver.Result
	var err error
	if st := c.statements.take(ctx, query); st != nil {
		result, err = st.ExecContext(ctx, args)
	} else {
		result, err = c.engine.ExecContext(ctx, query, args)
	}
	return result, c.judge(err)
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.file.observer.observe(query, args)
	var rows driver.Rows
	var err error
	if st := c.statements.take(ctx, query); st != nil {
		rows, err = st.query(ctx, args)
	} else {
		rows, err = c.engine.QueryContext(ctx, query, args)
	}
	return rows, c.judge(err)
}

func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.file.observer.observe("begin", nil)
	tx, err := c.engine.BeginTx(ctx, opts)
	return tx, c.judge(err)
}

func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	c.file.observer.observe(query, nil)
	stmt, err := c.engine.PrepareContext(ctx, query)
	return stmt, c.judge(err)
}

// ResetSession runs before a pooled connection is used again.
func (c *conn) ResetSession(ctx context.Context) error {
	if c.broken.Load() || c.file.recheck() != nil || c.file.current() != c.epoch {
		return driver.ErrBadConn
	}
	return c.engine.ResetSession(ctx)
}

// IsValid is asked before a connection goes back to its pool.
func (c *conn) IsValid() bool {
	return !c.broken.Load() && c.file.current() == c.epoch && c.engine.IsValid()
}

func (c *conn) Close() error {
	c.statements.close()
	return c.engine.Close()
}

// Unwrap gives the driver's own connection.
func (c *conn) Unwrap() driver.Conn { return c.engine }

func (c *conn) judge(err error) error {
	if damaged(err) {
		c.broken.Store(true)
	}
	return err
}
