package ends

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/agentos/agentos/internal/engine"
)

const (
	// pace is how often what ended is read.
	pace = 5 * time.Second
	// again is how far each reading goes back: what becomes visible later than that is not reported.
	again = 3 * Overlap
	// mostAtOnce bounds the span of one reading: what was missed for long is read part by part.
	mostAtOnce = time.Hour
	// kept is how long River keeps what ended, unless it is configured otherwise.
	kept = 24 * time.Hour
)

// attempts are those that ended in a queue.
type attempts struct {
	OK     int64 `json:"o"`
	Failed int64 `json:"f"`
}

// place is where following goes on. Ends become visible late: those of the last moments are read again, and what was counted of them
// is taken off.
type place struct {
	To      time.Time           `json:"t"` // what ended before was read
	From    time.Time           `json:"f"` // what ended since is read again
	Counted map[string]attempts `json:"q"` // of these, by queue
}

// Follow reports the attempts of jobs that ended, by queue, as engine.Engine wants it: those of a job are reported once the job has ended.
// present is the time of what is read now, by the database's clock.
func (r *Reader) Follow(ctx context.Context, present func(context.Context) (time.Time, error), after engine.Cursor, take func(engine.Batch) error) error {
	last, err := placeOf(after)
	if err != nil {
		return err
	}
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for {
		now, err := present(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		next, batch, err := r.read(ctx, last, now)
		if err != nil {
			return err
		}
		if err := take(batch); err != nil {
			return err
		}
		if last = next; now.Sub(last.To) > pace {
			continue // there is more already
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// read reads what ended from a place on, and returns the next one.
func (r *Reader) read(ctx context.Context, last place, now time.Time) (place, engine.Batch, error) {
	begins := last.To.IsZero()
	if begins {
		last = place{To: now, From: now.Add(-again)}
	}
	to, until := later(now, last.To), now.Add(Ahead)
	if most := last.From.Add(mostAtOnce); most.Before(to) {
		to, until = later(most, last.To), most
	}
	next := place{To: to, From: to.Add(-again), Counted: map[string]attempts{}}
	found := map[string]attempts{}
	_, err := r.Between(ctx, last.From, until, 0, func(e *Ended) {
		found[e.Queue] = found[e.Queue].plus(e)
		if !e.At.Before(next.From) {
			next.Counted[e.Queue] = next.Counted[e.Queue].plus(e)
		}
	})
	batch := engine.Batch{From: last.To, To: to, Next: engine.CursorOf(next)}
	if begins || err != nil {
		return next, batch, err
	}
	if oldest := now.Add(-kept); last.To.Before(oldest) {
		batch.Gaps = append(batch.Gaps, gap("", last.To, earlier(to, oldest), "Nothing was read for more than a day, and River deletes jobs a day after their end unless it is configured otherwise."))
	}
	queues := maps.Clone(found)
	maps.Copy(queues, last.Counted)
	for _, queue := range slices.Sorted(maps.Keys(queues)) {
		fresh := engine.Ended{Queue: queue, OK: found[queue].OK - last.Counted[queue].OK, Failed: found[queue].Failed - last.Counted[queue].Failed}
		if fresh.OK < 0 || fresh.Failed < 0 {
			batch.Gaps = append(batch.Gaps, gap(queue, last.From, to, "Jobs were deleted or retried within seconds of their end: others may have ended meanwhile."))
			fresh.OK, fresh.Failed = max(fresh.OK, 0), max(fresh.Failed, 0)
		}
		if fresh.OK+fresh.Failed > 0 {
			batch.Ended = append(batch.Ended, fresh)
		}
	}
	return next, batch, nil
}

func (a attempts) plus(e *Ended) attempts {
	return attempts{OK: a.OK + e.OK, Failed: a.Failed + e.Failed + e.Lost}
}

func gap(queue string, from, to time.Time, cause string) engine.Gap {
	return engine.Gap{Queue: queue, From: from, To: to, Cause: cause, Missed: engine.Unknown(engine.Unrecorded, "River keeps no counter to compare with.")}
}

// placeOf is the place of a cursor; of an empty one the zero place.
func placeOf(cursor engine.Cursor) (p place, err error) {
	if cursor != "" && (cursor.Place(&p) != nil || p.To.IsZero() || p.From.IsZero()) {
		return p, engine.ErrCursor
	}
	return p, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
