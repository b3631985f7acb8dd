package agent

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/strictyaml"
)

const scheduleForms = `write five cron fields ("*/5 * * * *"), @hourly, @daily, @weekly, @monthly, @yearly, or "@every 20s"`

// Schedule says when an agent's jobs are due.
type Schedule struct {
	every  time.Duration // of "@every", else 0
	fields fields5
	zone   *time.Location
	offset time.Duration // by which each time of the fields, and the first of "@every", is later
	text   string
}

// scheduleNames are the schedules that have one.
var scheduleNames = map[string]string{
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
	"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}

// ParseSchedule reads five cron fields (minute, hour, day of month, month, day of week), a name such as @hourly, or
// "@every DURATION" of at least a second. Times are local unless the text begins with "TZ=Europe/Vienna ".
//
// A time that the clocks skip in spring comes at once after the gap, one that they repeat in autumn comes at the first of the two.
// Where every hour is named the schedule follows the clock instead: twice through an hour that comes twice.
func ParseSchedule(text string) (*Schedule, error) {
	if strings.TrimSpace(text) == "" {
		return nil, errors.New("the schedule is empty: " + scheduleForms)
	}
	s := &Schedule{zone: time.Local, text: strings.TrimSpace(text)}
	rest := s.text
	if strings.HasPrefix(rest, "TZ=") || strings.HasPrefix(rest, "CRON_TZ=") {
		var err error
		if s.zone, rest, err = cutZone(rest); err != nil {
			return nil, err
		}
	}
	if every, found := strings.CutPrefix(rest, "@every"); found {
		return s, s.readEvery(text, strings.TrimSpace(every))
	}
	if named, found := scheduleNames[rest]; found {
		rest = named
	}
	var err error
	if s.fields, err = parseFields(rest); err != nil {
		return nil, fmt.Errorf("%q is not a schedule: %w", text, err)
	}
	return s, nil
}

func cutZone(text string) (*time.Location, string, error) {
	name, rest, found := strings.Cut(text, " ")
	if !found {
		return nil, "", fmt.Errorf(`%q has a time zone and no schedule: write "%s 0 4 * * *"`, text, name)
	}
	_, zoneName, _ := strings.Cut(name, "=")
	zone, err := time.LoadLocation(zoneName)
	if err != nil || zoneName == "" {
		return nil, "", fmt.Errorf(`%q: there is no time zone %q here: write one such as TZ=Europe/Vienna`, text, zoneName)
	}
	return zone, strings.TrimSpace(rest), nil
}

func (s *Schedule) readEvery(text, every string) error {
	d, err := time.ParseDuration(every)
	if err != nil {
		return fmt.Errorf(`%q is not a schedule: write "@every 20s", "@every 5m" or "@every 1h30m"`, text)
	}
	if d < time.Second || d%time.Second != 0 {
		return fmt.Errorf(`%q: the shortest step is one second and steps are whole seconds: write "@every 1s" or more`, text)
	}
	s.every = d
	return nil
}

// Spread makes the schedule later by a time below within that depends on the name alone, so that many agents of one schedule
// do not start together. It returns the schedule.
func (s *Schedule) Spread(name string, within time.Duration) *Schedule {
	if seconds := uint64(within / time.Second); seconds > 0 {
		sum := fnv.New64a()
		_, _ = sum.Write([]byte(name))
		s.offset = time.Duration(mix(sum.Sum64())%seconds) * time.Second
	}
	return s
}

// mix spreads the bits of a sum: names that differ in their last letter must not be neighbours.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Every returns the step of an "@every" schedule, which does not depend on clocks; 0 for any other.
func (s *Schedule) Every() time.Duration { return s.every }

// String returns the schedule as written, with the zone that it is in: the same on hosts of different zones only when it means
// the same there.
func (s *Schedule) String() string {
	text := s.text
	if s.zone == time.Local && s.every == 0 {
		text = "TZ=" + ZoneName() + " " + text
	}
	if s.offset > 0 {
		text += " +" + strictyaml.Short(s.offset)
	}
	return text
}

// First returns when a schedule that begins now is due.
func (s *Schedule) First(now time.Time) time.Time {
	if s.every > 0 {
		return s.Next(now).Add(s.offset)
	}
	return s.Next(now)
}

// Next returns the first time after a moment; of "@every", one step later, on a whole second.
func (s *Schedule) Next(after time.Time) time.Time {
	if s.every > 0 {
		return after.Add(s.every).Truncate(time.Second)
	}
	return s.fields.next(after.Add(-s.offset), s.zone).Add(s.offset)
}

// Latest returns the latest time that may be due next. It allows for a clock that was set back a little: what names its hours
// does not come again for up to three hours of that, as in ISC cron.
func (s *Schedule) Latest(now time.Time) time.Time {
	switch {
	case s.every > 0:
		return s.First(now).Add(time.Minute)
	case s.fields.everyHour():
		return s.Next(now.Add(time.Minute))
	}
	return s.Next(now.Add(longestGap))
}
