package jobs

import "testing"

func TestWriteErrorTellsOfTheLastHeartbeat(t *testing.T) {
	s := start(t, agents(sh("quick", "true")))
	if err := s.WriteError(); err != nil {
		t.Errorf("at the start: %v", err)
	}
	move(t, s.db.Path, s.db.Path+".away")
	until(t, "the heartbeat fails", func() bool { return s.WriteError() != nil })
	move(t, s.db.Path+".away", s.db.Path)
	until(t, "the heartbeat is written", func() bool { return s.WriteError() == nil })
}
