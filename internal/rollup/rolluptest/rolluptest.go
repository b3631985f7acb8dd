// Package rolluptest writes attempts for tests of their sums.
package rolluptest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
)

var outcomes = []string{"ok", "ok", "ok", "ok", "failed", "timeout", "cancelled", "lost"}

// InsertRuns writes ended runs of the last day and a half, in no order.
func InsertRuns(t testing.TB, d *db.DB, random *rand.Rand, n int) {
	t.Helper()
	tx, err := d.Write.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	now := time.Now().UnixMilli()
	for range n {
		ended := now - random.Int64N(36*3600*1000)
		ran := int64(math.Exp(random.Float64() * 12)) // 1 ms to 160 s
		name := fmt.Sprintf("agent%d", random.IntN(3))
		_, err := tx.Exec(`insert into run (job_id, attempt, max_attempts, agent, queue, worker, outcome, scheduled_ms, started_ms,
			ended_ms, wait_ms, run_ms, input_tokens, cost_usd) values (1, 1, 1, $1, $2, 'w', $3, $4, $4, $5, $6, $7, $8, 0.25)`,
			name, []string{name, "default"}[random.IntN(2)], outcomes[random.IntN(len(outcomes))],
			ended-ran, ended, random.Int64N(5000), ran, random.IntN(100))
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}
