package source

import (
	"context"
	"time"

	"github.com/agentos/agentos/internal/jobs"
	"github.com/agentos/agentos/snapshot"
)

// queueValue is the section `queue`: the sums of all queues, and each of them.
type queueValue struct {
	Pending    int64                 `json:"pending"`
	Processing int64                 `json:"processing"`
	Scheduled  int64                 `json:"scheduled"`
	Retryable  int64                 `json:"retryable"`
	Paused     int                   `json:"paused"` // queues
	OldestAt   *time.Time            `json:"oldest_at"`
	Items      map[string]jobs.Queue `json:"items"`
}

func queue(d Deps) snapshot.Source {
	return snapshot.SourceFunc(func(ctx context.Context) (any, error) {
		rows, err := d.Jobs.Queues(ctx)
		if err != nil {
			return nil, err
		}
		v := queueValue{Items: keyed(rows, func(q jobs.Queue) string { return q.Name })}
		for _, q := range rows {
			v.Pending += q.Pending
			v.Processing += q.Processing
			v.Scheduled += q.Scheduled
			v.Retryable += q.Retryable
			if q.PausedAt != nil {
				v.Paused++
			}
			if q.OldestAt != nil && (v.OldestAt == nil || q.OldestAt.Before(*v.OldestAt)) {
				v.OldestAt = q.OldestAt
			}
		}
		return v, nil
	})
}
