package source

import (
	"context"

	"github.com/agentos/agentos/internal/jobs"
	"github.com/agentos/agentos/snapshot"
)

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
		v := workersValue{Total: len(rows), Items: keyed(rows, func(w jobs.Worker) string { return w.ID })}
		for _, w := range rows {
			if w.State == "active" {
				v.Active++
				v.Slots += w.Slots
				v.Busy += w.Running
			}
		}
		return v, nil
	})
}
