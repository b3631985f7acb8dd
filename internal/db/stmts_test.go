package db_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

func TestTheSameStatementInsideItself(t *testing.T) {
	d := openMigrated(t, filepath.Join(t.TempDir(), "agentos.db"))
	for i := range 3 {
		exec(t, d, `insert into schedule (agent, spec, next_ms) values ($1, '', $1)`, i)
	}
	tx, err := d.Write.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	const query = `select next_ms from schedule where next_ms >= $1 order by next_ms`
	var got []int
	outer, err := tx.Query(query, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer outer.Close()
	for outer.Next() {
		var n, m int
		if err := outer.Scan(&n); err != nil {
			t.Fatal(err)
		}
		if err := tx.QueryRow(query, n).Scan(&m); err != nil || m != n {
			t.Errorf("inside %d: %d, %v", n, m, err)
		}
		got = append(got, n)
	}
	if fmt.Sprint(got) != "[0 1 2]" {
		t.Errorf("outside: %v", got)
	}
}

func TestMoreStatementsThanAreKept(t *testing.T) {
	d := openMigrated(t, filepath.Join(t.TempDir(), "agentos.db"))
	for round := range 2 {
		for i := range 600 {
			var n int
			if err := d.Read.QueryRow(fmt.Sprintf(`select %d + $1`, i), round).Scan(&n); err != nil || n != i+round {
				t.Fatalf("%d, %v; want %d", n, err, i+round)
			}
		}
	}
}

func TestAKeptStatementSeesANewColumn(t *testing.T) {
	d := openMigrated(t, filepath.Join(t.TempDir(), "agentos.db"))
	exec(t, d, `insert into schedule (agent, spec, next_ms) values ('a', '', 0)`)
	columns := func() int {
		rows, err := d.Read.Query(`select * from schedule`)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		names, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			values := make([]any, len(names))
			for i := range values {
				values[i] = new(any)
			}
			if err := rows.Scan(values...); err != nil {
				t.Fatal(err)
			}
		}
		return len(names)
	}
	before := columns()
	exec(t, d, `alter table schedule add column more text`)
	if got := columns(); got != before+1 {
		t.Errorf("%d columns, want %d", got, before+1)
	}
}

func TestAKeptStatementSurvivesItsInterruption(t *testing.T) {
	d := openMigrated(t, filepath.Join(t.TempDir(), "agentos.db"))
	const query = `with recursive n(i) as (select 1 union all select i + 1 from n where i < $1) select count(*) from n`
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		var n int
		err := d.Read.QueryRowContext(ctx, query, 1_000_000_000).Scan(&n)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if err := d.Read.QueryRowContext(t.Context(), query, 10).Scan(&n); err != nil || n != 10 {
			t.Errorf("%d, %v", n, err)
		}
	}
}
