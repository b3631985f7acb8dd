package schedule

import "time"

// clockSlack is how much two readings of a clock may differ from what passed, before the clock is held to have been set.
const clockSlack = 2 * time.Second

// clock compares a clock that can be set with the time that passes.
type clock struct {
	known     bool
	low, high time.Duration // the clock was ahead of this process's start by so much, at least and at most
	zero      time.Time
}

// look takes a reading of the clock, made between two moments since this process began. It returns by how much the clock was set
// since the reading before; forward is positive. A machine that was suspended shows the same: what passed meanwhile is not counted here.
func (c *clock) look(now time.Time, asked, answered time.Duration) (jump time.Duration) {
	if !c.known {
		*c = clock{known: true, zero: now, low: -answered, high: -asked}
		return 0
	}
	low, high := now.Sub(c.zero)-answered, now.Sub(c.zero)-asked
	switch {
	case low > c.high+clockSlack:
		jump = low - c.high
	case high < c.low-clockSlack:
		jump = high - c.low
	}
	c.low, c.high = low, high
	return jump
}
