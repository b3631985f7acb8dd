package engine

import "time"

// SkewReported is the skew from which on a worker's clock is reported as off: less may be the time that a heartbeat takes to arrive.
const SkewReported = 3 * time.Second

// SkewSeconds is how far a clock is ahead, or nil when it is right.
func SkewSeconds(ahead time.Duration) *float64 {
	if ahead.Abs() < SkewReported {
		return nil
	}
	seconds := ahead.Round(time.Second).Seconds()
	return &seconds
}

// SkewOf is how far a clock that was read between two times is ahead of ours. What the reading itself may explain counts as none.
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
