package attach

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river/ends"
)

const (
	// Where jobs come later than ends.Overlap, the readings go back as far as they are late, up to mostOverlap, and come back to it when
	// no such job has come for calmAfter.
	mostOverlap = 10 * time.Minute
	calmAfter   = 10 * time.Minute
	// firstOverlap is overlap at first: what clocks are off is not known yet.
	firstOverlap = 90 * time.Second
	// closeDelay is how long after its end a minute is added to its hour. What comes to light later is found by counting again.
	closeDelay = 20 * time.Second
	// awayFor is how long nothing may have been read before the minutes since are left to be filled like older ones.
	awayFor = 3 * minute
)

// live is the minutes that are not over. It is used by Run alone.
type live struct {
	from    time.Time // where they begin; jobs that ended later are counted here and nowhere else
	readTo  time.Time // when the last reading began
	read    bool      // once at least
	overlap time.Duration
	late    time.Time // when the last job came that overlap alone would have missed
	minutes map[time.Time]*openMinute
}

type openMinute struct {
	tally
	seen    map[endOf]struct{}
	changed bool
}

// endOf is an end of a job, which may be retried by hand and end again.
type endOf struct{ id, at int64 }

func newLive(from, now time.Time) *live {
	from = from.UTC().Truncate(minute) // the minutes are keys of a map
	return &live{from: from, readTo: from, late: now, overlap: firstOverlap, minutes: map[time.Time]*openMinute{}}
}

// add counts a job that was not counted before; it returns whether it was so.
func (l *live) add(e *ends.Ended) bool {
	start := e.At.UTC().Truncate(minute)
	if start.Before(l.from) { // its minute is over: counting again finds it
		return false
	}
	m := l.minutes[start]
	if m == nil {
		m = &openMinute{seen: map[endOf]struct{}{}}
		l.minutes[start] = m
	}
	end := endOf{e.ID, e.At.UnixMicro()}
	if _, known := m.seen[end]; known {
		return false
	}
	m.seen[end] = struct{}{}
	m.add(e)
	m.changed = true
	return true
}

// closeAfter is how long after its end a minute is added to its hour: no reading finds more in it then.
func (l *live) closeAfter() time.Duration { return max(closeDelay, l.overlap+closeDelay-ends.Overlap) }

// came notes how late a job was: how long after the time it bears it can have become visible at the latest. Readings go back further,
// if need be.
func (l *live) came(late time.Duration, now time.Time) {
	if late <= ends.Overlap {
		return
	}
	l.late = now
	l.overlap = max(l.overlap, min(late+ends.Overlap, mostOverlap))
}

// calm ends the long readings when they have found nothing for a while.
func (l *live) calm(now time.Time) {
	if l.overlap > ends.Overlap && now.Sub(l.late) > calmAfter {
		l.overlap = ends.Overlap
	}
}

// step reads what ended since the last time, stores it, and closes the minutes that are over.
func (s *Service) step(ctx context.Context) error {
	if !s.lead() || s.noEnded() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	now, err := s.present(ctx)
	if err != nil {
		return err
	}
	l, err := s.liveAt(ctx, now)
	if err != nil {
		return err
	}
	from := later(l.readTo.Add(-l.overlap), l.from)
	fresh, clocks := 0, skews{}
	err = s.priced(ctx, span{from, now.Add(ends.Ahead)}, func(e *ends.Ended) {
		if !l.add(e) {
			return
		}
		fresh++
		if l.read { // else it may have ended at any time
			l.came(l.readTo.Sub(e.At), now)
			clocks.note(e, l.readTo, now)
		}
		s.clients.ended(e, now)
		s.kinds.ended(e)
	})
	if err != nil {
		return err
	}
	s.clients.skewed(clocks)
	l.readTo, l.read = now, true
	l.calm(now)
	if err := s.show(ctx, l); err != nil {
		return err
	}
	for !l.from.Add(minute + l.closeAfter()).After(now) {
		if err := s.closeMinute(ctx, l, now); err != nil {
			return err
		}
	}
	if err := s.countAgain(ctx, l.from, now); err != nil {
		return err
	}
	s.mu.Lock()
	s.upTo = now.Add(-2 * time.Second)
	s.mu.Unlock()
	if fresh > 0 {
		s.notify(engine.EndsRead)
	}
	return nil
}

// liveAt returns the open minutes. After a start, or when nothing was read for long, they begin where the sums end if that is
// near, else at the present minute: what lies between is filled like what ended before the first start.
func (s *Service) liveAt(ctx context.Context, now time.Time) (*live, error) {
	if s.live != nil && now.Sub(s.live.readTo) < awayFor {
		return s.live, nil
	}
	covered, err := s.ledger.spans(ctx)
	if err != nil {
		return nil, fmt.Errorf("read which minutes are summed up: %w", err)
	}
	from := now.Add(-closeDelay).Truncate(minute)
	if n := len(covered); n > 0 {
		if end := covered[n-1].to; now.Sub(end) < awayFor {
			from = end
		}
	}
	if s.live != nil {
		if err := s.ledger.dropOpen(ctx); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	s.live = newLive(from, now)
	s.mu.Unlock()
	s.HoursBefore(from)
	return s.live, nil
}

// show stores the sums of open minutes that changed.
func (s *Service) show(ctx context.Context, l *live) error {
	changed := map[time.Time]*tally{}
	for start, m := range l.minutes {
		if m.changed {
			changed[start] = &m.tally
		}
	}
	if len(changed) == 0 {
		return nil
	}
	if err := s.ledger.showOpen(ctx, changed); err != nil {
		return fmt.Errorf("store the sums: %w", err)
	}
	for start := range changed {
		l.minutes[start].changed = false
	}
	return nil
}

// closeMinute adds the first open minute to its hour, once all its jobs are counted.
func (s *Service) closeMinute(ctx context.Context, l *live, now time.Time) error {
	of := span{l.from, l.from.Add(minute)}
	t := &tally{}
	if m := l.minutes[l.from]; m != nil {
		t = &m.tally
	}
	n, err := s.countPriced(ctx, of)
	if err != nil {
		return err
	}
	if n > t.jobs { // some came to light behind the overlap
		if t, err = s.tallyLate(ctx, l, of, now); err != nil {
			return err
		}
	}
	if err := s.ledger.cover(ctx, of, t, true); err != nil && !errors.Is(err, errCovered) {
		return fmt.Errorf("store the sums: %w", err)
	}
	delete(l.minutes, l.from)
	s.mu.Lock()
	l.from = of.to
	s.mu.Unlock()
	s.HoursBefore(l.from)
	if of.to.Unix()%3600 == 0 {
		return s.ledger.sweep(ctx, s.now())
	}
	return nil
}

// tallyLate sums up a minute of which some jobs became visible after it was read, and notes these.
func (s *Service) tallyLate(ctx context.Context, l *live, of span, now time.Time) (*tally, error) {
	t, clocks := &tally{}, skews{}
	err := s.priced(ctx, of, func(e *ends.Ended) {
		t.add(e)
		if m := l.minutes[of.from]; m != nil {
			if _, known := m.seen[endOf{e.ID, e.At.UnixMicro()}]; known {
				return
			}
		}
		l.came(min(now.Sub(e.At), mostOverlap), now)
		clocks.note(e, e.At, now)
		s.clients.ended(e, now)
		s.kinds.ended(e)
	})
	s.clients.skewed(clocks)
	return t, err
}

func (s *Service) tallyOf(ctx context.Context, of span) (*tally, error) {
	t := &tally{}
	return t, s.priced(ctx, of, t.add)
}

// priced is endedBetween for Run, which pays for it by waiting.
func (s *Service) priced(ctx context.Context, of span, each func(*ends.Ended)) error {
	began := time.Now()
	defer func() { s.asked += time.Since(began) }()
	_, err := s.ends.Between(ctx, of.from, of.to, 0, each)
	return err
}

func (s *Service) countPriced(ctx context.Context, of span) (int64, error) {
	began := time.Now()
	defer func() { s.asked += time.Since(began) }()
	return s.ends.Count(ctx, of.from, of.to)
}

// countAgain counts minutes of which more jobs may have come to light: of transactions that took long, of clocks that are
// wrong. Fewer are no news: jobs are deleted some time after they ended.
func (s *Service) countAgain(ctx context.Context, open, now time.Time) error {
	due, err := s.ledger.due(ctx, now, 4)
	if err != nil {
		return err
	}
	for _, c := range due {
		of := span{c.start, c.start.Add(minute)}
		var t *tally
		if now.Sub(c.start) < 24*time.Hour { // later its hour cannot be made again from its minutes
			n, err := s.countPriced(ctx, of)
			if err != nil {
				return err
			}
			if n > c.jobs {
				if t, err = s.tallyOf(ctx, of); err != nil {
					return err
				}
			}
		}
		if err := s.ledger.checked(ctx, c, t, open, now); err != nil {
			return fmt.Errorf("store the sums: %w", err)
		}
	}
	return nil
}
