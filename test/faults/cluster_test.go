//go:build linux

package faults

import (
	"slices"
	"testing"
)

// TestClusterFaults breaks a whole cluster of three servers, two workers, Postgres and Redis, one way after the other.
func TestClusterFaults(t *testing.T) {
	faults := slices.Concat(redisFaults(), postgresFaults(), bothFaults(), processFaults())
	if len(faults) < 40 {
		t.Errorf("there are only %d faults", len(faults))
	}
	var st *stage
	defer func() {
		if st != nil {
			st.close(t)
		}
	}()
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			if st == nil {
				st = newStage(t, viewEvery, "--interval", clusterInterval().String())
			}
			st.act(t, f)
			if t.Failed() { // the next one begins anew
				st.close(t)
				st = nil
			}
		})
	}
}
