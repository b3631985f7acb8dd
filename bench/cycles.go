package main

import (
	"context"
	"time"
)

// cycle is what one cycle of AgentOS' warmer costs.
type cycle struct {
	slowest, sum time.Duration // of the sections that it collected: side by side, and one after the other
	statements   float64
	blocks       float64       // that the database looked at
	spent        time.Duration // by the database
}

// interval is how often AgentOS collects.
const interval = 5 * time.Second

// cycles measures the cycles of a time.
func (b *bed) cycles(ctx context.Context, c *contestant, within time.Duration) (cycle, error) {
	before, err := b.jobs.UsageOf(ctx, c.role)
	if err != nil {
		return cycle{}, err
	}
	last, err := c.document(ctx)
	if err != nil {
		return cycle{}, err
	}
	var slowest, sum []time.Duration
	for deadline := time.Now().Add(within); time.Now().Before(deadline); {
		if err := pause(ctx, interval); err != nil {
			return cycle{}, err
		}
		d, err := c.document(ctx)
		if err != nil {
			return cycle{}, err
		}
		if d.Meta.Revision == last.Meta.Revision {
			continue
		}
		a, b := d.rebuild(last)
		slowest, sum = append(slowest, a), append(sum, b)
		last = d
	}
	after, err := b.jobs.UsageOf(ctx, c.role)
	if err != nil {
		return cycle{}, err
	}
	used, n := after.Since(before), float64(after.At.Sub(before.At))/float64(interval)
	return cycle{median(slowest), median(sum), float64(used.Statements) / n, float64(used.Blocks) / n, time.Duration(float64(used.Spent) / n)}, nil
}
