package app

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestClocksThatDifferAreReported(t *testing.T) {
	off, here := map[string]time.Duration{}, time.Duration(0)
	var log strings.Builder
	c := &clocks{log: slog.New(slog.NewTextHandler(&log, nil)), read: func(context.Context) (map[string]time.Duration, time.Duration, error) {
		return off, here, nil
	}}
	if h, some := c.Health(); some {
		t.Errorf("all agree, and it is %+v", h)
	}
	off, here = map[string]time.Duration{"a": -30 * time.Second, "b": 5 * time.Second, "c": 4 * time.Second, "d": 3 * time.Second}, 12*time.Second
	want := "compared with the database's, this server's clock is 12s ahead, that of a is 30s behind, that of b is 5s ahead, " +
		"that of c is 4s ahead, those of 1 more are off: run NTP on these hosts"
	for range 2 {
		if h, some := c.Health(); !some || h.Status != "degraded" || h.Detail != want {
			t.Errorf("it is %+v", h)
		}
	}
	off, here = nil, 0
	if _, some := c.Health(); some {
		t.Error("it does not end")
	}
	if got := log.String(); strings.Count(got, "clocks differ") != 1 || strings.Count(got, "agree again") != 1 {
		t.Errorf("the log has %s", got)
	}
}
