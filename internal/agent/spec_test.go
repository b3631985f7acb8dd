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

func TestWaitsAreSpread(t *testing.T) {
	b := Backoff{Initial: time.Minute, Factor: 2, Max: time.Hour, Jitter: 0.25}
	different := map[time.Duration]bool{}
	for range 100 {
		wait := b.Wait(2)
		different[wait] = true
		if wait > 2*time.Minute || wait < 90*time.Second {
			t.Errorf("wait %v", wait)
		}
	}
	if len(different) < 50 {
		t.Errorf("only %d different waits", len(different))
	}
	b.Jitter = 0
	if got := b.Wait(3); got != 4*time.Minute {
		t.Errorf("without jitter: %v", got)
	}
}
