package worker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
)

// many is a fleet of n agents, each with a queue of its own.
func many(n int) string {
	var b strings.Builder
	b.WriteString("agents:\n")
	for i := range n {
		b.WriteString(sh(fmt.Sprintf("agent-%d", i), "true"))
	}
	return b.String()
}

// What an idle worker asks of Postgres must not grow with the number of its agents.
func TestAnIdleWorkerCostsTheSameWithManyAgents(t *testing.T) {
	t.Parallel()
	few, lots := idleWorker(t, 10), idleWorker(t, 300)
	<-time.After(2 * time.Second) // the starts are over, and Postgres has counted them
	const span = 4 * time.Second
	var fewRate, lotsRate float64
	for range 3 { // on a busy machine a start takes its time, and Postgres counts in steps
		fewBefore, lotsBefore := transactions(t, few), transactions(t, lots)
		<-time.After(span)
		fewRate = float64(transactions(t, few)-fewBefore) / span.Seconds()
		lotsRate = float64(transactions(t, lots)-lotsBefore) / span.Seconds()
		t.Logf("transactions a second: %.1f with 10 agents, %.1f with 300", fewRate, lotsRate)
		if lotsRate <= 2*fewRate {
			return
		}
	}
	t.Errorf("%.1f transactions a second with 300 agents, %.1f with 10", lotsRate, fewRate)
}

// idleWorker returns the database of a worker with n agents that has run a job and has nothing more to do.
func idleWorker(t *testing.T, n int) *db.DB {
	t.Helper()
	d := dbtest.OpenURL(t, dbtest.PostgresURL(t))
	s := start(t, d, many(n))
	untilState(t, s, enqueue(t, s, fmt.Sprintf("agent-%d", n-1)).ID, "completed")
	return d
}

func transactions(t *testing.T, d *db.DB) (n int64) {
	t.Helper()
	err := d.Read.QueryRowContext(t.Context(), `select xact_commit + xact_rollback from pg_stat_database where datname = current_database()`).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A job that nobody announced, because it came by plain SQL, must still run within seconds.
func TestAJobThatNobodyAnnouncedRuns(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, many(20))
		for _, queue := range []string{"agent-7", "default"} {
			exec1(t, s, `insert into river_job (kind, queue, args, max_attempts) values ('agent-7', $1, '{}', 1)`, queue)
			id := one[engine.ID](t, s, `select max(id) from river_job`)
			began := time.Now()
			untilState(t, s, id, "completed")
			t.Logf("%s: after %v", queue, time.Since(began))
		}
	})
}
