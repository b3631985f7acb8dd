package source

import (
	"context"
	"math/bits"
	"time"

	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/internal/engine"
)

// queuesChosen is how many queues are listed at most.
const queuesChosen = 80

func queue(d Deps) collectFunc {
	chosen := &choice{most: queuesChosen, room: queueBytes - 1<<10}
	return func(ctx context.Context) (any, error) {
		rows, err := d.Jobs.Queues(ctx)
		if err != nil {
			return nil, err
		}
		v, now := document.Queue{Total: len(rows)}, time.Now()
		var oldest *engine.Time
		all, place := make([]ranked, len(rows)), make(map[string]int, len(rows))
		for i, q := range rows {
			addQueue(&v, q)
			if q.OldestAt != nil && (oldest == nil || q.OldestAt.Before(oldest.Time)) {
				oldest = q.OldestAt
			}
			all[i], place[q.Name] = ranked{q.Name, queueRank(q, d.Attached != nil)}, i
		}
		picked := chosen.pick(all, now)
		at := places(picked, attention)
		v.Items = fill(chosen, picked, now, func(name string) document.QueueItem {
			q := describeQueue(rows[place[name]])
			if len(picked) < v.Total {
				q.Order += int64(at[name] * behind)
			}
			return q
		})
		v.OldestAt, v.Listed = timeOf(oldest), len(v.Items)
		return v, nil
	}
}

// addQueue adds the jobs of a queue to the sums.
func addQueue(v *document.Queue, q engine.Queue) {
	v.Pending += q.Pending
	v.Processing += q.Processing
	v.Scheduled += q.Scheduled
	v.Retryable += q.Retryable
	v.Parked += q.Parked
	if q.PausedAt != nil {
		v.Paused++
	}
}

func describeQueue(q engine.Queue) document.QueueItem {
	return document.QueueItem{
		Order: q.Order, Name: q.Name, Pending: q.Pending, Processing: q.Processing, Scheduled: q.Scheduled, Retryable: q.Retryable, Parked: q.Parked,
		PausedAt: timeOf(q.PausedAt), OldestAt: timeOf(q.OldestAt), Slots: q.Slots,
		Agents: clipList(q.Agents, 400), AgentCount: q.AgentCount, CountedAt: q.CountedAt,
	}
}

// timeOf is a time of River's tables as the document has it; nil is none.
func timeOf(t *engine.Time) document.Time {
	if t == nil {
		return ""
	}
	return document.Time(t.String())
}

// queueRank is how important it is that a queue is listed. How many slots a queue of another program has is not known.
func queueRank(q engine.Queue, attached bool) int {
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
