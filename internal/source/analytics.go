package source

import (
	"context"
	"time"

	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/internal/engine"
)

func analytics(d Deps) collectFunc {
	return func(ctx context.Context) (any, error) {
		// Asked first, so that it never claims more than the figures hold.
		completeTo, err := d.Jobs.RollupsCompleteTo(ctx)
		if err != nil {
			return nil, err
		}
		hour, day, err := d.Jobs.Windows(ctx)
		if err != nil {
			return nil, err
		}
		perMinute, err := d.Jobs.Throughput(ctx, time.Minute, 60)
		if err != nil {
			return nil, err
		}
		perQuarter, err := d.Jobs.Throughput(ctx, 15*time.Minute, 96)
		if err != nil {
			return nil, err
		}
		inexact := map[string]document.Inexact{}
		for name, w := range map[string]engine.Window{"hour": hour, "day": day} {
			if w.Why != "" {
				inexact[name] = document.Inexact{Known: document.KnownAtLeast, Why: clip(w.Why, 300)}
			}
		}
		return document.Analytics{
			SuccessRate:   day.SuccessRate,
			Hour:          describeWindow(hour),
			Day:           describeWindow(day),
			Throughput:    describeSeries(perMinute),
			ThroughputDay: describeSeries(perQuarter),
			CompleteTo:    completeTo,
			Inexact:       inexact,
		}, nil
	}
}

func describeWindow(w engine.Window) document.Window {
	return document.Window{
		Runs: w.Runs, OK: w.OK, Failed: w.Failed, Cancelled: w.Cancelled, SuccessRate: w.SuccessRate, PerMinute: w.PerMinute, RecordedS: w.RecordedS,
		Run: document.Percentiles(w.Run), Wait: document.Percentiles(w.Wait), Usage: (*document.Usage)(w.Usage),
	}
}

func describeSeries(s engine.Series) document.Series {
	return document.Series{Start: s.Start, StepS: s.StepS, OK: counts(s.OK), Failed: counts(s.Failed), Cancelled: counts(s.Cancelled), P95MS: append([]*float64{}, s.P95MS...)}
}

// counts are null where nothing was recorded; none where nothing ever is.
func counts(of engine.Counts) []*int64 {
	all := make([]*int64, len(of))
	for i := range of {
		if of[i] != engine.NotRecorded {
			all[i] = &of[i]
		}
	}
	return all
}
