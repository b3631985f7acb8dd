package agent

import (
	"testing"
	"time"
)

// The day begins with its first moment, also where midnight is skipped or comes twice.
func TestMidnightIsTheFirstMomentOfTheDay(t *testing.T) {
	for _, c := range []struct{ zone, now, want string }{
		{"Europe/Berlin", "2026-03-29T12:00:00+02:00", "2026-03-29T00:00:00+01:00"},
		{"Asia/Beirut", "2026-03-29T12:00:00+03:00", "2026-03-29T01:00:00+03:00"},
		{"America/Sao_Paulo", "2017-10-15T12:00:00-02:00", "2017-10-15T01:00:00-02:00"},
		{"America/Havana", "2026-11-01T12:00:00-05:00", "2026-11-01T00:00:00-04:00"},
		{"Pacific/Apia", "2011-12-31T12:00:00+14:00", "2011-12-31T00:00:00+14:00"},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		if got := StartOfDay(now.In(zone)).Format(time.RFC3339); got != c.want {
			t.Errorf("%s: the day of %s began %s, want %s", c.zone, c.now, got, c.want)
		}
	}
}
