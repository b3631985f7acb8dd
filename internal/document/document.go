// Package document has the types of the dashboard's document: one for each section, one for its meta, and the whole.
// Package source fills them, and whatever reads the document in Go reads it through them: the command line, the metrics, a worker that
// asks whether others reach the database, the tests. The JSON Schema in docs/document.schema.json and the frontend's TypeScript types
// are generated from them and from their comments: run make generate after a change.
//
// The rules of all types:
//
//   - A pointer is null in JSON when the value is unknown or there is none; the comment says which. Zero is a figure, never "unknown".
//   - A name ends in its unit: _ms, _s, _bytes. A rate is in percent, from 0 to 100. Times are RFC 3339 in UTC.
//   - A list is an object by id, to be shown ascending by Order, so that a change of one row is a small patch. Of more rows than fit,
//     the most important are listed; the figures beside the list count all.
//   - A merge patch cannot set a null (RFC 7396): in a patched document a field that became null is absent. Decoding takes both for nil.
//   - Fields are added, never moved or renamed. One that is tagged optional came later: a document that an older version published,
//     during an upgrade, lacks it.
//
// It imports the standard library alone, so that every other package may import it.
package document

import (
	"encoding/json"
	"fmt"
	"time"
)

// Document is the whole document: what GET /api/admin/ssot answers with. A section is null until it was first collected.
type Document struct {
	Dashboard     Dashboard     `json:"dashboard"`
	AgentsWorkers AgentsWorkers `json:"agents_workers"`
	Analytics     *Analytics    `json:"analytics"`
	Logs          *Logs         `json:"logs"`
	// Absent where no file declares any.
	Own *Own `json:"own" schema:"optional"`
	// When the document was published.
	Timestamp time.Time `json:"timestamp"`
	Meta      Meta      `json:"meta"`
}

// Dashboard holds the sections of the overview.
type Dashboard struct {
	System  *System  `json:"system"`
	Workers *Workers `json:"workers"`
	Queue   *Queue   `json:"queue"`
	Jobs    *Jobs    `json:"jobs"`
}

// AgentsWorkers holds the section of the agents.
type AgentsWorkers struct {
	Agents *Agents `json:"agents"`
}

// Parse reads a document. A section or a field that it does not have is no error, but nil or zero; one of another type is, for then it
// is of a version that is not known here.
func Parse(text []byte) (*Document, error) {
	d := &Document{}
	if err := json.Unmarshal(text, d); err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	return d, nil
}

// Component returns the status of a component of the process that collected the document; its status is empty when the document does not
// say.
func (d *Document) Component(name string) Component {
	if d.Dashboard.System == nil {
		return Component{}
	}
	return d.Dashboard.System.Components[name]
}

// Time is a time that a job's row holds: in RFC 3339, or the text of what the database keeps instead, such as "infinity". Empty is null.
type Time string

// At returns the time; false when it is none that can be computed with.
func (t Time) At() (time.Time, bool) {
	at, err := time.Parse(time.RFC3339Nano, string(t))
	return at, err == nil
}

// MarshalJSON implements json.Marshaler: no time is null.
func (t Time) MarshalJSON() ([]byte, error) {
	if t == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(t))
}
