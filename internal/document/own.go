package document

import "time"

// Own is the section `own`: the sections that the agents' file declares, each collected on its own.
type Own struct {
	// By name. There are at most 20.
	Items map[string]OwnSection `json:"items"`
}

// OwnSection is one section of the file's own, with its last good value.
type OwnSection struct {
	Order int    `json:"order"`
	Title string `json:"title"`
	// Where it is shown: "overview", or the name of a page.
	Place string  `json:"place"`
	Show  OwnShow `json:"show"`
	// What it is about, http or https.
	Link string `json:"link,omitempty"`
	// Who may see its value, which then is not in the document; absent: everybody who may see the dashboard.
	Role OwnRole `json:"role,omitempty"`
	// How often it is collected.
	EveryS float64 `json:"every_s"`
	// Null: it was never collected, or not everybody may see it.
	Value *OwnValue `json:"value"`
	// When the value was collected; null: never.
	AsOf *time.Time `json:"as_of"`
	// What the last attempt took; null: there was none.
	TookMS *float64 `json:"took_ms"`
	// Why the last attempt failed, in one sentence, in which case the value is the last good one; null: it did not.
	Error *string `json:"error"`
	// Since when every attempt failed; null: the last one did not.
	FailingSince *time.Time `json:"failing_since"`
	// Which definition the value is of. A new leader takes over no value of another one.
	Definition string `json:"definition,omitempty"`
}

// OwnShow is how the value is shown, and so which of its fields are set.
type OwnShow string

// The ways to show a value.
const (
	ShowNumber OwnShow = "number" // number, unit, format, level
	ShowTable  OwnShow = "table"  // columns, rows, more
	ShowSeries OwnShow = "series" // points, unit, format
	ShowStatus OwnShow = "status" // status, level
	ShowText   OwnShow = "text"   // text
)

// OwnRole is a role that may see what not everybody may.
type OwnRole string

// The roles above the one that sees all that the document has.
const (
	OwnOperator OwnRole = "operator"
	OwnAdmin    OwnRole = "admin"
)

// OwnValue is what one collection came to.
type OwnValue struct {
	// A figure, to be written by its format.
	Number *float64 `json:"number,omitempty"`
	// Stands behind the number, such as "EUR".
	Unit string `json:"unit,omitempty"`
	// Of the number, or of the points.
	Format OwnFormat `json:"format,omitempty"`
	// By the thresholds; absent: there are none.
	Level OwnLevel `json:"level,omitempty"`
	// Of the table.
	Columns []OwnColumn `json:"columns,omitempty"`
	// Of the table: of each column a number, a text, a truth or null.
	Rows [][]any `json:"rows,omitempty"`
	// How many rows or points there are beyond those.
	More int `json:"more,omitempty"`
	// The series, the oldest first.
	Points []OwnPoint `json:"points,omitempty"`
	Status string     `json:"status,omitempty"`
	// Plain text: nothing in it is markup.
	Text string `json:"text,omitempty"`
	// Something was left out so that it fits; rows that were are among `more`.
	Cut bool `json:"cut,omitempty"`
}

// OwnFormat is how a figure is written.
type OwnFormat string

// The formats.
const (
	FormatNumber   OwnFormat = "number"
	FormatPercent  OwnFormat = "percent"  // from 0 to 100
	FormatDuration OwnFormat = "duration" // of seconds
	FormatBytes    OwnFormat = "bytes"
	FormatDate     OwnFormat = "date" // RFC 3339
	FormatText     OwnFormat = "text"
)

// OwnLevel is how good a value is.
type OwnLevel string

// The levels.
const (
	OwnOK   OwnLevel = "ok"
	OwnWarn OwnLevel = "warn"
	OwnBad  OwnLevel = "bad"
)

// OwnColumn is one column of a table.
type OwnColumn struct {
	Label  string    `json:"label"`
	Format OwnFormat `json:"format,omitempty"`
}

// OwnPoint is one point of a series.
type OwnPoint struct {
	At time.Time `json:"at"`
	// Null: a gap.
	Value *float64 `json:"value"`
}
