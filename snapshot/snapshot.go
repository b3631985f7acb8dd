package snapshot

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"sync"
	"time"
)

const (
	// Version is the meta.version of the documents this package writes and accepts.
	Version = 4

	// MaxDocumentBytes is the size no document may exceed: a larger one is not published, a stored one is corrupt.
	MaxDocumentBytes = 128 << 10

	// DefaultSectionBytes is the size of one section's value beyond which its collection has failed.
	DefaultSectionBytes = 48 << 10
)

var (
	// ErrNotFound is what a Tier's Load returns when it holds no document.
	ErrNotFound = errors.New("no document is stored")

	// ErrCorrupt is wrapped by every error that says a stored document cannot be used.
	ErrCorrupt = errors.New("stored document is corrupt")

	// ErrForeign is wrapped by every error that says that another fleet uses what this one was given.
	ErrForeign = errors.New("it is used by another fleet: give each fleet a place of its own")

	// ErrUnavailable is wrapped by Cache.Get's error when no rung of the ladder had a document.
	ErrUnavailable = errors.New("no document is available")

	// ErrTooLarge is wrapped by the error that refuses a document over MaxDocumentBytes.
	ErrTooLarge = errors.New("document is over the size limit")
)

// A Snapshot is one published document with everything needed to serve it. It is immutable: share it freely and
// change nothing in it, the slices and the map included.
type Snapshot struct {
	Revision uint64    // grows with every publish, across restarts too
	At       time.Time // when the document was published (its "timestamp")
	AsOf     time.Time // the honest age of the whole: when its oldest overdue section was collected, else At
	Stale    bool      // some section was overdue at At
	Fleet    string    // which it is about; empty = it does not say

	Publisher string // WarmerOptions.Name of the process that collected it; empty = it has none

	// JSON is the document: one line of UTF-8 in which <, >, &, U+2028 and U+2029 are escaped, so that it may stand
	// in an SSE data line and in an HTML script element as it is.
	JSON []byte
	Gzip []byte // JSON, gzipped
	ETag string // strong entity tag of JSON, quotes included

	Sections map[string]SectionMeta // meta.sections, by section name

	plain, gzipped variant // ready-made answers of the handler
	frame          func() *frame
}

// SectionMeta is what meta.sections says about one section.
type SectionMeta struct {
	AsOf    time.Time     // when the value shown was collected; zero = never
	Took    time.Duration // what the last attempt took
	Every   time.Duration // the present pace, longer than asked for when the section is costly
	Error   string        // why the last attempt failed; empty = it did not
	Overdue bool          // AsOf is older than the pace, the deadline and one interval together
}

// sectionMetaJSON is SectionMeta as the document has it: null for "never" and "no error".
type sectionMetaJSON struct {
	AsOf    *string `json:"as_of"`
	TookMS  float64 `json:"took_ms"`
	EveryMS int64   `json:"every_ms"`
	Error   *string `json:"error"`
	Overdue bool    `json:"overdue"`
}

// MarshalJSON writes the form that stands in the document.
func (m SectionMeta) MarshalJSON() ([]byte, error) {
	out := sectionMetaJSON{
		TookMS:  float64(m.Took.Microseconds()) / 1000,
		EveryMS: m.Every.Milliseconds(),
		Overdue: m.Overdue,
	}
	if !m.AsOf.IsZero() {
		text := formatTime(m.AsOf)
		out.AsOf = &text
	}
	if m.Error != "" {
		out.Error = &m.Error
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads the form that stands in the document.
func (m *SectionMeta) UnmarshalJSON(data []byte) error {
	var in sectionMetaJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*m = SectionMeta{Took: milliseconds(in.TookMS), Every: milliseconds(float64(in.EveryMS)), Overdue: in.Overdue}
	if in.Error != nil {
		m.Error = *in.Error
	}
	if in.AsOf == nil {
		return nil
	}
	at, err := time.Parse(time.RFC3339, *in.AsOf)
	m.AsOf = at
	return err
}

// milliseconds converts without overflow: stored documents may hold any number.
func milliseconds(ms float64) time.Duration {
	if ms < 0 || ms > float64(math.MaxInt64/int64(time.Millisecond))/2 {
		return 0
	}
	return time.Duration(ms * float64(time.Millisecond))
}

// timeLayout is RFC 3339 in UTC with milliseconds, the only form of time in the document.
const timeLayout = "2006-01-02T15:04:05.000Z"

func formatTime(t time.Time) string { return t.UTC().Format(timeLayout) }

// A variant is one representation of a document with its header values made in advance: the hot path assigns these
// slices and allocates nothing.
type variant struct {
	body   []byte
	tag    string
	etag   []string
	length []string
}

func newVariant(body []byte, tag string) variant {
	return variant{body: body, tag: tag, etag: []string{tag}, length: []string{strconv.Itoa(len(body))}}
}

// newSnapshot makes the servable forms of a document that is known to be good.
func newSnapshot(doc []byte, m meta, at time.Time, z *compressor) *Snapshot {
	hash := contentHash(doc)
	s := &Snapshot{
		Revision: m.Revision,
		At:       at,
		AsOf:     m.asOf,
		Stale:    m.Stale,

		Publisher: m.Publisher,
		Fleet:     m.Fleet,

		JSON:     doc,
		Gzip:     z.gzip(doc),
		ETag:     `"` + hash + `"`,
		Sections: m.Sections,
	}
	s.plain = newVariant(s.JSON, s.ETag)
	s.gzipped = newVariant(s.Gzip, `"`+hash+`-gzip"`) // a strong tag names one representation
	s.frame = sync.OnceValue(func() *frame { return newFrame(snapshotEvent(s), z) })
	return s
}
