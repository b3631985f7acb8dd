package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
)

// What statements have in common that run on both databases.

// Collect reads all rows.
func Collect[T any](rows *sql.Rows, err error, scan func(*sql.Rows) (T, error)) ([]T, error) {
	if err != nil {
		return nil, Wrap(err)
	}
	defer rows.Close()
	all := []T{}
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, Wrap(rows.Err())
}

// ScanID scans rows of one number, for Collect.
func ScanID(rows *sql.Rows) (id int64, err error) { return id, rows.Scan(&id) }

// In says that a column is one of some ids, as the first parameters. Postgres takes them as one, so that lists of
// different lengths are one statement to it.
func (d *DB) In(column string, ids []int64) (condition string, args []any) {
	if d.Kind == Postgres {
		return column + " = any($1)", []any{ids}
	}
	args = make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	return column + " in " + Params(1, len(ids)), args
}

// Names makes one parameter of names: a list on Postgres, a JSON array on SQLite.
func (d *DB) Names(names iter.Seq[string]) any {
	all := slices.AppendSeq([]string{}, names)
	if d.Kind == Postgres {
		return all
	}
	text, _ := json.Marshal(all) // strings always encode
	return string(text)
}

// NowMS is the clock of the database, which all its users share, in milliseconds.
func (d *DB) NowMS() string {
	if d.Kind == Postgres {
		return `(extract(epoch from statement_timestamp()) * 1000)::bigint`
	}
	return `cast(unixepoch('subsec') * 1000 as integer)`
}

// ForUpdate ends a select whose rows are to stay as they are until the transaction ends. On SQLite they do.
func (d *DB) ForUpdate() string {
	if d.Kind == Postgres {
		return ` for update`
	}
	return ""
}

// InTx does something in a transaction that writes.
func (d *DB) InTx(ctx context.Context, do func(*Tx) error) error {
	tx, err := d.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// TryLock reports whether this transaction is the only one at some work of which there must be one at a time. On SQLite each
// that writes is.
func (d *DB) TryLock(ctx context.Context, tx *Tx, work string) (locked bool, err error) {
	if d.Kind != Postgres {
		return true, nil
	}
	err = tx.QueryRowContext(ctx, `select pg_try_advisory_xact_lock(hashtextextended('agentos ' || $1::text || ' of ' || current_schema(), 0))`, work).Scan(&locked)
	return locked, err
}

// Tuples returns rows of numbered parameters for an insert: ($1,$2),($3,$4).
func Tuples(rows, columns int) string {
	var b strings.Builder
	for i := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(Params(i*columns+1, columns))
	}
	return b.String()
}

// Params returns ($from,...) with n parameters.
func Params(from, n int) string {
	var b strings.Builder
	b.WriteByte('(')
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "$%d", from+i)
	}
	b.WriteByte(')')
	return b.String()
}

// Nullable is null for an empty text.
func Nullable(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// Ptr is nil for null.
func Ptr[T any](value sql.Null[T]) *T {
	if !value.Valid {
		return nil
	}
	return &value.V
}

// FromMS is the time that our own tables keep as milliseconds.
func FromMS(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
