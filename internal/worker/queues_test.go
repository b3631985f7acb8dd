package worker

import (
	"testing"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
)

func TestPendingJobsAreCounted(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newService(t, database, "", fleetOf(t, agents(sh("quick", "true"), sh("left", "true", "queue: both"), sh("right", "true", "queue: both"))+"queues:\n  both: {concurrency: 2}\n"))
		for range 5 {
			enqueue(t, s, "quick")
			enqueue(t, s, "left")
		}
		exec1(t, s, `update river_job set state = 'pending'`)
		queues, err := s.Queues(t.Context())
		if err != nil || *queues[0].Parked != 5 || *queues[0].Pending != 0 || *queues[1].Parked != 5 {
			t.Errorf("queues: %+v, %v", queues, err)
		}
		agents, err := s.Agents(t.Context())
		if err != nil || agents["quick"].Parked != 5 || agents["left"].Parked != 5 || agents["right"].Parked != 0 {
			t.Errorf("agents: %+v, %v", agents, err)
		}
	})
}
