package db

import (
	"strings"
	"time"
)

// Stamp is a time as an argument that is compared with a time in River's tables.
func (d *DB) Stamp(t time.Time) any {
	if d.Kind == Postgres {
		return t.UTC()
	}
	return SQLiteTime(t)
}

// SQLiteTime is a time as River keeps it in SQLite.
func SQLiteTime(t time.Time) string {
	switch {
	case t.Year() > 9999: // as text it would stand before all others
		return "infinity"
	case t.Year() < 0:
		return "-infinity"
	}
	return t.UTC().Round(time.Millisecond).Format("2006-01-02 15:04:05.000")
}

// Clean gives what of a text a text column can store: Postgres takes neither NUL nor invalid UTF-8.
func (d *DB) Clean(text string) string {
	if d.Kind == SQLite {
		return text
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	return strings.ReplaceAll(text, "\x00", "\uFFFD")
}
