//go:build linux

package faults

import "testing"

// TestClusterFaults breaks clusters of three servers, two workers, Postgres and Redis, one way after the other: one cluster for each
// part that breaks.
func TestClusterFaults(t *testing.T) {
	inTurns(t)
	parts := []struct {
		name   string
		faults []clusterFault
	}{{"redis", redisFaults()}, {"postgres", postgresFaults()}, {"both", bothFaults()}, {"processes", processFaults()}}
	count := 0
	for _, part := range parts {
		count += len(part.faults)
		t.Run(part.name, func(t *testing.T) {
			inTurn(t, minutes)
			breakCluster(t, part.faults)
		})
	}
	if count < 40 {
		t.Errorf("there are only %d faults", count)
	}
}

func breakCluster(t *testing.T, faults []clusterFault) {
	t.Helper()
	var st *stage
	defer func() {
		if st == nil {
			return
		}
		for _, problem := range st.together.judge(99) {
			t.Errorf("in %d faults together: %s", len(faults), problem)
		}
		st.close(t)
	}()
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			if st == nil {
				st = newStage(t, viewEvery, "--interval", clusterInterval().String())
			}
			st.act(t, f)
			if t.Failed() { // the next one begins again
				st.close(t)
				st = nil
			}
		})
	}
}
