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
	chosen := &choice{most: queuesChosen}
	return func(ctx context.Context) (any, error) {
		rows, err := d.Jobs.Queues(ctx)
		if err != nil {
			return nil, err
		}
		v, now := document.Queue{Total: len(rows)}, time.Now()
		queueSums(&v, rows)
		var oldest *engine.Time
		all, place := make([]ranked, len(rows)), make(map[string]int, len(rows))
		for i, q := range rows {
			if q.OldestAt != nil && (oldest == nil || q.OldestAt.Before(oldest.Time)) {
				oldest = q.OldestAt
			}
			all[i], place[q.Name] = ranked{q.Name, queueRank(q, d.Attached != nil)}, i
		}
		chosen.room = queueBytes - 1<<10 - d.yields(queueYield)
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

// sum adds up a figure that may not be known of some queues.
type sum struct {
	n       int64
	some    bool // it is known of one queue at least
	inexact *engine.Inexact
}

func (s *sum) add(n *int64, q engine.Queue) {
	if n != nil {
		s.n, s.some = s.n+*n, true
	}
	if q.Inexact != nil && s.inexact == nil && (n == nil || q.Inexact.Known == engine.AtLeast) {
		s.inexact = q.Inexact
	}
}

// value is the sum; nil when it is known of no queue, unless there is none. What is not known of it goes into inexact.
func (s *sum) value(field string, queues int, inexact map[string]document.Inexact) *int64 {
	switch {
	case !s.some && queues > 0:
		if s.inexact != nil {
			inexact[field] = *describeInexact(s.inexact)
		}
		return nil
	case s.inexact != nil:
		inexact[field] = document.Inexact{Known: document.KnownAtLeast, Why: clip(s.inexact.Why, 200)}
	}
	return &s.n
}

func describeInexact(i *engine.Inexact) *document.Inexact {
	if i == nil {
		return nil
	}
	word, _ := i.Known.MarshalText() // it cannot fail
	return &document.Inexact{Known: document.Known(word), Why: clip(i.Why, 200)}
}

// queueSums adds up the jobs of all queues.
func queueSums(v *document.Queue, rows []engine.Queue) {
	var pending, processing, scheduled, retryable, parked sum
	for _, q := range rows {
		pending.add(q.Pending, q)
		processing.add(q.Processing, q)
		scheduled.add(q.Scheduled, q)
		retryable.add(q.Retryable, q)
		parked.add(q.Parked, q)
		if q.PausedAt != nil {
			v.Paused++
		}
	}
	v.Inexact = map[string]document.Inexact{}
	for field, of := range map[string]struct {
		sum  *sum
		into **int64
	}{
		"pending": {&pending, &v.Pending}, "processing": {&processing, &v.Processing}, "scheduled": {&scheduled, &v.Scheduled},
		"retryable": {&retryable, &v.Retryable}, "parked": {&parked, &v.Parked},
	} {
		*of.into = of.sum.value(field, len(rows), v.Inexact)
	}
}

func describeQueue(q engine.Queue) document.QueueItem {
	return document.QueueItem{
		Order: q.Order, Name: q.Name, Pending: q.Pending, Processing: q.Processing, Scheduled: q.Scheduled, Retryable: q.Retryable, Parked: q.Parked,
		PausedAt: timeOf(q.PausedAt), OldestAt: timeOf(q.OldestAt), Slots: q.Slots,
		Agents: clipList(q.Agents, 400), AgentCount: q.AgentCount, CountedAt: q.CountedAt,
		Ended24h: q.Ended24h, Failed24h: q.Failed24h, Inexact: describeInexact(q.Inexact),
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
	pending := known(q.Pending)
	switch {
	case q.PausedAt != nil && pending > 0:
		return 1
	case known(q.Slots) == 0 && pending > 0 && !attached:
		return 2
	case pending > 0:
		return 12 - min(bits.Len64(uint64(pending))/2, 8) // four times as many are clearly more
	case known(q.Processing) > 0:
		return 13
	case known(q.Scheduled)+known(q.Retryable)+known(q.Parked) > 0:
		return 14
	case q.PausedAt != nil:
		return 15
	}
	return 16
}
