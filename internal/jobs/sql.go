package jobs

import (
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/db"
)

// River's own columns differ between databases: here are SQLite's forms, JSON in blobs and times as text. Alias j is
// river_job. What other programs wrote there may be malformed and must not fail a whole list.
const (
	// lastClient is the River client of the last attempt.
	lastClient = `case when json_valid(j.attempted_by, 5) then json_extract(j.attempted_by, '$[#-1]') end`
	lastError  = `case when json_valid(j.errors, 5) then substr(json_extract(j.errors, '$[#-1].error'), 1, 300) end`
	// argsText is null beyond previewLimit: SQLite would turn megabytes into text for a line of a list.
	argsText = `case when length(j.args) > 16384 then null when json_valid(j.args, 9) then json(j.args) end`
	// cancelAsked is when the attempt under way was asked to end, as RFC 3339 text, or null. A note from before the attempt
	// began does not count: River keeps it when a cancelled job is retried.
	cancelAsked = `case when json_valid(j.metadata, 5) and julianday(json_extract(j.metadata, '$.cancel_attempted_at')) >= julianday(j.attempted_at)
		then json_extract(j.metadata, '$.cancel_attempted_at') end`
	withoutCancel = `case when json_valid(metadata, 5) then jsonb_remove(metadata, '$.cancel_attempted_at') else metadata end`
)

// stamp is a time in the form River stores, for comparing.
func stamp(t time.Time) string {
	return t.UTC().Round(time.Millisecond).Format("2006-01-02 15:04:05.000")
}

// tuples returns rows of numbered parameters for an insert: ($1,$2),($3,$4).
func tuples(rows, columns int) string {
	var b strings.Builder
	for i := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(list(i*columns+1, columns))
	}
	return b.String()
}

// list returns ($from,...) with n parameters.
func list(from, n int) string {
	var b strings.Builder
	b.WriteByte('(')
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "$%d", from+i)
	}
	b.WriteByte(')')
	return b.String()
}

func nullable(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func fromMS(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func timePtr(t sql.NullTime) *time.Time {
	if !t.Valid {
		return nil
	}
	utc := t.Time.UTC()
	return &utc
}

func msPtr(ms sql.NullInt64) *time.Time {
	if !ms.Valid {
		return nil
	}
	t := fromMS(ms.Int64)
	return &t
}

func ptr[T any](value sql.Null[T]) *T {
	if !value.Valid {
		return nil
	}
	return &value.V
}

// collect reads all rows.
func collect[T any](rows *sql.Rows, err error, scan func(*sql.Rows) (T, error)) ([]T, error) {
	if err != nil {
		return nil, db.Explain(err)
	}
	defer rows.Close()
	all := []T{}
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, db.Explain(rows.Err())
}
