package engine

import "time"

// SkewTold is from when on a worker's clock is said to be off; what a heartbeat takes on its way looks alike.
const SkewTold = 3 * time.Second

// SkewSeconds is how far a clock is ahead, or nil when it is right.
func SkewSeconds(ahead time.Duration) *float64 {
	if ahead.Abs() < SkewTold {
		return nil
	}
	seconds := ahead.Round(time.Second).Seconds()
	return &seconds
}

// SkewOf is how far a clock is ahead of ours that was read between two times. What may come of the way there is none.
func SkewOf(clock, began, ended time.Time) time.Duration {
	switch {
	case clock.IsZero():
		return 0
	case clock.After(ended):
		return clock.Sub(ended)
	case clock.Before(began):
		return clock.Sub(began)
	}
	return 0
}
