package attach

import (
	"testing"
	"time"

	"github.com/agentos/agentos/internal/engine"
)

func TestPendingJobsAreCounted(t *testing.T) {
	eachSite(t, func(t *testing.T, site *site) {
		for range 20 {
			site.insert(t, job{kind: "gate", queue: "held", state: "pending", created: time.Now()})
		}
		site.insert(t, job{kind: "gate", queue: "held", state: "available"})
		s := site.begun(t, nil)
		queues, err := firstOf(t, s.Queues)
		if err != nil || len(queues) != 1 || *queues[0].Parked != 20 || *queues[0].Pending != 1 {
			t.Errorf("queues: %+v, %v", queues, err)
		}
		agents, err := firstOf(t, s.Agents)
		if err != nil || agents["gate"] == nil || agents["gate"].Parked != 20 || agents["gate"].Waiting != 1 {
			t.Errorf("agents: %+v, %v", agents["gate"], err)
		}
		page, err := s.List(t.Context(), engine.Filter{States: []engine.State{"pending"}, Limit: 30})
		if err != nil || len(page.Jobs) != 20 {
			t.Errorf("the list has %d jobs, %v", len(page.Jobs), err)
		}
	})
}

// Of ten thousand queues the few that are paused are read where nothing else is asked.
func TestOnlyPausedQueuesAreReadForTheKinds(t *testing.T) {
	eachSite(t, func(t *testing.T, site *site) {
		for _, name := range []string{"busy", "held", "calm"} {
			site.exec(t, `insert into river_queue (name, created_at, updated_at, metadata) values ($1, '2026-01-02 03:04:05', '2026-01-02 03:04:05', '{}')`, name)
		}
		site.exec(t, `update river_queue set paused_at = '2026-01-02 03:04:05' where name = 'held'`)
		s := site.begun(t, nil)
		paused, err := s.PausedQueues(t.Context())
		if err != nil || len(paused) != 1 || paused["held"] == nil {
			t.Errorf("paused: %v, %v", paused, err)
		}
		known, err := s.KnownQueues(t.Context())
		if err != nil || len(known) != 3 || known["held"] == nil || known["busy"] != nil {
			t.Errorf("known: %v, %v", known, err)
		}
	})
}
