package attach

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/paced"
)

const (
	// fillBack is how far back what ended before the first start is read, if River keeps it that long.
	fillBack = 30 * 24 * time.Hour
	// fillJobs is about how many jobs one step of filling reads.
	fillJobs = 20_000
	fillMost = 6 * time.Hour // of time in one step
	// fillIdle is how often gaps are looked for when there are none.
	fillIdle = 10 * time.Second
)

// Progress is how far the reading of what ended before has come.
type Progress struct {
	Done      bool
	KnownFrom time.Time // every job that ended since is in the sums; zero before the first step
	Oldest    time.Time // where the reading will end: the oldest job that is still there, or 30 days ago
	Jobs      int64     // read by this process
	Share     float64   // of the time between Oldest and now that is read, 0 to 1
}

// Progress reports how far the reading of what ended before has come.
func (s *Service) Progress() Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.progress
}

// filler reads what ended before, in steps of about equal size.
type filler struct {
	width time.Duration // of the next step
	jobs  int64
}

// fill reads the minutes that no span covers, the newest first, in small steps with pauses that leave the database four fifths
// of the time, until ctx ends. It remembers nothing but the spans: wherever it is killed, it goes on from there.
func (s *Service) fill(ctx context.Context) {
	for s.openFrom().IsZero() { // the present minutes come first
		if !paced.Pause(ctx, s.interval/10) {
			return
		}
	}
	f := &filler{width: minute}
	for {
		wait := fillIdle
		began := time.Now()
		more, err := s.fillStep(ctx, f)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.log.Warn("the history cannot be read; retrying", "error", err)
		case more:
			wait = time.Duration(float64(time.Since(began)) * (1/shareFilling - 1))
			s.notify(engine.SumsAdded)
		}
		if !paced.Pause(ctx, wait) {
			return
		}
	}
}

// fillStep fills a part of the newest gap; it returns whether there was one.
func (s *Service) fillStep(ctx context.Context, f *filler) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	to := s.openFrom()
	if to.IsZero() || !s.lead() {
		return false, nil
	}
	gap, err := s.newestGap(ctx, f, to)
	if err != nil || gap == nil {
		return false, err
	}
	of, t, err := s.readPart(ctx, f, *gap)
	if err != nil {
		return false, err
	}
	if err := s.ledger.cover(ctx, of, t, false); err != nil && !errors.Is(err, errCovered) {
		return false, fmt.Errorf("store the sums: %w", err)
	}
	f.jobs += t.jobs
	return true, nil
}

// openFrom is where the minutes that are not over begin; zero until these were read once.
func (s *Service) openFrom() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == nil || s.upTo.IsZero() {
		return time.Time{}
	}
	return s.live.from
}

// newestGap returns the newest span without sums, without the empty time at its end, and notes the progress.
func (s *Service) newestGap(ctx context.Context, f *filler, to time.Time) (*span, error) {
	horizon := to.Add(-fillBack)
	oldest, err := s.ends.First(ctx, horizon, to)
	if err != nil {
		return nil, err
	}
	if oldest.IsZero() {
		oldest = to
	}
	if oldest.After(horizon) {
		horizon = oldest
	}
	horizon = horizon.Truncate(minute)
	covered, err := s.ledger.spans(ctx)
	if err != nil {
		return nil, err
	}
	open := gaps(span{horizon, to}, covered)
	s.noteProgress(f, span{horizon, to}, open)
	if len(open) == 0 {
		return nil, nil
	}
	gap := open[0]
	last, err := s.ends.Last(ctx, gap.from, gap.to)
	if err != nil {
		return nil, err
	}
	if end := last.Truncate(minute).Add(minute); end.Before(gap.to) { // nothing ended since: no need to look minute by minute
		if end.Before(gap.from) {
			end = gap.from
		}
		empty := span{end, gap.to}
		if err := s.ledger.cover(ctx, empty, &tally{}, false); err != nil && !errors.Is(err, errCovered) {
			return nil, err
		}
		if gap.to = end; !gap.from.Before(gap.to) {
			return s.newestGap(ctx, f, to)
		}
	}
	return &gap, nil
}

func (s *Service) noteProgress(f *filler, all span, open []span) {
	p := Progress{Done: len(open) == 0, Oldest: all.from, KnownFrom: all.from, Jobs: f.jobs, Share: 1}
	if !p.Done {
		p.KnownFrom = open[0].to
		var left time.Duration
		for _, gap := range open {
			left += gap.to.Sub(gap.from)
		}
		p.Share = 1 - left.Seconds()/all.to.Sub(all.from).Seconds()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.progress = p
}

// readPart reads the end of a gap: as much as is about fillJobs jobs, and at least a minute.
func (s *Service) readPart(ctx context.Context, f *filler, gap span) (span, *tally, error) {
	for {
		of := span{later(gap.to.Add(-f.width).Truncate(minute), gap.from), gap.to}
		bound := 3 * fillJobs
		if of.to.Sub(of.from) <= minute {
			bound = 0
		}
		t := &tally{}
		n, err := s.ends.Between(ctx, of.from, of.to, bound, t.add)
		if err != nil {
			return of, nil, err
		}
		full := bound > 0 && n >= bound
		ideal := min(float64(fillMost), float64(of.to.Sub(of.from))*fillJobs/float64(max(n, 1)))
		f.width = max(time.Duration(ideal).Truncate(minute), minute)
		if !full {
			return of, t, nil
		}
		// The part was too dense: what was read of it is of no use.
		f.width = min(f.width, max((of.to.Sub(of.from)/4).Truncate(minute), minute))
	}
}
