package snapshot

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/agentos/agentos/snapshot/internal/jsonpatch"
	"github.com/agentos/agentos/snapshot/internal/sse"
)

// maxSkew is how far a stored document may lie in the future: clocks of different hosts disagree a little.
const maxSkew = time.Minute

// earliest is the time before which no document can have been published.
var earliest = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// parseStored decides whether a document that comes from outside this process can be trusted, and makes a snapshot
// of it. Every error wraps errCorrupt.
//
// Anybody may have written it: it is put into the form that Snapshot.JSON promises (one line, safe within HTML).
func (o cacheOptions) parseStored(doc []byte, paths [][]string, now time.Time, z *sse.Compressor) (*Snapshot, error) {
	corrupt := func(format string, args ...any) (*Snapshot, error) {
		return nil, fmt.Errorf("%w: %s", errCorrupt, fmt.Sprintf(format, args...))
	}
	if len(doc) > o.MaxBytes {
		return corrupt("it has over %s bytes", groupDigits(o.MaxBytes))
	}
	if !utf8.Valid(doc) {
		return corrupt("it is not UTF-8")
	}
	doc = bytes.TrimSpace(doc)
	if err := jsonpatch.CheckObject(doc); err != nil {
		return corrupt("%v", err)
	}
	doc, err := o.normalize(doc)
	if err != nil {
		return corrupt("%v", err)
	}
	var head struct {
		Timestamp time.Time `json:"timestamp"`
		Meta      meta      `json:"meta"`
	}
	if err := json.Unmarshal(doc, &head); err != nil {
		return corrupt("%v", err)
	}
	m, at := head.Meta, head.Timestamp
	if m.Version != o.Version {
		return corrupt("meta.version is %d, not %d", m.Version, o.Version)
	}
	if at.Before(earliest) || at.After(now.Add(maxSkew)) {
		return corrupt("its timestamp %s cannot be", formatTime(at))
	}
	if m.Revision == 0 || m.Revision > revisionAt(now.Add(maxSkew)) {
		return corrupt("its revision %d cannot be", m.Revision)
	}
	if m.asOf, err = time.Parse(time.RFC3339, m.AsOf); err != nil || m.asOf.After(at) || m.asOf.Before(earliest) {
		return corrupt("its meta.as_of %q cannot be", m.AsOf)
	}
	sections := make(map[string]SectionMeta, len(m.Sections))
	for name, written := range m.Sections {
		section, err := written.read()
		if err != nil {
			return corrupt("its section %q: %v", name, err)
		}
		sections[name] = section
		if section.AsOf.After(at) {
			return corrupt("its section %q is newer than itself", name)
		}
	}
	for _, path := range append([][]string{{"meta"}}, paths...) { // decoding took "Meta" as well, viewers do not
		value, ok := jsonpatch.Lookup(doc, path)
		if !ok || !jsonpatch.IsObject(value) && !jsonpatch.IsNull(value) {
			return corrupt("it has no object at %q", path)
		}
	}
	return newSnapshot(doc, m, sections, at, z), nil
}

// normalize makes a document one line that is safe within HTML.
func (o cacheOptions) normalize(doc []byte) ([]byte, error) {
	var compact, safe bytes.Buffer
	if err := json.Compact(&compact, doc); err != nil {
		return nil, err
	}
	json.HTMLEscape(&safe, compact.Bytes())
	if safe.Len() > o.MaxBytes {
		return nil, fmt.Errorf("escaped, it has over %s bytes", groupDigits(o.MaxBytes))
	}
	return safe.Bytes(), nil
}

// revisionAt is the smallest revision of a document published at t.
func revisionAt(t time.Time) uint64 { return uint64(max(t.UnixMilli(), 1)) }
