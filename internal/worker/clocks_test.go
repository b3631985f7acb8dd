package worker

import (
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
)

func TestWorkersWhoseClocksAreOff(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, agents(sh("quick", "true")))
		now := time.Now()
		insertWorker(t, s, "worker-behind-1-aa", now)
		insertWorker(t, s, "worker-right-2-bb", now)
		exec1(t, s, `update worker set ahead_ms = -30200 where id = 'worker-behind-1-aa'`)
		exec1(t, s, `update worker set ahead_ms = 900 where id = 'worker-right-2-bb'`)
		off, here, err := s.Clocks(t.Context())
		if err != nil || len(off) != 1 || off["worker-behind-1-aa"] != -30200*time.Millisecond || here.Abs() > engine.SkewReported {
			t.Errorf("clocks %v, this one %v, %v", off, here, err)
		}
		workers, err := s.Workers(t.Context())
		if err != nil || len(workers) != 3 {
			t.Fatalf("workers %+v, %v", workers, err)
		}
		for _, w := range workers {
			if behind := w.ID == "worker-behind-1-aa"; behind != (w.SkewS != nil) || behind && *w.SkewS != -30 {
				t.Errorf("%s is said to be off by %v", w.ID, w.SkewS)
			}
		}
		// Each heartbeat measures its own: at the start, and again.
		measured := func() int64 { return one[int64](t, s, `select ahead_ms from worker where id = $1`, s.Worker()) }
		if first := measured(); first > 3000 || first < -3000 {
			t.Errorf("this worker's clock is said to be off by %d ms", first)
		}
		exec1(t, s, `update worker set ahead_ms = 60000 where id = $1`, s.Worker())
		until(t, "the clock is compared again", func() bool { now := measured(); return now < 3000 && now > -3000 })
	})
}
