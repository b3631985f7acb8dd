package agent

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// times returns the times of a schedule within [from, to), in its zone.
func times(t *testing.T, text, from, to string) []string {
	t.Helper()
	schedule, err := ParseSchedule(text)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := moment(t, from), moment(t, to)
	var all []string
	for at := schedule.Next(begin.Add(-time.Second)); at.Before(end); at = schedule.Next(at) {
		if len(all) > 100 || at.IsZero() {
			t.Fatalf("%q never gets past %v", text, at)
		}
		all = append(all, at.Format("01-02 15:04 -0700"))
	}
	return all
}

func moment(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// The clocks of Amsterdam go from 02:00 to 03:00 on 29 March 2026, and from 03:00 to 02:00 on 25 October; those of Lord Howe
// by half an hour; those of St John's went back at a minute past midnight; Beirut has no midnight on a day of March.
func TestScheduleInGapsAndFolds(t *testing.T) {
	for _, c := range []struct {
		text, from, to string
		want           []string
	}{
		{"TZ=Europe/Amsterdam 30 2 * * *", "2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z",
			[]string{"03-28 02:30 +0100", "03-29 03:00 +0200", "03-30 02:30 +0200"}},
		{"TZ=Europe/Amsterdam 30 2 * * *", "2026-10-24T00:00:00Z", "2026-10-27T00:00:00Z",
			[]string{"10-24 02:30 +0200", "10-25 02:30 +0200", "10-26 02:30 +0100"}},
		{"TZ=Europe/Amsterdam 30 2 * * SUN", "2026-03-20T00:00:00Z", "2026-04-06T00:00:00Z",
			[]string{"03-22 02:30 +0100", "03-29 03:00 +0200", "04-05 02:30 +0200"}},
		{"TZ=Europe/Amsterdam 30 2 29 * *", "2026-03-01T00:00:00Z", "2026-05-01T00:00:00Z",
			[]string{"03-29 03:00 +0200", "04-29 02:30 +0200"}},
		{"TZ=Europe/Amsterdam 15,45 2,3 29 3 *", "2026-03-01T00:00:00Z", "2026-05-01T00:00:00Z",
			[]string{"03-29 03:00 +0200", "03-29 03:15 +0200", "03-29 03:45 +0200"}},
		{"TZ=Europe/Amsterdam */15 2 * * *", "2026-10-25T00:00:00Z", "2026-10-26T00:00:00Z",
			[]string{"10-25 02:00 +0200", "10-25 02:15 +0200", "10-25 02:30 +0200", "10-25 02:45 +0200"}},
		{"TZ=Europe/Amsterdam 0 */2 * * *", "2026-10-24T22:00:00Z", "2026-10-25T04:00:00Z",
			[]string{"10-25 00:00 +0200", "10-25 02:00 +0200", "10-25 04:00 +0100"}},
		// Every half hour that passes, also where the clock shows it twice or not at all.
		{"TZ=Europe/Amsterdam */30 * * * *", "2026-10-24T23:30:00Z", "2026-10-25T02:30:00Z",
			[]string{"10-25 01:30 +0200", "10-25 02:00 +0200", "10-25 02:30 +0200", "10-25 02:00 +0100", "10-25 02:30 +0100", "10-25 03:00 +0100"}},
		{"TZ=Europe/Amsterdam */30 * * * *", "2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z",
			[]string{"03-29 01:00 +0100", "03-29 01:30 +0100", "03-29 03:00 +0200", "03-29 03:30 +0200"}},
		{"TZ=Europe/Amsterdam @hourly", "2026-10-24T23:00:00Z", "2026-10-25T03:00:00Z",
			[]string{"10-25 01:00 +0200", "10-25 02:00 +0200", "10-25 02:00 +0100", "10-25 03:00 +0100"}},
		{"TZ=Australia/Lord_Howe 15 2 * * *", "2026-10-02T15:00:00Z", "2026-10-05T00:00:00Z",
			[]string{"10-03 02:15 +1030", "10-04 02:30 +1100", "10-05 02:15 +1100"}},
		{"TZ=Australia/Lord_Howe 45 1 * * *", "2026-04-03T13:00:00Z", "2026-04-06T00:00:00Z",
			[]string{"04-04 01:45 +1100", "04-05 01:45 +1100", "04-06 01:45 +1030"}},
		{"TZ=America/St_Johns 30 23 * * *", "2010-11-06T00:00:00Z", "2010-11-09T00:00:00Z",
			[]string{"11-05 23:30 -0230", "11-06 23:30 -0230", "11-07 23:30 -0330"}},
		{"TZ=America/St_Johns 0 0 * * *", "2010-11-06T00:00:00Z", "2010-11-09T00:00:00Z",
			[]string{"11-06 00:00 -0230", "11-07 00:00 -0230", "11-08 00:00 -0330"}},
		{"TZ=America/St_Johns 0,40 * * * *", "2010-11-07T01:55:00Z", "2010-11-07T04:30:00Z",
			[]string{"11-06 23:40 -0230", "11-07 00:00 -0230", "11-06 23:40 -0330", "11-07 00:00 -0330", "11-07 00:40 -0330"}},
		{"TZ=Asia/Beirut @daily", "2026-03-27T12:00:00Z", "2026-03-30T12:00:00Z",
			[]string{"03-28 00:00 +0200", "03-29 01:00 +0300", "03-30 00:00 +0300"}},
		{"TZ=America/Sao_Paulo 30 0 * * *", "2017-10-14T00:00:00Z", "2017-10-17T00:00:00Z",
			[]string{"10-14 00:30 -0300", "10-15 01:00 -0200", "10-16 00:30 -0200"}},
		{"TZ=America/Nuuk 30 23 * * SAT", "2025-03-20T00:00:00Z", "2025-04-08T00:00:00Z",
			[]string{"03-22 23:30 -0200", "03-30 00:00 -0100", "04-05 23:30 -0100"}},
		// A day that the calendar leaves out does not come.
		{"TZ=Pacific/Apia 0 12 * * *", "2011-12-29T00:00:00Z", "2012-01-01T00:00:00Z",
			[]string{"12-29 12:00 -1000", "12-31 12:00 +1400", "01-01 12:00 +1400"}},
		{"TZ=Africa/Casablanca 30 2 * * *", "2026-02-14T12:00:00Z", "2026-02-16T12:00:00Z",
			[]string{"02-15 02:30 +0100", "02-16 02:30 +0000"}},
		{"TZ=Africa/Casablanca 30 2 * * *", "2026-03-21T12:00:00Z", "2026-03-23T12:00:00Z",
			[]string{"03-22 03:00 +0100", "03-23 02:30 +0100"}},
		{"TZ=UTC 0 0 29 2 *", "2096-03-01T00:00:00Z", "2108-01-01T00:00:00Z", []string{"02-29 00:00 +0000"}},
	} {
		if diff := cmp.Diff(c.want, times(t, c.text, c.from, c.to)); diff != "" {
			t.Errorf("%s from %s (-want +got):\n%s", c.text, c.from, diff)
		}
	}
}

var zones = []string{
	"UTC", "Europe/Amsterdam", "Europe/Dublin", "Africa/Casablanca", "Africa/Cairo", "America/St_Johns", "America/New_York", "America/Sao_Paulo", "America/Havana",
	"America/Nuuk", "America/Scoresbysund", "America/Santiago", "America/Asuncion", "Atlantic/Azores", "Asia/Beirut", "Asia/Gaza", "Asia/Tehran", "Asia/Amman",
	"Asia/Kolkata", "Asia/Kathmandu", "Asia/Pyongyang", "Australia/Lord_Howe", "Antarctica/Troll", "Pacific/Apia", "Pacific/Chatham", "Pacific/Kwajalein", "Pacific/Kiritimati",
}

// changesOf returns when a zone's clocks change within some years, and one moment where they do not.
func changesOf(zone *time.Location, from, to int) []time.Time {
	at := time.Date(from, 1, 1, 0, 0, 0, 0, zone)
	changes := []time.Time{at}
	for {
		_, at = at.ZoneBounds()
		if at.IsZero() || at.Year() >= to {
			return changes
		}
		changes = append(changes, at)
	}
}

// A daily schedule runs once on each day of the calendar, whatever the clocks do: at its time where there is one.
func TestDailyScheduleRunsOnceADay(t *testing.T) {
	for _, name := range zones {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		changes := slices.Concat(changesOf(zone, 1993, 1996), changesOf(zone, 2010, 2013), changesOf(zone, 2026, 2028))
		for _, clock := range []time.Duration{0, 30 * time.Minute, 119 * time.Minute, 150 * time.Minute, 12 * time.Hour, 1410 * time.Minute} {
			hour, minute := int(clock/time.Hour), int(clock%time.Hour/time.Minute)
			schedule, err := ParseSchedule(fmt.Sprintf("TZ=%s %d %d * * *", name, minute, hour))
			if err != nil {
				t.Fatal(err)
			}
			for _, change := range changes {
				day := dateOf(change).add(-3)
				at := day.at(hour, minute).first(zone)
				for range 7 {
					shown, gap := day.at(hour, minute).moments(zone)
					want := gap.end
					if len(shown) > 0 {
						want = shown[0]
					}
					if len(shown) > 0 || gap.size <= longestGap {
						if !at.Equal(want) {
							t.Fatalf("%s %02d:%02d on %v: %v, want %v", name, hour, minute, day, at, want)
						}
						if next := schedule.Next(at.Add(-time.Second)); !next.Equal(at) {
							t.Fatalf("%s: a second before %v the next is %v", name, at, next)
						}
						at = schedule.Next(at)
					}
					day = day.add(1)
				}
			}
		}
	}
}

// What runs every hour follows each minute that passes, through gaps and folds.
func TestScheduleFollowsTheClockMinuteByMinute(t *testing.T) {
	for _, name := range zones {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		schedule, err := ParseSchedule("TZ=" + name + " 0,17,30 * * * *")
		if err != nil {
			t.Fatal(err)
		}
		for _, change := range changesOf(zone, 2010, 2012) {
			from := change.Add(-5 * time.Hour).Truncate(time.Minute)
			next := schedule.Next(from)
			for at := from.Add(time.Minute); at.Before(change.Add(5 * time.Hour)); at = at.Add(time.Minute) {
				switch minute := at.Minute(); {
				case (minute == 0 || minute == 17 || minute == 30) != at.Equal(next):
					t.Fatalf("%s: at %v, next is %v", name, at, next)
				case at.Equal(next):
					next = schedule.Next(at)
				}
			}
		}
	}
}

func TestCronFields(t *testing.T) {
	for text, want := range map[string][]string{
		"TZ=UTC 0 0 * * 7":               {"01-04", "01-11"},
		"TZ=UTC 0 0 * * sun":             {"01-04", "01-11"},
		"TZ=UTC 0 0 * * FRI-MON":         {"01-02", "01-03", "01-04", "01-05", "01-09", "01-10", "01-11", "01-12"},
		"TZ=UTC 0 0 * * 5-1":             {"01-02", "01-03", "01-04", "01-05", "01-09", "01-10", "01-11", "01-12"},
		"TZ=UTC 0 0 * * 6-7":             {"01-03", "01-04", "01-10", "01-11"},
		"TZ=UTC 0 0 * * 7-1":             {"01-04", "01-05", "01-11", "01-12"},
		"TZ=UTC 0 0 * * SAT-SUN":         {"01-03", "01-04", "01-10", "01-11"},
		"TZ=UTC 0 0 3,12-14/2 DEC-JAN ?": {"01-03", "01-12"},
		"TZ=UTC 0 0 5 1 MON":             {"01-05", "01-12"},
		"TZ=UTC 0 0 */5 * *":             {"01-01", "01-06", "01-11"},
		"CRON_TZ=UTC  0 0 13  1 * ":      {},
	} {
		got := []string{}
		for _, at := range times(t, text, "2026-01-01T00:00:00Z", "2026-01-13T00:00:00Z") {
			got = append(got, strings.Fields(at)[0])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
	if diff := cmp.Diff([]string{"22:00", "23:00", "00:00", "01:00"}, clocks(times(t, "TZ=UTC 0 22-1 * * *", "2026-01-01T12:00:00Z", "2026-01-02T12:00:00Z"))); diff != "" {
		t.Error(diff)
	}
}

func clocks(all []string) (clocks []string) {
	for _, at := range all {
		clocks = append(clocks, strings.Fields(at)[1])
	}
	return clocks
}

func TestUnevenStepsAreRefusedWithWhatToWrite(t *testing.T) {
	for text, want := range map[string]string{
		"*/90 * * * *":     `write "@every 90m", or "0" if`,
		"*/45 * * * *":     `write "@every 45m", or "0,45" if`,
		"0/7 * * * *":      `write "@every 7m", or "0,7,14,`,
		"5/45 * * * *":     `write "@every 45m", or "5,50" if`,
		"0 */5 * * *":      `write "@every 5h", or "0,5,10,15,20" if`,
		"0 */36 * * *":     `write "@every 36h", or "0" if`,
		"0 0 */40 * *":     `write "1" if these are meant`,
		"0 0 1 */5 *":      `write "1,6,11" if these are meant`,
		"0 0 * * */2":      `write "0,2,4,6" if these are meant`,
		"10-20/30 * * * *": `longer than the range: write "10"`,
		"50-10 * * * *":    `write 50-59,0-10`,
		"0 0 * * 8":        `they are 0 to 7 or SUN to SAT`,
		"0 0 * * MON#2":    `they are 0 to 7 or SUN to SAT`,
		"0 0 L * *":        `they are 1 to 31`,
		"0 0 31 2,4 *":     `never comes`,
		"* * * *":          `it has 4 fields`,
	} {
		_, err := ParseSchedule(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; it lacks %s", text, err, want)
		}
	}
	for _, text := range []string{"*/5 * * * *", "*/30 */6 * * *", "5/15 * * * *", "0-50/7 * * * *", "0 0 */2 * *", "0 0 1 */3 *", "0,45 * * * *"} {
		if _, err := ParseSchedule(text); err != nil {
			t.Error(err)
		}
	}
}

func TestSpreadIsSteadyAndEven(t *testing.T) {
	starts := map[time.Duration]int{}
	from := moment(t, "2026-01-01T00:00:00Z")
	for i := range 100 {
		name := "agent-" + string(rune('a'+i%26)) + string(rune('a'+i/26))
		for _, text := range []string{"TZ=UTC @hourly", "@every 1h"} {
			schedule, err := ParseSchedule(text)
			if err != nil {
				t.Fatal(err)
			}
			first := schedule.Spread(name, 5*time.Minute).First(from)
			late := first.Sub(from) - time.Hour
			if text == "TZ=UTC @hourly" && late < 0 {
				late += time.Hour
			}
			if late < 0 || late >= 5*time.Minute || schedule.Next(first).Sub(first) != time.Hour {
				t.Errorf("%s of %s is due %v late, then after %v", text, name, late, schedule.Next(first).Sub(first))
			}
			starts[late.Truncate(30*time.Second)]++
		}
	}
	if len(starts) != 10 {
		t.Errorf("they begin in %d of 10 half minutes: %v", len(starts), starts)
	}
	for at, n := range starts {
		if n > 50 {
			t.Errorf("%d begin %v late", n, at)
		}
	}
}
