package engine

import "time"

const (
	// GaveUpRecently is how long ago a job may have given up to count as recent.
	GaveUpRecently = time.Hour
	// MaxGaveUp bounds how many jobs that gave up are counted and grouped in a cycle.
	MaxGaveUp = 200
	// pinned puts what gave up before all that may still heal: it is more than any time in milliseconds.
	pinned = 1 << 43
)

// GroupFailures keeps the newest failure of each kind, which is its agent and fingerprint, at most n: first those of jobs that gave
// up, which need attention, then those that may recover. Both lists have the newest first.
func GroupFailures(gaveUp, failed []Failure, n int) []Failure {
	type kind struct{ agent, fingerprint string }
	at := map[kind]int{}
	groups := []Failure{}
	for _, f := range gaveUp {
		k := kind{f.Agent, f.Fingerprint}
		i, known := at[k]
		if !known {
			i, at[k] = len(groups), len(groups)
			f.Order, f.GaveUp = f.Order-pinned, 0
			groups = append(groups, f)
		}
		groups[i].GaveUp++
		groups[i].MoreGaveUp = len(gaveUp) >= MaxGaveUp
	}
	for _, f := range failed {
		k := kind{f.Agent, f.Fingerprint}
		if _, known := at[k]; !known {
			at[k] = len(groups)
			groups = append(groups, f)
		}
	}
	return groups[:min(n, len(groups))]
}
