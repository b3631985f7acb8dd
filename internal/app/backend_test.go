package app

import (
	"testing"
	"time"

	"github.com/agentos/agentos/internal/attach"
)

func TestALateReplicaIsReported(t *testing.T) {
	now := time.Now()
	for want, s := range map[string]attach.Standing{
		"": {Replica: true, Known: true, DataAt: now.Add(-2 * time.Second), Reason: "it is slow"},
		"the replica is 2s behind: its replay is paused":      {Replica: true, Known: true, Paused: true, DataAt: now.Add(-2 * time.Second), Reason: "its replay is paused"},
		"the replica is 1m2s behind: it is slow":              {Replica: true, Known: true, DataAt: now.Add(-62 * time.Second), Reason: "it is slow"},
		"the replica may be 1m2s behind: it receives nothing": {Replica: true, DataAt: now.Add(-62 * time.Second), Reason: "it receives nothing"},
	} {
		if got := lateReplica(s, now); got != want {
			t.Errorf("%+v is reported as %q, want %q", s, got, want)
		}
	}
	if got := lateReplica(attach.Standing{}, now); got != "" {
		t.Errorf("what is no replica is reported as %q", got)
	}
}
