package main

import (
	"context"
	"time"

	"github.com/agentos/agentos/bench/jobtable"
)

// rate is what was used per minute.
type rate struct {
	statements float64
	spent      time.Duration
	brokenOff  bool // there were statements, and not one came to its end: what they cost is not known
}

// time is how the time spent stands in a table.
func (r rate) time() string {
	if r.brokenOff {
		return "all broken off"
	}
	return took(r.spent)
}

// during counts what a role uses per minute for the time of the window.
func during(ctx context.Context, jobs *jobtable.Table, role string, window time.Duration) (rate, error) {
	before, err := jobs.UsageOf(ctx, role)
	if err != nil {
		return rate{}, err
	}
	if err := pause(ctx, window); err != nil {
		return rate{}, err
	}
	after, err := jobs.UsageOf(ctx, role)
	if err != nil {
		return rate{}, err
	}
	used, minutes := after.Since(before), after.At.Sub(before.At).Minutes()
	return rate{float64(used.Statements) / minutes, time.Duration(float64(used.Spent) / minutes), used.Statements == 0 && used.UnderWay}, nil
}

// pause waits, unless the bench is stopped.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
