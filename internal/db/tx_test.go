package db_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
)

const insertSchedule = `insert into schedule (agent, spec, next_ms) values ($1, '', 0)`

func begin(t *testing.T, d *db.DB) *db.Tx {
	t.Helper()
	tx, err := d.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Rollback() })
	return tx
}

func wantSchedules(t *testing.T, d *db.DB, want int) {
	t.Helper()
	var n int
	if err := d.Read.QueryRowContext(t.Context(), `select count(*) from schedule`).Scan(&n); err != nil || n != want {
		t.Errorf("%d rows, %v; want %d", n, err, want)
	}
}

func TestTransactionsKeepAllOrNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for _, keep := range []bool{false, true} {
			tx := begin(t, d)
			for _, agent := range []string{"a", "b"} {
				if _, err := tx.ExecContext(t.Context(), insertSchedule, agent); err != nil {
					t.Fatal(err)
				}
			}
			var n int
			if err := tx.QueryRowContext(t.Context(), `select count(*) from schedule`).Scan(&n); err != nil || n != 2 {
				t.Errorf("inside: %d rows, %v", n, err)
			}
			wantSchedules(t, d, 0) // nobody else sees them yet
			if !keep {
				if err := tx.Rollback(); err != nil {
					t.Errorf("Rollback() = %v", err)
				}
				wantSchedules(t, d, 0)
				continue
			}
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
			wantSchedules(t, d, 2)
			if err := tx.Rollback(); !errors.Is(err, sql.ErrTxDone) {
				t.Errorf("Rollback() after Commit() = %v", err)
			}
			if err := tx.Commit(); !errors.Is(err, sql.ErrTxDone) {
				t.Errorf("Commit() after Commit() = %v", err)
			}
		}
	})
}

func TestTransactionsAreOverWhenTheyAreOver(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		tx := begin(t, d)
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(t.Context(), insertSchedule, "late"); !errors.Is(err, sql.ErrTxDone) {
			t.Errorf("ExecContext() = %v", err)
		}
		if _, err := tx.QueryContext(t.Context(), `select 1`); !errors.Is(err, sql.ErrTxDone) {
			t.Errorf("QueryContext() = %v", err)
		}
		var n int
		if err := tx.QueryRowContext(t.Context(), `select 1`).Scan(&n); err == nil {
			t.Error("QueryRowContext() works")
		}
		wantSchedules(t, d, 0)
	})
}

// River writes in the same transaction, through the driver's own form of it.
func TestTransactionsAreSharedWithTheDriver(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		tx := begin(t, d)
		if _, err := tx.ExecContext(t.Context(), insertSchedule, "ours"); err != nil {
			t.Fatal(err)
		}
		var err error
		if d.Kind == db.Postgres {
			_, err = tx.Postgres().Exec(t.Context(), insertSchedule, "theirs")
		} else {
			_, err = tx.SQLite().ExecContext(t.Context(), insertSchedule, "theirs")
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		wantSchedules(t, d, 0)
	})
}

func TestATransactionOutlivesARefusedStatementOnlyToEnd(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		tx := begin(t, d)
		if _, err := tx.ExecContext(t.Context(), `insert into nothing values (1)`); err == nil || db.Temporary(err) {
			t.Errorf("error %v", err)
		}
		if err := tx.Rollback(); err != nil {
			t.Errorf("Rollback() = %v", err)
		}
		exec(t, d, insertSchedule, "after") // the connection is fine
		wantSchedules(t, d, 1)
	})
}

// A statement whose context has ended, before or during it, costs the transaction, not more.
func TestATransactionWhoseContextEnds(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ended, cancel := context.WithCancel(t.Context())
		tx, err := d.Begin(ended)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(ended, insertSchedule, "lost"); err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err := tx.ExecContext(ended, insertSchedule, "late"); !errors.Is(err, context.Canceled) && !errors.Is(err, sql.ErrTxDone) {
			t.Errorf("ExecContext() = %v", err)
		}
		if err := tx.Commit(); err == nil {
			t.Error("Commit() works")
		}
		tx.Rollback()
		exec(t, d, insertSchedule, "after")
		wantSchedules(t, d, 1)
	})
}
