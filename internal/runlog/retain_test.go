package runlog

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
)

// writeLines puts n lines of about 200 bytes into the log of a run.
func writeLines(t testing.TB, s *fixture, run, n int) {
	t.Helper()
	exec1(t, s, `insert into run_log (run_id, job_id, agent, at_ms, level, msg)
		with recursive n(i) as (select 1 union all select i + 1 from n where i < `+by(s, `$2`, `cast($2 as bigint)`)+`)
		select cast($1 as bigint), 1, 'agent0', `+by(s, `unixepoch() * 1000`, `(extract(epoch from now()) * 1000)::bigint`)+`, 'info', '`+strings.Repeat("x", 200)+`' from n`, run, n)
}

// One sweep deletes all that is too much, however much came since the last one, while others write; and a SQLite file gives back what
// it does not need.
func TestSweepKeepsUpWithAnyInflow(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newFixture(t, database, 0, 0)
		s.sweeper.keep.logs.rows = 5_000
		var largest int64
		for round := range 3 {
			writeLines(t, s, round, 40_000)
			if database.Kind == db.SQLite {
				exec1(t, s, `pragma wal_checkpoint(truncate)`)
				largest = max(largest, sizeOfFile(t, database.Path))
			}
			stopped, wrote := make(chan struct{}), make(chan time.Duration)
			go func() { // who writes meanwhile waits for no more than a transaction
				longest := time.Duration(0)
				for {
					began := time.Now()
					exec1(t, s, `insert into task_lease (task, holder, until_ms) values ('test', '', 0) on conflict (task) do update set until_ms = task_lease.until_ms + 1`)
					longest = max(longest, time.Since(began))
					select {
					case <-stopped:
						wrote <- longest
						return
					case <-time.After(time.Millisecond):
					}
				}
			}()
			if err := s.sweeper.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			close(stopped)
			if longest := <-wrote; longest > 5*time.Second {
				t.Errorf("a write waited for %v", longest)
			}
			if n := one[int](t, s, `select count(*) from run_log`); n > 5_000 || n < 4_000 {
				t.Errorf("%d lines are left", n)
			}
		}
		if n := one[int64](t, s, `select until_ms from task_lease where task = 'test'`); n < 10 {
			t.Errorf("%d writes beside three sweeps", n)
		}
		if database.Kind == db.SQLite {
			exec1(t, s, `pragma wal_checkpoint(truncate)`)
			if size := sizeOfFile(t, database.Path); size > 18<<20 || size > largest {
				t.Errorf("the file has %d bytes, at most it had %d", size, largest)
			}
		}
	})
}

func sizeOfFile(t testing.TB, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func TestSweepKeepsBytesWithinBounds(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newFixture(t, database, 300_000, 1<<20)
		writeLines(t, s, 1, 10_000)
		run := func(rolled int, result string) int64 {
			var id int64
			err := database.Write.QueryRow(`insert into run (job_id, attempt, max_attempts, agent, queue, worker, outcome, scheduled_ms, started_ms, ended_ms, wait_ms, rolled, result)
				values (1, 1, 1, 'agent0', 'agent0', 'w', 'ok', 1, 1, $1, 0, $2, $3) returning id`, time.Now().UnixMilli(), rolled, result).Scan(&id)
			if err != nil {
				t.Fatal(err)
			}
			return id
		}
		first := run(0, "not summed up yet: it stays, and holds nothing up")
		for range 20 {
			run(1, strings.Repeat("r", 100_000))
		}
		if err := s.sweeper.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := one[int](t, s, `select count(*) from run_log`); n > 1_000 || n < 900 {
			t.Errorf("%d lines of 300 bytes in 300 KB", n)
		}
		if n := one[int](t, s, `select count(*) from run where rolled = 1`); n != 10 {
			t.Errorf("%d runs of 100 KB in a megabyte", n)
		}
		if n := one[int](t, s, `select count(*) from run where id = $1`, first); n != 1 {
			t.Error("a run was deleted that is in no sum yet")
		}
		for range 5 { // lines that go in other ways are not counted forever
			exec1(t, s, `delete from run_log`)
			writeLines(t, s, 1, 900)
			if err := s.sweeper.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := one[int](t, s, `select count(*) from run_log`); n != 900 {
				t.Errorf("%d lines are left of 900 that may stay", n)
			}
		}
	})
}

func TestOneProcessSweeps(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		one, other := newFixture(t, database, 0, 0), newFixture(t, database, 0, 0)
		for _, step := range []struct {
			s    *fixture
			mine bool
		}{{one, true}, {other, false}, {one, true}} {
			if mine, err := step.s.sweeper.leaseSweep(t.Context()); err != nil || mine != step.mine {
				t.Errorf("%v, %v", mine, err)
			}
		}
		exec1(t, one, `update task_lease set until_ms = until_ms - $1`, 2*sweepLease.Milliseconds())
		if mine, err := other.sweeper.leaseSweep(t.Context()); err != nil || !mine {
			t.Errorf("the lease of a dead process: %v, %v", mine, err)
		}
	})
}
