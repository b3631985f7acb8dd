package source

import (
	"context"
	"math/bits"
	"time"

	"github.com/agentos/agentos/internal/jobs"
	"github.com/agentos/agentos/snapshot"
)

// queueValue is the section `queue`: the sums of all queues, and each of them. Of more than fit, those that need attention are
// listed, then those with the most jobs.
type queueValue struct {
	Pending    int64                 `json:"pending"`
	Processing int64                 `json:"processing"`
	Scheduled  int64                 `json:"scheduled"`
	Retryable  int64                 `json:"retryable"`
	Parked     int64                 `json:"parked"` // in River's state pending
	Paused     int                   `json:"paused"` // queues
	OldestAt   *jobs.Time            `json:"oldest_at"`
	Total      int                   `json:"total"` // queues
	Listed     int                   `json:"listed"`
	Items      map[string]jobs.Queue `json:"items"`
}

// queuesChosen is how many queues are listed at most.
const queuesChosen = 80

func queue(d Deps) snapshot.Source {
	chosen := &choice{most: queuesChosen, room: queueBytes - 1<<10}
	return snapshot.SourceFunc(func(ctx context.Context) (any, error) {
		rows, err := d.Jobs.Queues(ctx)
		if err != nil {
			return nil, err
		}
		v, now := queueValue{Total: len(rows)}, time.Now()
		all, place := make([]ranked, len(rows)), make(map[string]int, len(rows))
		for i, q := range rows {
			v.add(q)
			all[i], place[q.Name] = ranked{q.Name, queueRank(q, d.Attached != nil)}, i
		}
		picked := chosen.pick(all, now)
		at := places(picked, attention)
		v.Items = fill(chosen, picked, now, func(name string) jobs.Queue {
			q := rows[place[name]]
			q.Agents = clipList(q.Agents, 400)
			if len(picked) < v.Total {
				q.Order += int64(at[name] * behind)
			}
			return q
		})
		v.Listed = len(v.Items)
		return v, nil
	})
}

func (v *queueValue) add(q jobs.Queue) {
	v.Pending += q.Pending
	v.Processing += q.Processing
	v.Scheduled += q.Scheduled
	v.Retryable += q.Retryable
	v.Parked += q.Parked
	if q.PausedAt != nil {
		v.Paused++
	}
	if q.OldestAt != nil && (v.OldestAt == nil || q.OldestAt.Before(v.OldestAt.Time)) {
		v.OldestAt = q.OldestAt
	}
}

// queueRank tells how important it is that a queue is listed. How many slots a queue of another program has is not known.
func queueRank(q jobs.Queue, attached bool) int {
	switch {
	case q.PausedAt != nil && q.Pending > 0:
		return 1
	case q.Slots == 0 && q.Pending > 0 && !attached:
		return 2
	case q.Pending > 0:
		return 12 - min(bits.Len64(uint64(q.Pending))/2, 8) // four times as many are clearly more
	case q.Processing > 0:
		return 13
	case q.Scheduled+q.Retryable+q.Parked > 0:
		return 14
	case q.PausedAt != nil:
		return 15
	}
	return 16
}
