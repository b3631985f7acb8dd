package worker

import (
	"testing"

	"github.com/agentos/agentos/internal/db"
)

func TestWriteErrorIsThatOfTheLastHeartbeat(t *testing.T) {
	eachOutage(t, func(t *testing.T, database *db.DB, away, back func()) {
		s := start(t, database, agents(sh("quick", "true")))
		if err := s.WriteError(); err != nil {
			t.Errorf("at the start: %v", err)
		}
		away()
		until(t, "the heartbeat fails", func() bool { return s.WriteError() != nil })
		back()
		until(t, "the heartbeat is written", func() bool { return s.WriteError() == nil })
	})
}
