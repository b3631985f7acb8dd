package source

import (
	"context"
	"time"

	"github.com/agentos/agentos/internal/jobs"
	"github.com/agentos/agentos/snapshot"
)

// analyticsValue is the section `analytics`, from the rollups alone.
type analyticsValue struct {
	SuccessRate   *float64    `json:"success_rate"` // percent over 24 h; null when nothing ended
	Hour          jobs.Window `json:"hour"`
	Day           jobs.Window `json:"day"`
	Throughput    jobs.Series `json:"throughput"`     // the last hour by minute
	ThroughputDay jobs.Series `json:"throughput_day"` // the last day by quarter of an hour
	CompleteTo    time.Time   `json:"complete_to"`    // every attempt ended before is counted
}

func analytics(d Deps) snapshot.Source {
	return snapshot.SourceFunc(func(ctx context.Context) (any, error) {
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
		return analyticsValue{
			SuccessRate:   day.SuccessRate,
			Hour:          hour,
			Day:           day,
			Throughput:    perMinute,
			ThroughputDay: perQuarter,
			CompleteTo:    completeTo,
		}, nil
	})
}
