package jobs

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"
)

// window turns sums over a span of time into what is shown.
func (s *sums) window(span time.Duration) Window {
	failed := s.failed + s.timeout + s.lost
	w := Window{
		Runs: s.ok + failed + s.cancelled, OK: s.ok, Failed: failed, Cancelled: s.cancelled,
		Run: s.run.percentiles(), Wait: s.wait.percentiles(), Usage: s.usage,
	}
	w.PerMinute = math.Round(float64(w.Runs)/span.Minutes()*100) / 100
	if ended := s.ok + failed; ended > 0 {
		rate := math.Round(float64(s.ok)/float64(ended)*10000) / 100
		w.SuccessRate = &rate
	}
	return w
}

// part is a span of rows of one step.
type part struct{ step, from, to int64 } // seconds, to excluded

// partsOf covers [from, to) by whole hours with minutes at the edges.
func partsOf(from, to int64) []part {
	firstHour := floorTo(from+hourStep-1, hourStep)
	lastHour := floorTo(to, hourStep)
	if firstHour >= lastHour {
		return []part{{minuteStep, from, to}}
	}
	return []part{{minuteStep, from, firstHour}, {hourStep, firstHour, lastHour}, {minuteStep, lastHour, to}}
}

const (
	hourSpan = time.Hour
	daySpan  = 24 * time.Hour
)

// spanEnding returns the seconds of a span of whole minutes whose last minute is the present one.
func spanEnding(now time.Time, span time.Duration) (from, to int64) {
	to = floorTo(now.Unix(), minuteStep) + minuteStep
	return to - int64(span/time.Second), to
}

// Windows sums up the last hour and the last 24 hours, to the present minute.
func (s *Service) Windows(ctx context.Context) (hour, day Window, err error) {
	now := time.Now()
	lastHour, err := s.total(ctx, now, hourSpan)
	if err != nil {
		return Window{}, Window{}, explain("sum up the last hour", err)
	}
	lastDay, err := s.total(ctx, now, daySpan)
	if err != nil {
		return Window{}, Window{}, explain("sum up the last day", err)
	}
	return lastHour.window(hourSpan), lastDay.window(daySpan), nil
}

func (s *Service) total(ctx context.Context, now time.Time, span time.Duration) (*sums, error) {
	from, to := spanEnding(now, span)
	return s.totalBetween(ctx, from, to)
}

func (s *Service) totalBetween(ctx context.Context, from, to int64) (*sums, error) {
	all := newSums()
	for _, p := range partsOf(from, to) {
		err := s.totals(ctx, p, func(int64) *sums { return all })
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// totals adds each row of all agents in a part to the sums of its time.
func (s *Service) totals(ctx context.Context, p part, of func(start int64) *sums) error {
	rows, err := s.db.Read.QueryContext(ctx, `select start_s, `+sumColumns+` from rollup
		where step_s = $1 and agent = '' and queue = '' and start_s >= $2 and start_s < $3`, p.step, p.from, p.to)
	_, err = collect(rows, err, func(rows *sql.Rows) (struct{}, error) {
		var start int64
		fresh := newSums()
		if err := fresh.scan(rows.Scan, &start); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, of(start).mergeWith(fresh)
	})
	return err
}

func (s *sums) mergeWith(other *sums) error {
	s.ok += other.ok
	s.failed += other.failed
	s.timeout += other.timeout
	s.lost += other.lost
	s.cancelled += other.cancelled
	s.usage.InputTokens += other.usage.InputTokens
	s.usage.OutputTokens += other.usage.OutputTokens
	s.usage.CostUSD += other.usage.CostUSD
	s.run.max = max(s.run.max, other.run.max)
	s.wait.max = max(s.wait.max, other.wait.max)
	if err := s.run.sketch.MergeWith(other.run.sketch); err != nil {
		return err
	}
	return s.wait.sketch.MergeWith(other.wait.sketch)
}

// Throughput counts ended attempts in buckets of step, a whole number of minutes; the last bucket is the present one.
func (s *Service) Throughput(ctx context.Context, step time.Duration, buckets int) (Series, error) {
	width := int64(step / time.Second)
	if width < minuteStep || width%minuteStep != 0 || buckets < 1 {
		return Series{}, fmt.Errorf("throughput by %s: %w", step, ErrInvalid)
	}
	start := floorTo(time.Now().Unix(), width) - int64(buckets-1)*width
	perBucket := make([]*sums, buckets)
	for i := range perBucket {
		perBucket[i] = newSums()
	}
	err := s.totals(ctx, part{minuteStep, start, start + int64(buckets)*width}, func(at int64) *sums { return perBucket[(at-start)/width] })
	if err != nil {
		return Series{}, explain("read the throughput", err)
	}
	series := Series{Start: time.Unix(start, 0).UTC(), StepS: int(width)}
	for _, b := range perBucket {
		series.OK = append(series.OK, b.ok)
		series.Failed = append(series.Failed, b.failed+b.timeout+b.lost)
		series.Cancelled = append(series.Cancelled, b.cancelled)
		series.P95MS = append(series.P95MS, b.run.quantile(0.95))
	}
	return series, nil
}
