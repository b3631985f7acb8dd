package agent

import (
	"testing"
	"time"
)

func TestParseScheduleSaysWhenToRun(t *testing.T) {
	from := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"@every 20s":             20 * time.Second,
		"@every 1h30m":           90 * time.Minute,
		"TZ=UTC @hourly":         55*time.Minute + 55*time.Second,
		"TZ=UTC */5 * * * *":     55 * time.Second,
		"CRON_TZ=UTC 4 4 * * 5 ": 59*time.Minute + 55*time.Second,
	} {
		schedule, err := ParseSchedule(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := schedule.Next(from).Sub(from); got != want {
			t.Errorf("%q: next after %s, want %s", text, got, want)
		}
	}
}

func TestParseScheduleRefuses(t *testing.T) {
	for _, text := range []string{
		"", " ", "* * * *", "* * * * * *", "60 * * * *", "0 0 30 2 *", "@sometimes", "@every", "@every 0s", "@every -1s",
		"@every 999ms", "@every 1500ms", "@every soon", "TZ=UTC", "CRON_TZ=0", "TZ=Nowhere/X * * * * *", "TZ=UTC @every 1ms",
		"*/0 * * * *", "5-1 * * * *", "TZ= * * *",
	} {
		if _, err := ParseSchedule(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}
