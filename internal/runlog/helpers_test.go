package runlog

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/rollup"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(dbtest.Main(m)) }

// fixture is what keeps, reads and deletes the logs of a database.
type fixture struct {
	*Reader
	db      *db.DB
	logs    *Book
	sweeper *Sweeper
}

var fixtures atomic.Int64

func newFixture(t testing.TB, d *db.DB, logBytes, runBytes int64) *fixture {
	t.Helper()
	sweeper := NewSweeper(d, rollup.New(d), fmt.Sprint("process ", fixtures.Add(1)), logBytes, runBytes)
	logs := New(d, func(string, error) {}, func(bool) {})
	return &fixture{Reader: NewReader(d, nil, sweeper.LogsKept()), db: d, logs: logs, sweeper: sweeper}
}

// one reads a single value.
func one[T any](t testing.TB, s *fixture, query string, args ...any) (value T) {
	t.Helper()
	if err := s.db.Read.QueryRowContext(t.Context(), query, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

func exec1(t testing.TB, s *fixture, query string, args ...any) {
	t.Helper()
	if _, err := s.db.Write.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// by picks the statement for a service's database.
func by(s *fixture, sqlite, postgres string) string {
	if s.db.Kind == db.Postgres {
		return postgres
	}
	return sqlite
}

// until polls a condition for as long as a slow machine may need.
func until(t testing.TB, what string, met func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !met() {
		select {
		case <-deadline:
			t.Fatalf("timed out waiting: %s", what)
		case <-tick.C:
		}
	}
}
