package agent

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// longestGap is the longest that clocks are put forward for summer time. What is longer is a change of the calendar, such as
// the 30 December 2011 that Samoa left out: its times do not come at all.
const longestGap = 3 * time.Hour

// date is a day of the calendar, in no zone.
type date struct {
	year  int
	month time.Month
	day   int
}

func dateOf(t time.Time) date {
	year, month, day := t.Date()
	return date{year, month, day}
}

func (d date) utc() time.Time { return time.Date(d.year, d.month, d.day, 0, 0, 0, 0, time.UTC) }

func (d date) add(days int) date { return dateOf(d.utc().AddDate(0, 0, days)) }

func (d date) weekday() time.Weekday { return d.utc().Weekday() }

func (d date) at(hour, minute int) wall {
	return wall{d.utc().Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)}
}

// wall is a time that a clock on the wall shows, kept as if it were in UTC.
type wall struct{ utc time.Time }

// gap is where clocks are put forward over a time.
type gap struct {
	end  time.Time // the first moment after
	size time.Duration
}

// first returns the first moment that shows the time, or the end of the gap that it is in.
func (w wall) first(zone *time.Location) time.Time {
	shown, gap := w.moments(zone)
	if len(shown) > 0 {
		return shown[0]
	}
	return gap.end
}

// last returns the last moment that shows the time, or the end of the gap that it is in.
func (w wall) last(zone *time.Location) time.Time {
	shown, gap := w.moments(zone)
	if len(shown) > 0 {
		return shown[len(shown)-1]
	}
	return gap.end
}

// moments returns when a zone's clocks show the time, oldest first: once, twice where they are put back, never in a gap.
func (w wall) moments(zone *time.Location) (shown []time.Time, in gap) {
	near := w.utc.Add(-offsetAt(w.utc, zone)).In(zone)
	start, end := near.ZoneBounds()
	// The time is near the stretch of one offset, so only the ones beside it may show it too.
	offsets := make([]time.Duration, 0, 3)
	if !start.IsZero() {
		offsets = append(offsets, offsetAt(start.Add(-time.Nanosecond), zone))
	}
	offsets = append(offsets, offsetAt(near, zone))
	if !end.IsZero() {
		offsets = append(offsets, offsetAt(end, zone))
	}
	for _, offset := range offsets {
		if at := w.utc.Add(-offset).In(zone); offsetAt(at, zone) == offset {
			shown = append(shown, at)
		}
	}
	slices.SortFunc(shown, time.Time.Compare)
	shown = slices.CompactFunc(shown, time.Time.Equal)
	if len(shown) > 0 {
		return shown, gap{}
	}
	for _, change := range []time.Time{start, end} {
		if change.IsZero() {
			continue
		}
		before, after := offsetAt(change.Add(-time.Nanosecond), zone), offsetAt(change, zone)
		if local := change.UTC(); !w.utc.Before(local.Add(before)) && w.utc.Before(local.Add(after)) {
			return nil, gap{change.In(zone), after - before}
		}
	}
	return nil, gap{near, 0} // cannot be: every time is shown or in a gap
}

// offsetAt is how far a zone's clocks are ahead of UTC.
func offsetAt(t time.Time, zone *time.Location) time.Duration {
	_, seconds := t.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}

// StartOfDay returns when the day of a time began in its zone: its first moment, also where midnight is skipped or comes twice.
func StartOfDay(t time.Time) time.Time { return dateOf(t).at(0, 0).first(t.Location()) }

// ZoneName names the zone of local times, as TZ=... would: Europe/Berlin. Where the host does not say, it is the present offset
// from UTC.
func ZoneName() string {
	if name, set := os.LookupEnv("TZ"); set {
		name = strings.TrimPrefix(name, ":")
		if name == "" {
			return "UTC"
		}
		if _, err := time.LoadLocation(name); err == nil && !filepath.IsAbs(name) {
			return name
		}
	} else if path, err := filepath.EvalSymlinks("/etc/localtime"); err == nil {
		if _, name, found := strings.Cut(path, "zoneinfo/"); found && name != "" {
			return strings.TrimPrefix(name, "posix/")
		}
	}
	if offset := time.Now().Format("-07:00"); offset != "+00:00" {
		return "UTC" + offset
	}
	return "UTC"
}
