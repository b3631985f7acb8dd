package snapshot

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/agentos/agentos/snapshot/internal/jsonpatch"
	"github.com/agentos/agentos/snapshot/internal/layout"
)

// meta is the document's "meta" object.
type meta struct {
	Version    int                    `json:"version"`
	Revision   uint64                 `json:"revision"`
	AsOf       string                 `json:"as_of"`
	Stale      bool                   `json:"stale"`
	Publisher  string                 `json:"publisher,omitempty"`
	Fleet      string                 `json:"fleet,omitempty"`
	IntervalMS int64                  `json:"interval_ms"`
	FreshMS    int64                  `json:"fresh_ms"`
	Sections   map[string]sectionMeta `json:"sections"`

	asOf time.Time
}

// A draft is what the warmer knows of a document; the cache adds the rest on publishing.
type draft struct {
	layout    *layout.Layout
	values    []json.RawMessage // by the layout's sections; nil = null
	at        time.Time
	interval  time.Duration
	publisher string
	sections  map[string]SectionMeta
}

// encode makes the document. The sections' values are copied as they are: an unchanged one costs nothing.
func (d draft) encode(revision uint64, o cacheOptions) ([]byte, meta, error) {
	m := meta{
		Version: o.Version, Revision: revision, Publisher: d.publisher, Fleet: o.Fleet(),
		IntervalMS: d.interval.Milliseconds(), FreshMS: o.FreshFor.Milliseconds(),
		Sections: make(map[string]sectionMeta, len(d.sections)), asOf: d.at,
	}
	for name, s := range d.sections {
		m.Sections[name] = s.written()
		m.Stale = m.Stale || s.Overdue
		if s.Overdue && !s.AsOf.IsZero() && s.AsOf.Before(m.asOf) {
			m.asOf = s.AsOf
		}
	}
	m.AsOf = formatTime(m.asOf)
	tail, err := json.Marshal(m)
	if err != nil {
		return nil, m, fmt.Errorf("encode meta: %w", err)
	}
	doc := d.layout.AppendValues(make([]byte, 0, 64<<10), d.values)
	doc = append(doc, `,"timestamp":"`...)
	doc = append(doc, formatTime(d.at)...)
	doc = append(doc, `","meta":`...)
	doc = append(append(doc, tail...), '}')
	if len(doc) > o.MaxBytes {
		return nil, m, fmt.Errorf("%w: %s bytes, at most %s are allowed: bound the sections' lists and texts",
			errTooLarge, groupDigits(len(doc)), groupDigits(o.MaxBytes))
	}
	return doc, m, nil
}

// encodeValue encodes what a source returned: an object or null, valid UTF-8, not too large, not too deep.
func encodeValue(value any, maxBytes int) (json.RawMessage, error) {
	raw, err := json.Marshal(value) // escapes <, >, &, U+2028 and U+2029, in raw messages too
	if err != nil {
		return nil, fmt.Errorf("encode the value: %w", err)
	}
	if !utf8.Valid(raw) {
		raw = bytes.ToValidUTF8(raw, []byte("\ufffd"))
	}
	switch {
	case raw[0] != '{' && !jsonpatch.IsNull(raw):
		return nil, fmt.Errorf("the value is not a JSON object: %.40s", raw)
	case len(raw) > maxBytes:
		return nil, fmt.Errorf("the value has %s bytes, at most %s are allowed", groupDigits(len(raw)), groupDigits(maxBytes))
	case jsonpatch.Nesting(raw) > jsonpatch.MaxNesting:
		return nil, fmt.Errorf("the value is nested deeper than %d levels", jsonpatch.MaxNesting)
	}
	return raw, nil
}

// contentHash names content: the first 128 bits of its SHA-256.
func contentHash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:16])
}

// groupDigits writes 131072 as 131,072.
func groupDigits(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
