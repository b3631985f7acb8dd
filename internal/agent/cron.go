package agent

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/strictyaml"
)

// fields5 are the five fields of cron, a bit for each value.
type fields5 struct {
	minute, hour, day, month, weekday uint64
	anyDay, anyWeekday                bool // the field is *: the other one decides alone
}

// cronField describes one of the five.
type cronField struct {
	name      string
	low, high int
	names     []string // of the values from low
	cyclic    bool     // a range may go over the end: FRI-MON
	even      bool     // a step must divide it: what else would be a step is not one where it begins again
	unit      string   // of "@every"
}

var cronFields = [5]cronField{
	{name: "minutes", low: 0, high: 59, even: true, unit: "m"},
	{name: "hours", low: 0, high: 23, even: true, unit: "h", cyclic: true},
	{name: "days of the month", low: 1, high: 31},
	{name: "months", low: 1, high: 12, even: true, cyclic: true,
		names: []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}},
	{name: "days of the week", low: 0, high: 6, even: true, cyclic: true, names: []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}},
}

func parseFields(text string) (f fields5, err error) {
	words := strings.Fields(text)
	if len(words) != len(cronFields) {
		return f, fmt.Errorf("it has %d fields: %s", len(words), scheduleForms)
	}
	for i, target := range []*uint64{&f.minute, &f.hour, &f.day, &f.month, &f.weekday} {
		if *target, err = cronFields[i].parse(words[i]); err != nil {
			return f, err
		}
	}
	f.anyDay, f.anyWeekday = isAny(words[2]), isAny(words[4])
	if f.anyWeekday && !f.possible() {
		return f, fmt.Errorf("it never comes: no month named has such a day")
	}
	return f, nil
}

func isAny(word string) bool { return word == "*" || word == "?" || word == "*/1" }

// possible reports whether one of the months has one of the days.
func (f *fields5) possible() bool {
	first := bits.TrailingZeros64(f.day)
	for month := 1; month <= 12; month++ {
		if f.month>>month&1 == 1 && first <= time.Date(2000, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day() {
			return true
		}
	}
	return false
}

// parse reads a list of values, ranges and steps.
func (c *cronField) parse(word string) (set uint64, err error) {
	for part := range strings.SplitSeq(word, ",") {
		one, err := c.part(part)
		if err != nil {
			return 0, err
		}
		set |= one
	}
	return set, nil
}

func (c *cronField) part(part string) (set uint64, err error) {
	span, stepText, stepped := strings.Cut(part, "/")
	low, high, open, err := c.span(span, stepped)
	if err != nil {
		return 0, err
	}
	step := 1
	if stepped {
		step, err = strconv.Atoi(stepText)
		if err != nil || step < 1 || stepText[0] == '+' {
			return 0, fmt.Errorf("%q in its %s: the step after / must be a number from 1", strictyaml.Clip(part), c.name)
		}
	}
	size := c.high - c.low + 1
	length := (high-low+size)%size + 1
	for i := 0; i < length; i += step {
		set |= 1 << (c.low + (low-c.low+i)%size)
	}
	return set, c.checkStep(part, set, step, length, open)
}

// checkStep refuses steps that are not what they seem: */90 in minutes is every hour, */45 takes turns of 45 and 15 minutes.
func (c *cronField) checkStep(part string, set uint64, step, length int, open bool) error {
	size := c.high - c.low + 1
	uneven := open && (step > size || c.even && size%step != 0)
	if step == 1 || !uneven && step <= length {
		return nil
	}
	var values []string
	for value := c.low; value <= c.high; value++ {
		if set>>value&1 == 1 {
			values = append(values, strconv.Itoa(value))
		}
	}
	list := strings.Join(values, ",")
	switch {
	case !uneven:
		return fmt.Errorf("%q in its %s has a step longer than the range: write %q", strictyaml.Clip(part), c.name, list)
	case c.unit != "":
		return fmt.Errorf(`%q in its %s would not come every %d%s, because %d does not divide %d: write "@every %d%s", or %q if these %s are meant`,
			strictyaml.Clip(part), c.name, step, c.unit, step, size, step, c.unit, list, c.name)
	}
	return fmt.Errorf("%q in its %s would be uneven steps, because %d does not divide %d: write %q if these are meant", strictyaml.Clip(part), c.name, step, size, list)
}

// span reads what stands before a step: *, a value or a range. Open means that it goes to the end of the field.
func (c *cronField) span(span string, stepped bool) (low, high int, open bool, err error) {
	if span == "*" || span == "?" {
		return c.low, c.high, true, nil
	}
	from, to, isRange := strings.Cut(span, "-")
	if low, err = c.value(from); err != nil {
		return 0, 0, false, err
	}
	high = low
	switch {
	case isRange:
		if high, err = c.value(to); err != nil {
			return 0, 0, false, err
		}
	case stepped:
		return low, c.high, true, nil
	}
	if c.names != nil && c.low == 0 { // Sunday is 0 and 7
		if low == 7 {
			low = 0
		}
		if high == 7 && low == 0 && from != "7" && isRange {
			high = 6 // 0-7
		}
		high %= 7
	}
	if low > high && !c.cyclic {
		return 0, 0, false, fmt.Errorf("%q in its %s ends before it begins: write %s-%d,%d-%s", strictyaml.Clip(span), c.name, from, c.high, c.low, to)
	}
	return low, high, false, nil
}

// value reads a number or a name.
func (c *cronField) value(text string) (int, error) {
	for i, name := range c.names {
		if strings.EqualFold(text, name) {
			return c.low + i, nil
		}
	}
	most := c.high
	if c.names != nil && c.low == 0 {
		most = 7
	}
	value, err := strconv.Atoi(text)
	if err != nil || value < c.low || value > most || text[0] == '+' {
		names := ""
		if c.names != nil {
			names = fmt.Sprintf(" or %s to %s", c.names[0], c.names[len(c.names)-1])
		}
		return 0, fmt.Errorf("%q in its %s: they are %d to %d%s", strictyaml.Clip(text), c.name, c.low, most, names)
	}
	return value, nil
}

// everyHour reports whether the schedule follows the clock through gaps and folds.
func (f *fields5) everyHour() bool { return f.hour == 1<<24-1 }

// onDay reports whether a day is one of the schedule's. When both kinds of day are named, either will do.
func (f *fields5) onDay(d date) bool {
	if f.month>>d.month&1 == 0 {
		return false
	}
	day := f.day>>d.day&1 == 1
	weekday := f.weekday>>d.weekday()&1 == 1
	if f.anyDay || f.anyWeekday {
		return day && weekday
	}
	return day || weekday
}

// maxDays bounds the search for the next day: 29 February may be eight years away, and longer on a day of the week.
const maxDays = 41 * 366

// next returns the first time after a moment; zero when there is none for decades.
func (f *fields5) next(after time.Time, zone *time.Location) time.Time {
	day := dateOf(after.In(zone)).add(-1) // where midnight comes twice, the day before may begin again
	for range maxDays {
		at := f.nextOn(day, after, zone)
		day = day.add(1)
		if at.IsZero() {
			continue
		}
		if other := f.nextOn(day, after, zone); !other.IsZero() && other.Before(at) {
			return other
		}
		return at
	}
	return time.Time{}
}

// nextOn returns the first time of a day that is after a moment; zero when there is none.
func (f *fields5) nextOn(day date, after time.Time, zone *time.Location) (first time.Time) {
	if !f.onDay(day) || !day.at(23, 59).last(zone).After(after) {
		return time.Time{}
	}
	for hour := range 24 {
		if f.hour>>hour&1 == 0 || !day.at(hour, 59).last(zone).After(after) {
			continue
		}
		// Where clocks are put back a later hour may come before the rest of this one.
		if !first.IsZero() && first.Before(day.at(hour, 0).first(zone)) {
			return first
		}
		for minute := range 60 {
			if f.minute>>minute&1 == 0 {
				continue
			}
			for _, at := range f.moments(day.at(hour, minute), zone) {
				if at.After(after) && (first.IsZero() || at.Before(first)) {
					first = at
				}
			}
		}
	}
	return first
}

// moments returns when a wall clock shows a time, as far as the schedule depends on it.
func (f *fields5) moments(w wall, zone *time.Location) []time.Time {
	shown, gap := w.moments(zone)
	switch {
	case f.everyHour():
		return shown
	case len(shown) > 0:
		return shown[:1]
	case gap.size <= longestGap:
		return []time.Time{gap.end}
	}
	return nil
}
