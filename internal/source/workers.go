package source

import (
	"cmp"
	"context"
	"slices"

	"github.com/agentos/agentos/internal/jobs"
	"github.com/agentos/agentos/snapshot"
)

// workersShown bounds the document in a large cluster; the figures count all.
const workersShown = 40

// workersValue is the section `workers`. Total counts lost workers too, for as long as they are listed.
type workersValue struct {
	Total  int                    `json:"total"`
	Active int                    `json:"active"`
	Slots  int                    `json:"slots"` // of the active ones
	Busy   int                    `json:"busy"`
	Items  map[string]jobs.Worker `json:"items"`
}

func workers(d Deps) snapshot.Source {
	return snapshot.SourceFunc(func(ctx context.Context) (any, error) {
		rows, err := d.Jobs.Workers(ctx)
		if err != nil {
			return nil, err
		}
		v := workersValue{Total: len(rows)}
		for _, w := range rows {
			if w.State == "active" {
				v.Active++
				v.Slots += w.Slots
				v.Busy += w.Running
			}
		}
		slices.SortStableFunc(rows, func(a, b jobs.Worker) int { return cmp.Compare(rank(a), rank(b)) })
		v.Items = keyed(rows[:min(len(rows), workersShown)], func(w jobs.Worker) string { return w.ID })
		return v, nil
	})
}

// rank puts the workers first that are to be seen if there are too many.
func rank(w jobs.Worker) int {
	return map[string]int{"draining": 0, "active": 1, "lost": 2}[w.State]
}
