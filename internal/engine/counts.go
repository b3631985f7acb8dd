package engine

import "time"

// Counts are of consecutive spans of time. One that is not recorded is NotRecorded: nothing is known of it, which
// is not that nothing happened.
type Counts []int64

// NotRecorded stands in Counts for a span before anything was recorded.
const NotRecorded = -1

// NewCounts makes counts of spans of step seconds from start on, zero where they are recorded.
func NewCounts(n int, start, step int64, recorded time.Time) Counts {
	c := make(Counts, n)
	for i := range c {
		if start+int64(i+1)*step <= recorded.Unix() && !recorded.IsZero() {
			c[i] = NotRecorded
		}
	}
	return c
}

// Add counts something in a span, which is recorded by that.
func (c Counts) Add(i int64, n int64) {
	if c[i] == NotRecorded {
		c[i] = 0
	}
	c[i] += n
}
