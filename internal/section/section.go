// Package section holds the sections that a fleet's file describes under `sections:`: figures of the reader's own, from a database, an
// HTTP service, a command or Prometheus. [Load] reads the file, a [Collector] collects one section at a time. Who collects when,
// and what becomes of the values, is not known here.
package section

import (
	"time"
)

// How far a file may go, and what holds where it says nothing.
const (
	MaxSections = 20
	MaxRows     = 50
	MaxPoints   = 60
	MaxValue    = 4 << 10 // bytes of a Value as JSON

	MinEvery       = 5 * time.Second
	MaxEvery       = 24 * time.Hour
	DefaultEvery   = time.Minute
	MaxTimeout     = time.Minute
	DefaultTimeout = 10 * time.Second
)

// Show says as what a section is shown.
type Show string

// The values of Show.
const (
	ShowNumber Show = "number" // the default
	ShowTable  Show = "table"
	ShowSeries Show = "series" // one line over time
	ShowStatus Show = "status" // a word
	ShowText   Show = "text"
)

// Format says how a number or a cell is written.
type Format string

// The values of Format. Empty: a number as it is, and anything else as text.
const (
	FormatNumber   Format = "number"
	FormatPercent  Format = "percent"  // of 100: 12.5 is 12.5 %
	FormatDuration Format = "duration" // seconds
	FormatBytes    Format = "bytes"
	FormatDate     Format = "date" // RFC 3339, in a cell
	FormatText     Format = "text"
)

// Level is what the thresholds make of a value.
type Level string

// The values of Level. Empty: the section has no thresholds.
const (
	LevelOK   Level = "ok"
	LevelWarn Level = "warn"
	LevelBad  Level = "bad"
)

// Role is the least role that may see a section.
type Role string

// The values of Role.
const (
	RoleViewer   Role = "viewer" // the default
	RoleOperator Role = "operator"
	RoleAdmin    Role = "admin"
)

// PlaceOverview is the place of a section that names none. Any other place is the name of a page of its own.
const PlaceOverview = "overview"

// Spec is one entry under `sections:`. Everything is filled in; exactly one of SQL, HTTP, Command and Prometheus is set.
type Spec struct {
	Name  string // the key in the file
	Title string

	SQL        *SQL
	HTTP       *HTTP
	Command    *Command
	Prometheus *Prometheus

	Pick    string // a path into the JSON that came, RFC 9535; empty: all of it
	Show    Show
	Columns []ColumnSpec // of a table; none: as they come
	Format  Format       // of a number or a series
	Unit    string       // written after a number: "EUR"
	Warn    *Threshold
	Bad     *Threshold
	Link    string // http or https; empty: none
	Every   time.Duration
	Timeout time.Duration
	Role    Role
	Place   string
}

// Kind is the name of what the section is collected from: sql, http, command or prometheus.
func (s *Spec) Kind() string {
	switch {
	case s.SQL != nil:
		return "sql"
	case s.HTTP != nil:
		return "http"
	case s.Command != nil:
		return "command"
	}
	return "prometheus"
}

// SQL is one statement that reads.
type SQL struct {
	Query string
	// Where the database is: the value of a variable (postgres://... or sqlite:///...), or a SQLite file, absolute.
	// Neither: the product's own database.
	Env, File string
}

// HTTP is an address that answers with JSON.
type HTTP struct {
	URL     string
	Headers map[string]Secret
}

// Command is a program, without a shell, in a process group of its own.
type Command struct {
	Argv    []string // the first is an absolute path, or a name that is looked up in PATH
	Dir     string   // absolute
	PassEnv []string // variables handed on from this process, on top of PATH, HOME, LANG, TMPDIR and TZ
}

// Prometheus is a query of a Prometheus server, or of what speaks like one.
type Prometheus struct {
	URL     string // of the server, without /api/v1
	Query   string
	Range   time.Duration // of a series, up to now; zero: an instant query
	Headers map[string]Secret
}

// Secret is a header's value: written in the file, or read from a variable or a file at each collection.
type Secret struct {
	Text, Env, File string // exactly one is set
}

// ColumnSpec is one column of a table.
type ColumnSpec struct {
	Label  string
	From   string // the column's name, a key of the row's object, or a path ($...) into the row
	Format Format
}

// Threshold says from where on a value is not fine: above or below a number, or one of some words.
type Threshold struct {
	Above, Below *float64
	Words        []string
}

// Value is what one collection came to. By Spec.Show exactly one of Number, Columns with Rows, Points, Status and Text is set. Its JSON has
// at most MaxValue bytes, and its texts are plain: valid UTF-8 without control characters but line breaks.
type Value struct {
	Number  *float64 `json:"number,omitempty"`
	Unit    string   `json:"unit,omitempty"`
	Format  Format   `json:"format,omitempty"` // of Number and Points
	Level   Level    `json:"level,omitempty"`
	Columns []Column `json:"columns,omitempty"`
	Rows    [][]Cell `json:"rows,omitempty"`
	More    int      `json:"more,omitempty"` // rows or points beyond the caps, which were left out
	Points  []Point  `json:"points,omitempty"`
	Status  string   `json:"status,omitempty"`
	Text    string   `json:"text,omitempty"`
	Cut     bool     `json:"cut,omitempty"` // a text was shortened
}

// Column is a column of the table that came.
type Column struct {
	Label  string `json:"label"`
	Format Format `json:"format,omitempty"`
}

// Cell is nil, a float64 or a string.
type Cell = any

// Point is one value of a series.
type Point struct {
	At    int64    `json:"at"`    // milliseconds since 1970
	Value *float64 `json:"value"` // nil: nothing at that time
}
