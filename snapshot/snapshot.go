package snapshot

import (
	"errors"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/agentos/agentos/snapshot/internal/sse"
)

// defaultSectionBytes is the size of one section's value beyond which its collection has failed, unless the section says
// otherwise.
const defaultSectionBytes = 48 << 10

var (
	// ErrUnavailable is wrapped by Panel.Get's error when no rung of the ladder had a document.
	ErrUnavailable = errors.New("no document is available")

	// errCorrupt is wrapped by every error that says a stored document cannot be used.
	errCorrupt = errors.New("stored document is corrupt")

	// errTooLarge is wrapped by the error that refuses a document over Options.MaxBytes.
	errTooLarge = errors.New("document is over the size limit")
)

// A Snapshot is one published document with everything needed to serve it. It is immutable: share it freely and
// change nothing in it, the slices and the map included.
type Snapshot struct {
	Revision uint64    // grows with every publish, across restarts too
	At       time.Time // when the document was published (its "timestamp")
	AsOf     time.Time // the honest age of the whole: when its oldest overdue section was collected, else At
	Stale    bool      // some section was overdue at At
	Fleet    string    // which it is about; empty = it does not say

	Publisher string // Options.Process of the one that collected it; empty = it has none

	// JSON is the document: one line of UTF-8 in which <, >, &, U+2028 and U+2029 are escaped, so that it may stand
	// in an SSE data line and in an HTML script element as it is.
	JSON []byte
	Gzip []byte // JSON, gzipped
	ETag string // strong entity tag of JSON, quotes included

	Sections map[string]SectionMeta // meta.sections, by section name

	version        int     // of its meta
	plain, gzipped variant // ready-made answers of the handler
	event          func() *sse.Event
}

// SectionMeta is what meta.sections says about one section.
type SectionMeta struct {
	AsOf    time.Time     // when the value shown was collected; zero = never
	Took    time.Duration // what the last attempt took
	Every   time.Duration // the present pace, longer than asked for when the section is costly
	Error   string        // why the last attempt failed; empty = it did not
	Overdue bool          // AsOf is older than the pace, the deadline and one interval together
}

// sectionMeta is SectionMeta as the document has it: null for "never" and "no error".
type sectionMeta struct {
	AsOf    *string `json:"as_of"`
	TookMS  float64 `json:"took_ms"`
	EveryMS int64   `json:"every_ms"`
	Error   *string `json:"error"`
	Overdue bool    `json:"overdue"`
}

func (m SectionMeta) written() sectionMeta {
	out := sectionMeta{
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
	return out
}

func (in sectionMeta) read() (SectionMeta, error) {
	m := SectionMeta{Took: milliseconds(in.TookMS), Every: milliseconds(float64(in.EveryMS)), Overdue: in.Overdue}
	if in.Error != nil {
		m.Error = *in.Error
	}
	if in.AsOf == nil {
		return m, nil
	}
	var err error
	m.AsOf, err = time.Parse(time.RFC3339, *in.AsOf)
	return m, err
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
func newSnapshot(doc []byte, m meta, sections map[string]SectionMeta, at time.Time, z *sse.Compressor) *Snapshot {
	hash := contentHash(doc)
	s := &Snapshot{
		Revision: m.Revision,
		At:       at,
		AsOf:     m.asOf,
		Stale:    m.Stale,

		Publisher: m.Publisher,
		Fleet:     m.Fleet,
		version:   m.Version,

		JSON:     doc,
		Gzip:     z.Gzip(doc),
		ETag:     `"` + hash + `"`,
		Sections: sections,
	}
	s.plain = newVariant(s.JSON, s.ETag)
	s.gzipped = newVariant(s.Gzip, `"`+hash+`-gzip"`) // a strong tag names one representation
	s.event = sync.OnceValue(func() *sse.Event { return sse.Snapshot(z, s.Revision, s.JSON) })
	return s
}
