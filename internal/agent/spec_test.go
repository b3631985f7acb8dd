package agent

import (
	"math"
	"testing"
	"time"
)

func TestDelayGrowsAndStaysWithinBounds(t *testing.T) {
	b := Backoff{Initial: time.Second, Factor: 2, Max: 5 * time.Minute}
	for attempt, want := range map[int]time.Duration{
		-1: time.Second, 0: time.Second, 1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 9: 256 * time.Second,
		10: 5 * time.Minute, 100: 5 * time.Minute, 5000: 5 * time.Minute, math.MaxInt: 5 * time.Minute,
	} {
		if got := b.Delay(attempt); got != want {
			t.Errorf("after attempt %d: %s, want %s", attempt, got, want)
		}
	}
	longest := Backoff{Initial: time.Hour, Factor: 100, Max: math.MaxInt64}
	for attempt := range 100 {
		if got := longest.Delay(attempt); got < time.Hour {
			t.Fatalf("after attempt %d: %s", attempt, got)
		}
	}
	if got := (Backoff{}).Delay(3); got != 0 {
		t.Errorf("zero backoff: %s", got)
	}
}
