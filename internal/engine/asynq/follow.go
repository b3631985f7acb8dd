package asynq

import (
	"context"
	"time"

	"github.com/redis/rueidis"

	"github.com/agentos/agentos/internal/engine"
)

// pace is how often the counters are read.
const pace = 5 * time.Second

// counters are what asynq had counted of a queue: all attempts that ended, and those that failed.
type counters struct {
	OK     int64 `json:"o"`
	Failed int64 `json:"f"`
}

// follower is what a cursor holds.
type follower struct {
	At     time.Time           `json:"t"`
	Queues map[string]counters `json:"q"`
}

// Follow reports what asynq's counters grew by. They are exact: what ended while nobody followed is in the next batch.
func (e *Engine) Follow(ctx context.Context, after engine.Cursor, take func(engine.Batch) error) error {
	var last follower
	if after != "" && (after.Place(&last) != nil || last.At.IsZero()) {
		return engine.ErrCursor
	}
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for {
		now, err := e.countersNow(ctx, last)
		if err != nil {
			return err
		}
		if err := take(now.since(last)); err != nil {
			return err
		}
		last = now
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// countersNow reads the counters of all queues. Those that could not be read keep what they had.
func (e *Engine) countersNow(ctx context.Context, last follower) (follower, error) {
	names, err := e.client.Do(ctx, e.client.B().Smembers().Key(allQueues).Build()).AsStrSlice()
	if err != nil {
		return last, e.explain("list the queues", err)
	}
	now := follower{At: time.Now(), Queues: make(map[string]counters, len(names))}
	commands := make([]rueidis.Completed, len(names))
	for i, name := range names {
		commands[i] = e.client.B().Mget().Key(key(name, "processed"), key(name, "failed")).Build()
	}
	for i, answer := range e.do(ctx, commands) {
		if err := answer.Error(); err != nil {
			return last, e.explain("read the counters of a queue", err)
		}
		n, err := numbers(answer)
		if before, known := last.Queues[names[i]]; err != nil && known {
			now.Queues[names[i]] = before // it is no number any more
		} else if err == nil {
			now.Queues[names[i]] = counters{n[0] - n[1], n[1]}
		}
	}
	return now, nil
}

// since is what happened between two readings. A counter that went down began anew: the queue was deleted and made again.
func (now follower) since(last follower) engine.Batch {
	b := engine.Batch{From: last.At, To: now.At, Next: engine.CursorOf(now)}
	if last.At.IsZero() {
		b.From = now.At
		return b
	}
	for name, n := range now.Queues {
		before := last.Queues[name]
		if n.OK < before.OK || n.Failed < before.Failed {
			b.Gaps = append(b.Gaps, engine.Gap{
				Queue: name, From: last.At, To: now.At, Cause: "The queue's counters began anew.",
				Missed: engine.Unknown(engine.Unrecorded, "asynq deletes the counters of a queue with the queue."),
			})
			before = counters{}
		}
		if n != before {
			b.Ended = append(b.Ended, engine.Ended{Queue: name, OK: n.OK - before.OK, Failed: n.Failed - before.Failed})
		}
	}
	return b
}
