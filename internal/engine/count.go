package engine

import (
	"fmt"
	"strings"
	"time"
)

// Known says how much is known of a figure. The zero value shows nothing.
type Known uint8

// From nothing to all.
const (
	Unrecorded Known = iota // the engine does not record it
	NotAllowed              // our credential may not read it
	NotYet                  // it was not read yet
	AtLeast                 // there are at least so many
	Delayed                 // it was right at its time, which is longer ago than the rest
	Exact
)

// HasValue reports whether there is a number to show.
func (k Known) HasValue() bool { return k >= AtLeast }

func (k Known) String() string {
	names := [...]string{"not recorded", "not allowed", "not yet read", "at least", "delayed", "exact"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// MarshalText writes it as one word: not_recorded.
func (k Known) MarshalText() ([]byte, error) {
	return []byte(strings.ReplaceAll(k.String(), " ", "_")), nil
}

// UnmarshalText reads what MarshalText writes.
func (k *Known) UnmarshalText(text []byte) error {
	for known := Unrecorded; known <= Exact; known++ {
		if word, _ := known.MarshalText(); string(word) == string(text) {
			*k = known
			return nil
		}
	}
	return fmt.Errorf("nothing is known as %q", text)
}

// Count is a figure with what is known of it.
type Count struct {
	N     int64 // 0 unless Known has a value
	Known Known
	At    time.Time // when it was read; zero when it was not
	Why   string    // unless it is exact or delayed: one sentence that a person can act on
}

// Exactly is a count that is right at the given moment.
func Exactly(n int64, at time.Time) Count { return Count{N: n, Known: Exact, At: at} }

// Unknown is a count without a value.
func Unknown(known Known, why string) Count {
	if known.HasValue() {
		known = Unrecorded
	}
	return Count{Known: known, Why: why}
}

// LowerBound is a count of which only a lower bound is known.
func LowerBound(n int64, at time.Time, why string) Count {
	return Count{N: n, Known: AtLeast, At: at, Why: why}
}

// Value returns the number, or nil when there is none.
func (c Count) Value() *int64 {
	if !c.Known.HasValue() {
		return nil
	}
	return &c.N
}

// Plus sums two counts. The sum knows no more than the lesser known of the two, and is as old as the older; with a number on one
// side only, it is a lower bound.
func (c Count) Plus(d Count) Count {
	if c.Known > d.Known {
		c, d = d, c // c is the lesser known
	}
	sum := Count{N: c.N + d.N, Known: c.Known, At: older(c.At, d.At), Why: c.Why}
	if !c.Known.HasValue() && d.Known.HasValue() {
		sum.Known, sum.At = AtLeast, d.At
	}
	return sum
}

func older(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
