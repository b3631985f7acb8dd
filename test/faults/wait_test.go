//go:build linux

package faults

import (
	"testing"
	"time"
)

// lookEvery is the pace at which conditions are looked at.
const lookEvery = 20 * time.Millisecond

// eventually waits until check gives nil and returns how long that took. The test fails with check's last error when
// timeout is over.
func eventually(t testing.TB, timeout time.Duration, what string, check func() error) time.Duration {
	t.Helper()
	began := time.Now()
	ticks := time.NewTicker(lookEvery)
	defer ticks.Stop()
	for {
		err := check()
		took := time.Since(began)
		if err == nil {
			return took
		}
		if took > timeout {
			t.Fatalf("%s: not within %v: %v", what, timeout, err)
		}
		<-ticks.C
	}
}

// throughout lets a span of time pass in which check must hold whenever it is looked at.
func throughout(t testing.TB, span time.Duration, what string, check func() error) {
	t.Helper()
	ticks := time.NewTicker(5 * lookEvery)
	defer ticks.Stop()
	for over := time.After(span); ; {
		if err := check(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		select {
		case <-over:
			return
		case <-ticks.C:
		}
	}
}
