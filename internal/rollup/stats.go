package rollup

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
)

// window turns sums over a span of time that ends now into what is shown. What is not recorded does not thin the rate.
func (s *sums) window(now time.Time, span time.Duration, recorded time.Time) engine.Window {
	if !recorded.IsZero() {
		span = min(span, max(now.Sub(recorded), time.Minute))
	}
	failed, cancelled, usage := s.failed+s.timeout+s.lost, s.cancelled, s.usage
	w := engine.Window{
		Runs: s.ok + failed + s.cancelled, OK: s.ok, Failed: failed, Cancelled: &cancelled,
		Run: s.run.percentiles(), Wait: s.wait.percentiles(), Usage: &usage, RecordedS: int64(span.Seconds()),
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
func (r *Store) partsOf(from, to int64) []part {
	firstHour := floorTo(from+hourStep-1, hourStep)
	lastHour := floorTo(to, hourStep)
	if limit := r.hoursTo.Load(); limit > 0 {
		lastHour = min(lastHour, limit)
	}
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
func (r *Store) Windows(ctx context.Context) (hour, day engine.Window, err error) {
	now := time.Now()
	lastHour, err := r.total(ctx, now, hourSpan)
	if err != nil {
		return engine.Window{}, engine.Window{}, engine.WrapDB("sum up the last hour", err)
	}
	lastDay, err := r.total(ctx, now, daySpan)
	if err != nil {
		return engine.Window{}, engine.Window{}, engine.WrapDB("sum up the last day", err)
	}
	recorded, err := r.recordedSince(ctx)
	if err != nil {
		return engine.Window{}, engine.Window{}, err
	}
	return lastHour.window(now, hourSpan, recorded), lastDay.window(now, daySpan, recorded), nil
}

// Between sums up the attempts that ended from the minute of one time to that of another, which is included.
func (r *Store) Between(ctx context.Context, from, to time.Time) (engine.Window, error) {
	start, end := floorTo(from.Unix(), minuteStep), floorTo(to.Unix(), minuteStep)+minuteStep
	all, err := r.totalBetween(ctx, start, end)
	if err != nil {
		return engine.Window{}, err
	}
	return all.window(to, time.Duration(end-start)*time.Second, time.Time{}), nil
}

func (r *Store) total(ctx context.Context, now time.Time, span time.Duration) (*sums, error) {
	from, to := spanEnding(now, span)
	return r.totalBetween(ctx, from, to)
}

func (r *Store) totalBetween(ctx context.Context, from, to int64) (*sums, error) {
	all := newSums()
	for _, p := range r.partsOf(from, to) {
		err := r.totals(ctx, p, func(int64) *sums { return all })
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// totals adds each row of all agents in a part to the sums of its time.
func (r *Store) totals(ctx context.Context, p part, of func(start int64) *sums) error {
	rows, err := r.db.Read.QueryContext(ctx, `select start_s, `+sumColumns+` from rollup
		where step_s = $1 and agent = '' and queue = '' and start_s >= $2 and start_s < $3`, p.step, p.from, p.to)
	_, err = db.Collect(rows, err, func(rows *sql.Rows) (struct{}, error) {
		var start int64
		var r sumRow
		if err := rows.Scan(append([]any{&start}, r.fields()...)...); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, of(start).addRow(&r)
	})
	return err
}

// Throughput counts ended attempts in buckets of step, a whole number of minutes; the last bucket is the present one.
func (r *Store) Throughput(ctx context.Context, step time.Duration, buckets int) (engine.Series, error) {
	width := int64(step / time.Second)
	if width < minuteStep || width%minuteStep != 0 || buckets < 1 {
		return engine.Series{}, fmt.Errorf("throughput by %s: %w", step, engine.ErrInvalid)
	}
	start := floorTo(time.Now().Unix(), width) - int64(buckets-1)*width
	recorded, err := r.recordedSince(ctx)
	if err != nil {
		return engine.Series{}, err
	}
	counts := func() engine.Counts { return engine.NewCounts(buckets, start, width, recorded) }
	series := engine.Series{
		Start: time.Unix(start, 0).UTC(), StepS: int(width),
		OK: counts(), Failed: counts(), Cancelled: counts(), P95MS: make([]*float64, buckets),
	}
	ran := make([]histogram, buckets)
	rows, err := r.db.Read.QueryContext(ctx, `select start_s, ok, failed + timeout + lost, cancelled, run_max_ms, run_ms from rollup
		where step_s = 60 and agent = '' and queue = '' and start_s >= $1 and start_s < $2`, start, start+int64(buckets)*width)
	_, err = db.Collect(rows, err, func(rows *sql.Rows) (struct{}, error) {
		var at, ok, failed, cancelled, longest int64
		var run sql.RawBytes
		if err := rows.Scan(&at, &ok, &failed, &cancelled, &longest, &run); err != nil {
			return struct{}{}, err
		}
		i := (at - start) / width
		series.OK.Add(i, ok)
		series.Failed.Add(i, failed)
		series.Cancelled.Add(i, cancelled)
		if ran[i].sketch == nil {
			ran[i] = newHistogram()
		}
		return struct{}{}, ran[i].merge(run, longest)
	})
	if err != nil {
		return engine.Series{}, engine.WrapDB("read the throughput", err)
	}
	for i := range ran {
		series.P95MS[i] = ran[i].quantile(0.95)
	}
	return series, nil
}
