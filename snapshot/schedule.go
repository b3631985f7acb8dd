package snapshot

import (
	"context"
	"slices"
	"time"
)

// step does what is due now and returns when to look again.
func (w *warmer) step(ctx context.Context, now time.Time) time.Time {
	if _, ok := w.cache.mayPublish(); !ok {
		return now.Add(publishGap) // this process does not collect at present
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.startDue(ctx, now)
	w.flushExpired(now)
	if w.dirty && !now.Before(w.attempted.Add(w.gap)) {
		_ = w.publish(now) // recorded, logged and counted there
	}
	return w.nextStep(now)
}

// startDue starts the sections whose time has come.
func (w *warmer) startDue(ctx context.Context, now time.Time) {
	var due []*section
	for _, s := range w.sections {
		if at, ok := w.startAt(s); ok && !at.After(now) {
			due = append(due, s)
		}
	}
	w.start(ctx, due, now)
}

// startAt says when a section is to be started; false = not before something else happens.
func (w *warmer) startAt(s *section) (time.Time, bool) {
	switch {
	case s.call != nil:
		return time.Time{}, false
	case w.throttled(s):
		return w.nextProbeAt(), s == w.nextProbe()
	case s.catchUp:
		return s.due, true
	case s.touched:
		return later(earlier(w.nudgeAt(), s.due), s.turn()), true
	}
	return later(s.due, s.turn()), true
}

// nudgeAt is when the sections touched by nudges may be started.
func (w *warmer) nudgeAt() time.Time { return later(w.touched.Add(nudgeDebounce), w.nudged.Add(w.gap)) }

// flushExpired makes ready for publishing what batches have yielded after their delay, and says at least once an interval
// that this process lives.
func (w *warmer) flushExpired(now time.Time) {
	w.batches = slices.DeleteFunc(w.batches, func(b *batch) bool { return b.waiting == 0 })
	for _, b := range w.batches {
		if b.fresh && !now.Before(b.deadline) {
			w.dirty = true
		}
	}
	if w.publishes > 0 && !now.Before(w.republishAt()) {
		w.dirty = true
	}
}

// republishAt is when a document is published again although no section has yielded anything.
func (w *warmer) republishAt() time.Time {
	return w.attempted.Add(w.opts.Interval + w.opts.PublishDelay)
}

// nextStep is the earliest time at which something will be due.
func (w *warmer) nextStep(now time.Time) time.Time {
	next := now.Add(w.opts.Interval)
	if w.publishes > 0 {
		next = earlier(next, w.republishAt())
	}
	if w.dirty {
		next = earlier(next, w.attempted.Add(w.gap))
	}
	for _, b := range w.batches {
		if b.fresh && b.deadline.After(now) { // else it is dirty already
			next = earlier(next, b.deadline)
		}
	}
	for _, s := range w.sections {
		if at, ok := w.startAt(s); ok {
			next = earlier(next, at)
		}
	}
	return next
}

// unpublished reports whether some section has completed since the last publish. w.mu is held.
func (w *warmer) unpublished() bool {
	return w.dirty || slices.ContainsFunc(w.batches, func(b *batch) bool { return b.fresh })
}

// rebudget finds each metered section's fair share of the budget, as if all were nudged all the time, and from it the
// least time between two of its starts. Sections that time out count as one: they are tried in turn. w.mu is held.
func (w *warmer) rebudget() {
	if w.opts.Budget < 0 {
		return
	}
	var costs []time.Duration
	var gaps []*time.Duration
	var hang time.Duration
	for _, s := range w.sections {
		switch {
		case s.Unmetered:
		case s.hanging:
			hang = max(hang, s.Deadline)
		default:
			costs, gaps = append(costs, s.cost), append(gaps, &s.gap)
		}
	}
	costs, gaps = append(costs, hang), append(gaps, &w.probeGap)
	demands := make([]float64, len(costs))
	for i, cost := range costs {
		demands[i] = float64(cost) / float64(w.gap)
	}
	for i, share := range fairShares(demands, w.opts.Budget) {
		*gaps[i] = 0
		if share < demands[i] {
			*gaps[i] = time.Duration(float64(costs[i]) / share)
		}
	}
}

// mark notes whether a section's last attempt timed out. The first time-out is followed by a probe at the next tick.
// Once one of those that time out answers, whatever they all wait for seems to be back: all are due. w.mu is held.
func (w *warmer) mark(s *section, hung bool, now time.Time) {
	switch {
	case hung && !slices.ContainsFunc(w.sections, w.throttled):
		w.probed, w.probeAt = s.started, later(now, s.started.Add(w.opts.Interval))
	case !hung && w.throttled(s):
		for _, other := range w.sections {
			if other != s && w.throttled(other) {
				other.hanging, other.due = false, now
			}
		}
	}
	s.hanging = hung
}

// throttled reports whether a section is tried only in its turn, because it times out.
func (w *warmer) throttled(s *section) bool { return s.hanging && !s.Unmetered && w.opts.Budget >= 0 }

// nextProbeAt is when the next of the sections that time out may be tried: as the budget allows, or one interval after
// the last try when a nudge says that something happens again.
func (w *warmer) nextProbeAt() time.Time {
	for _, s := range w.sections {
		if w.throttled(s) && s.touched {
			return earlier(w.probeAt, later(w.nudgeAt(), w.probed.Add(w.opts.Interval)))
		}
	}
	return w.probeAt
}

// nextProbe is the idle one of the throttled sections that was not tried for the longest time.
func (w *warmer) nextProbe() *section {
	var next *section
	for _, s := range w.sections {
		if w.throttled(s) && s.call == nil && (next == nil || s.started.Before(next.started)) {
			next = s
		}
	}
	return next
}

// turn is when the budget lets a section start again. One that has failed early has used little of it.
func (s *section) turn() time.Time {
	return s.started.Add(time.Duration(float64(s.gap+s.ahead) * s.charged))
}

// affordable reports whether the budget lets a section start now, due or not.
func (w *warmer) affordable(s *section, now time.Time) bool {
	if w.throttled(s) {
		return s == w.nextProbe() && !w.nextProbeAt().After(now)
	}
	return s.catchUp && !s.due.After(now) || !s.turn().After(now)
}

// catchUpPause is the least time between two tries of failed sections ahead of their turns, for a database that comes and goes. It is
// short, since each section pays for its own: it is not tried ahead again before it has waited for the last time.
const catchUpPause = 3 * time.Second

// scheduleCatchUp makes all sections due that have failed, now that one which had failed works again: what they waited for seems to be
// back, and a costly one would show its failure for long. Each is tried ahead of its turn, and then waits for the one after.
// w.mu is held.
func (w *warmer) scheduleCatchUp(now time.Time) {
	at := now
	if w.catchUpAt.Before(w.backAt) { // what comes back together is one occasion
		at = later(now, w.catchUpAt.Add(catchUpPause))
	}
	for _, s := range w.sections {
		if s.err != "" && s.ahead == 0 && !s.catchUp && !w.throttled(s) && at.Before(s.turn()) {
			s.catchUp, s.due, w.catchUpAt = true, at, at
		}
	}
}

// describe is what meta.sections says of a section. w.mu is held.
func (w *warmer) describe(s *section, now time.Time) SectionMeta {
	pace := max(s.Every, s.gap+s.ahead)
	since := s.asOf
	if since.IsZero() {
		since = w.born
	}
	m := SectionMeta{
		AsOf: earlier(s.asOf, now).Round(0), Took: s.took, Every: pace, Error: s.err,
		Overdue: now.Round(0).Sub(since.Round(0)) > pace+s.Deadline+w.opts.Interval,
	}
	if w.throttled(s) {
		m.Every = max(m.Every, w.probeGap)
	}
	return m
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
