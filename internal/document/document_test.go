package document_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/snapshot"
)

// Package snapshot writes meta without knowing these types: what it writes is what they have, field by field and byte by byte, whatever
// of it may be missing.
func TestMetaIsWhatSnapshotWrites(t *testing.T) {
	for _, named := range []bool{true, false} {
		var name, fleet string
		if named {
			name, fleet = "host:1", "a fleet"
		}
		panel, err := snapshot.Open(t.Context(), snapshot.Options{Process: name, Fleet: func() string { return fleet }, Sections: []snapshot.Section{
			{Name: "system", Path: "dashboard.system", Collect: func(context.Context) (any, error) {
				return snapshot.Aged{Value: document.System{Status: document.SystemHealthy}, AsOf: time.Now().Add(-time.Hour)}, nil
			}},
			{Name: "queue", Path: "dashboard.queue", Collect: func(context.Context) (any, error) { return nil, errors.New("no answer") }},
		}})
		if err != nil {
			t.Fatal(err)
		}
		_ = panel.Refresh(t.Context()) // the error is the section's
		written := panel.Current()

		var parts struct{ Meta json.RawMessage }
		if err := json.Unmarshal(written.JSON, &parts); err != nil {
			t.Fatal(err)
		}
		var meta document.Meta
		decoder := json.NewDecoder(bytes.NewReader(parts.Meta))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&meta); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(meta)
		if err != nil {
			t.Fatal(err)
		}
		var want, got any
		if err := errors.Join(json.Unmarshal(parts.Meta, &want), json.Unmarshal(again, &got)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmp.FilterValues(areTimes, cmp.Comparer(sameTime))); diff != "" {
			t.Errorf("meta, read and written again (-before +after):\n%s", diff)
		}

		d, err := document.Parse(written.JSON)
		if err != nil {
			t.Fatal(err)
		}
		if system := d.Dashboard.System; system == nil || system.Status != document.SystemHealthy || d.Dashboard.Queue != nil {
			t.Errorf("the sections are %+v", d.Dashboard)
		}
		if !d.Timestamp.Equal(written.At.Truncate(time.Millisecond)) || d.Meta.Revision != written.Revision || !d.Meta.AsOf.Equal(written.AsOf.Truncate(time.Millisecond)) || d.Meta.Publisher != name || d.Meta.Fleet != fleet {
			t.Errorf("%v %+v", d.Timestamp, d.Meta)
		}
		if late := d.Meta.Sections["system"]; !late.Overdue || late.AsOf == nil || late.Error != nil {
			t.Errorf("an overdue section is %+v", late)
		}
		if failed := d.Meta.Sections["queue"]; failed.AsOf != nil || failed.Error == nil || *failed.Error != "no answer" {
			t.Errorf("a section that failed is %+v", failed)
		}
	}
}

func areTimes(a, b any) bool {
	_, isTime := asTime(a)
	_, areBoth := asTime(b)
	return isTime && areBoth
}

func sameTime(a, b any) bool {
	one, _ := asTime(a)
	other, _ := asTime(b)
	return one.Equal(other)
}

func asTime(value any) (time.Time, bool) {
	text, _ := value.(string)
	at, err := time.Parse(time.RFC3339Nano, text)
	return at, err == nil
}

// A document of another version may have more, or less. What it does not say is not made up.
func TestParseReadsWhatItKnows(t *testing.T) {
	d, err := document.Parse([]byte(`{"dashboard": {"system": {"status": "resting", "load": 3, "components": {"database": {"status": "ok"}}},
		"queue": {"pending": 3, "oldest_at": "infinity"}, "more": {}},
		"timestamp": "2026-01-02T15:04:05.678Z", "meta": {"version": 5, "fleet": "f", "sections": {"queue": {"as_of": null}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if d.Component("database").Status != document.ComponentOK || d.Component("cache").Status != "" || d.Dashboard.System.CPU != nil {
		t.Errorf("the system is %+v", d.Dashboard.System)
	}
	if _, known := d.Dashboard.Queue.OldestAt.At(); known || *d.Dashboard.Queue.Pending != 3 || d.Dashboard.Workers != nil || d.Meta.Fleet != "f" {
		t.Errorf("%+v", d)
	}
	if d.Timestamp.IsZero() || (&document.Document{}).Component("database").Status != "" {
		t.Errorf("%v", d.Timestamp)
	}
	for _, text := range []string{"", "{", `{"dashboard":`, `{"timestamp": "soon"}`, `{"dashboard": {"system": {"cpu": "much"}}}`} {
		if d, err := document.Parse([]byte(text)); err == nil {
			t.Errorf("%q is %+v", text, d)
		}
	}
}

func TestTimeIsWhatTheDatabaseHas(t *testing.T) {
	for text, want := range map[document.Time]string{
		"": "null", "2026-01-02T15:04:05.5Z": `"2026-01-02T15:04:05.5Z"`, "infinity": `"infinity"`, "<odd>": `"\u003codd\u003e"`,
	} {
		got, err := json.Marshal(struct{ At document.Time }{text})
		if err != nil || string(got) != `{"At":`+want+`}` {
			t.Errorf("%q is %s, %v", text, got, err)
		}
		var read struct{ At document.Time }
		if err := json.Unmarshal(got, &read); err != nil || read.At != text {
			t.Errorf("%s is read as %q, %v", got, read.At, err)
		}
	}
	if at, known := document.Time("2026-01-02T15:04:05.5Z").At(); !known || at.UnixMilli() != 1767366245500 {
		t.Errorf("%v, %v", at, known)
	}
}
