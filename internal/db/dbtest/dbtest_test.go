package dbtest_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(dbtest.Main(m)) }

func TestEachTestHasADatabaseOfItsOwn(t *testing.T) {
	for range 2 {
		dbtest.Each(t, func(t *testing.T, d *db.DB) {
			var n int
			if err := d.Read.QueryRowContext(t.Context(), `select count(*) from schedule`).Scan(&n); err != nil || n != 0 {
				t.Fatalf("%d rows, %v", n, err)
			}
			if _, err := d.Write.ExecContext(t.Context(), `insert into schedule (agent, spec, next_ms) values ('a', '', 0)`); err != nil {
				t.Fatal(err)
			}
		})
	}
}
