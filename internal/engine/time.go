package engine

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/db"
)

// Time is a time in River's tables, whoever wrote it there. Most are such that RFC 3339 can write them. Of what else a database
// keeps, the JSON is a text too: "infinity" and "-infinity", a year beyond 0 to 9999 as ISO 8601 writes it
// ("+010000-01-01T04:59:59Z"), and what is no time at all as it stands in SQLite.
type Time struct {
	time.Time        // zero when there is none
	Text      string // what stands there instead of a time
}

// TimeOf is a time of our own.
func TimeOf(t time.Time) Time { return Time{Time: t} }

// TimeOfMS is a time that our own tables keep as milliseconds; nil for null.
func TimeOfMS(ms sql.NullInt64) *Time {
	if !ms.Valid {
		return nil
	}
	return &Time{Time: db.FromMS(ms.Int64)}
}

// Known reports whether it is a time that can be computed with.
func (t Time) Known() bool {
	return t.Text == "" && !t.IsZero() && t.Year() >= 0 && t.Year() <= 9999
}

// Since returns the time that passed since an earlier one; false when one of both is not known, or nobody can have waited so long.
func (t Time) Since(earlier Time) (time.Duration, bool) {
	if !t.Known() || !earlier.Known() {
		return 0, false
	}
	d := t.Sub(earlier.Time)
	return max(d, 0), d < endless
}

// endless is beyond every clock that is wrong.
const endless = 100 * 365 * 24 * time.Hour

// times are the forms in which SQLite's times are read, beyond those its driver knows.
var times = []string{"2006-01-02 15:04:05.999999999", time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999Z07", "2006-01-02T15:04:05.999999999", time.DateOnly}

// Scan implements sql.Scanner: it takes whatever stands there.
func (t *Time) Scan(src any) error {
	*t = Time{}
	switch v := src.(type) {
	case nil:
	case time.Time:
		t.Time = v.UTC()
	case string:
		t.read(v)
	case []byte:
		t.read(string(v))
	default:
		t.Text = fmt.Sprint(v)
	}
	return nil
}

func (t *Time) read(text string) {
	switch strings.ToLower(text) {
	case "infinity":
		t.Time = db.Infinity
		return
	case "-infinity":
		t.Time = db.MinusInfinity
		return
	}
	for _, form := range times {
		if at, err := time.Parse(form, text); err == nil {
			t.Time = at.UTC()
			return
		}
	}
	t.Text = Clip(Clean(text), maxTimeText)
}

const maxTimeText = 40

// String is what JSON has.
func (t Time) String() string {
	switch year := t.Year(); {
	case t.Text != "":
		return t.Text
	case t.IsZero():
		return ""
	case t.Equal(db.Infinity):
		return "infinity"
	case t.Equal(db.MinusInfinity):
		return "-infinity"
	case year < 0 || year > 9999:
		return fmt.Sprintf("%+07d", year) + t.UTC().Format("-01-02T15:04:05.999999999Z07:00")
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// MarshalJSON implements json.Marshaler. No time at all is null.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.Text == "" && t.IsZero() {
		return []byte("null"), nil
	}
	return json.Marshal(t.String())
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Time) UnmarshalJSON(raw []byte) error {
	*t = Time{}
	var text *string
	if err := json.Unmarshal(raw, &text); err != nil {
		return err
	}
	if text != nil {
		t.read(*text)
	}
	return nil
}
