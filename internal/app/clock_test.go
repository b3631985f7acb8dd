package app

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// A clock that is set is a reason for a while and a line in the log, whichever way it jumped; one that is adjusted is none.
func TestJumpOfTheClockIsShown(t *testing.T) {
	start := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		by   time.Duration
		want string
	}{
		"forward":  {time.Hour, "the clock of this host was put forward by 1h0m0s at 13:00:04 UTC, or the machine was asleep"},
		"back":     {-90 * time.Second, "the clock of this host was set back by 1m30s at 11:58:34 UTC:"},
		"adjusted": {800 * time.Millisecond, ""},
		"steady":   {0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var logged bytes.Buffer
			w := newWallClock(slog.New(slog.NewTextHandler(&logged, nil)))
			w.look(start, 0)
			w.look(start.Add(2*time.Second), 2*time.Second)
			if h := w.Health(); h.Status != "ok" {
				t.Fatalf("at first %+v", h)
			}
			w.look(start.Add(4*time.Second+c.by), 4*time.Second)
			h := w.Health()
			if (h.Status == "degraded") != (c.want != "") || !strings.HasPrefix(h.Detail, c.want) {
				t.Errorf("%+v, want %q", h, c.want)
			}
			if jumped := strings.Contains(logged.String(), "jumped"); jumped != (c.want != "") {
				t.Errorf("log %q", logged.String())
			}
			w.look(start.Add(9*time.Minute+c.by), 9*time.Minute)
			if again := w.Health(); again != h {
				t.Errorf("nine minutes later %+v", again)
			}
			w.look(start.Add(11*time.Minute+c.by), 11*time.Minute)
			if h := w.Health(); h.Status != "ok" {
				t.Errorf("eleven minutes later %+v", h)
			}
		})
	}
}
