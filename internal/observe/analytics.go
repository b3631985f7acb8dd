package observe

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/agentos/agentos/internal/engine"
)

// recordedFrom is since when everything that ended is in the sums or in a gap: nothing is, before the first batch.
func (s *Service) recordedFrom(context.Context) (time.Time, error) {
	if since := s.KnownFrom(); !since.IsZero() {
		return since, nil
	}
	return time.Now(), nil
}

// RollupsCompleteTo returns the time before which everything that ended is in the sums or in a gap, as far as KnownFrom.
func (s *Service) RollupsCompleteTo(context.Context) (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.upTo.IsZero() && s.followed != nil:
		return time.Time{}, unavailable(s.followed)
	case s.upTo.IsZero():
		return time.Time{}, fmt.Errorf("%w: the engine is not followed yet", engine.ErrUnavailable)
	}
	return s.upTo, nil
}

// Windows sums up the last hour and the last 24 hours. What ended in a gap that lies within counts; it is only not known when in it.
func (s *Service) Windows(ctx context.Context) (hour, day engine.Window, err error) {
	now := time.Now()
	if hour, day, err = s.Store.Windows(ctx); err != nil {
		return hour, day, err
	}
	gaps, err := s.ledger.gaps(ctx, now.Add(-24*time.Hour))
	if err != nil {
		return hour, day, engine.WrapDB("read the gaps", err)
	}
	return s.with(hour, now.Add(-time.Hour), gaps), s.with(day, now.Add(-24*time.Hour), gaps), nil
}

// with adds what ended in gaps to a window that began at a time, and says what is not known of it.
func (s *Service) with(w engine.Window, began time.Time, gaps []gap) engine.Window {
	w.Run, w.Wait, w.Usage, w.Cancelled = engine.Percentiles{}, engine.Percentiles{}, nil, nil
	if len(gaps) == maxGaps && gaps[0].to.After(began) {
		w.Why = fmt.Sprintf("There are too many gaps to read: until %s UTC what ended in gaps is not counted.", gaps[0].to.UTC().Format(time.DateTime))
	}
	for _, g := range gaps {
		switch {
		case !g.to.After(began):
		case g.from.Before(began) || g.ok == nil:
			w.Why = fmt.Sprintf("From %s to %s UTC it is not known what ended: %s", g.from.UTC().Format(time.DateTime), g.to.UTC().Format(time.DateTime), g.cause)
		case g.failed == nil:
			w.Runs += *g.ok
		default:
			w.Runs, w.OK, w.Failed = w.Runs+*g.ok+*g.failed, w.OK+*g.ok, w.Failed+*g.failed
		}
	}
	if w.RecordedS > 0 {
		w.PerMinute = math.Round(float64(w.Runs)/(float64(w.RecordedS)/60)*100) / 100
	}
	w.SuccessRate = rate(w.OK, w.Failed)
	return w
}

// rate is in percent; nil when nothing ended.
func rate(ok, failed int64) *float64 {
	if ok+failed == 0 {
		return nil
	}
	percent := math.Round(float64(ok)/float64(ok+failed)*10000) / 100
	return &percent
}

// Throughput counts ended attempts in buckets of time. Those that lie in a gap are not recorded.
func (s *Service) Throughput(ctx context.Context, step time.Duration, buckets int) (engine.Series, error) {
	series, err := s.Store.Throughput(ctx, step, buckets)
	if err != nil {
		return series, err
	}
	gaps, err := s.ledger.gaps(ctx, series.Start)
	if err != nil {
		return series, engine.WrapDB("read the gaps", err)
	}
	for i := range series.OK {
		from := series.Start.Add(time.Duration(i) * step)
		for _, g := range gaps {
			if !g.from.After(from) && !g.to.Before(from.Add(step)) {
				series.OK[i], series.Failed[i] = engine.NotRecorded, engine.NotRecorded
			}
		}
	}
	series.Cancelled, series.P95MS = nil, nil
	return series, nil
}
