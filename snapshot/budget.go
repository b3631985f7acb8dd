package snapshot

import (
	"slices"
)

// fairShares divides a budget among demands by max-min fairness: whoever asks for little gets it all, and what is left
// is divided equally among those who ask for more. Adding to one demand never lowers a share below the equal one.
func fairShares(demands []float64, budget float64) []float64 {
	bySize := make([]int, len(demands))
	for i := range bySize {
		bySize[i] = i
	}
	slices.SortFunc(bySize, func(a, b int) int {
		switch {
		case demands[a] < demands[b]:
			return -1
		case demands[a] > demands[b]:
			return 1
		}
		return 0
	})
	shares := make([]float64, len(demands))
	for served, i := range bySize {
		equal := budget / float64(len(demands)-served)
		shares[i] = min(demands[i], equal)
		budget -= shares[i]
	}
	return shares
}
