package agent

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

const scheduleForms = `write five cron fields ("*/5 * * * *"), @hourly, @daily, @weekly, @monthly, @yearly, or "@every 20s"`

var cronParser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

// ParseSchedule reads five cron fields (minute, hour, day of month, month, day of week), a name such as @hourly, or
// "@every DURATION" of at least a second. Times are local unless the text begins with "TZ=Europe/Vienna ".
func ParseSchedule(text string) (cron.Schedule, error) {
	if err := checkSchedule(text); err != nil {
		return nil, err
	}
	schedule, err := cronParser.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%q is not a schedule (%w): %s", text, err, scheduleForms)
	}
	if schedule.Next(time.Now()).IsZero() {
		return nil, fmt.Errorf("the schedule %q never comes: no such day in the next five years", text)
	}
	return schedule, nil
}

// checkSchedule refuses what the cron library would panic on or silently change.
func checkSchedule(text string) error {
	if strings.TrimSpace(text) == "" {
		return errors.New("the schedule is empty: " + scheduleForms)
	}
	if strings.HasPrefix(text, "TZ=") || strings.HasPrefix(text, "CRON_TZ=") {
		zone, rest, found := strings.Cut(text, " ")
		if !found {
			return fmt.Errorf(`%q has a time zone and no schedule: write "%s 0 4 * * *"`, text, zone)
		}
		text = strings.TrimSpace(rest)
	}
	every, found := strings.CutPrefix(text, "@every ")
	if !found {
		return nil
	}
	d, err := time.ParseDuration(strings.TrimSpace(every))
	if err != nil {
		return fmt.Errorf(`%q is not a schedule: write "@every 20s", "@every 5m" or "@every 1h30m"`, text)
	}
	if d < time.Second || d%time.Second != 0 {
		return fmt.Errorf(`%q: the shortest step is one second and steps are whole seconds: write "@every 1s" or more`, text)
	}
	return nil
}
