package source

import (
	"testing"
	"time"
)

func TestDayLabelNamesTheZone(t *testing.T) {
	for zone, want := range map[string]string{
		"UTC": "00:00 UTC", "Europe/Berlin": "00:00 CET", "America/Sao_Paulo": "00:00 UTC-03", "Asia/Kathmandu": "00:00 UTC+0545",
	} {
		location, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		if got := dayLabel(time.Date(2026, 1, 2, 0, 0, 0, 0, location)); got != want {
			t.Errorf("%s: %q, want %q", zone, got, want)
		}
	}
}
