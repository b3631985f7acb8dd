package river

import (
	"errors"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
)

// Counts that would cost more than they are worth stop somewhere, and say so.
func TestCountsThatStopSaySo(t *testing.T) {
	s := newReader(t, dbtest.Postgres(t), fleetOf(t, agents(sh("common", "true", "queue: both"), sh("rare", "true", "queue: both"))+
		"queues:\n  both: {concurrency: 4}\n"))
	few := func() (engine.Today, engine.AgentStats, engine.Failure) {
		t.Helper()
		today, err1 := s.Today(t.Context())
		stats, err2 := s.Agents(t.Context())
		failures, err3 := s.Failures(t.Context(), 1)
		if err := errors.Join(err1, err2, err3); err != nil || len(failures) != 1 {
			t.Fatalf("%d failures, %v", len(failures), err)
		}
		return today, *stats["common"], failures[0]
	}
	fail := func(n int) {
		exec1(t, s, `insert into run (job_id, attempt, max_attempts, agent, queue, worker, outcome, scheduled_ms, started_ms, ended_ms, wait_ms, fingerprint)
			select n, 1, 1, 'common', 'both', 'w', 'failed', $2, $2, $2, 0, 'same' from generate_series(1, $1::int) n`, n, time.Now().UnixMilli())
	}
	fill(t, s, maxCancelled+maxByKind)
	exec1(t, s, `update river_job set state = 'available', finalized_at = null, queue = 'both' where id % 10 = 1`)
	fail(1)
	if today, common, failure := few(); today.Capped || common.Capped || failure.Capped || common.Waiting == 0 {
		t.Errorf("%+v, %+v, %+v", today, common, failure)
	}
	exec1(t, s, `update river_job set state = 'cancelled', finalized_at = now() where id > $1`, maxByKind)
	exec1(t, s, `update river_job set state = 'available', finalized_at = null, queue = 'both' where id <= $1`, maxByKind)
	fail(maxSimilar)
	today, common, failure := few()
	if !today.Capped || *today.Cancelled != maxCancelled || !common.Capped || common.Waiting != maxByKind*9/10 || !failure.Capped || failure.Similar24h != maxSimilar {
		t.Errorf("%+v, %+v, %+v", today, common, failure)
	}
}
