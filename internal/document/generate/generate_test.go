package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/agentos/agentos/internal/document"
)

const repository = "../../.."

func TestWhatIsGeneratedIsCommitted(t *testing.T) {
	files, err := generate(repository)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range files {
		if got, err := os.ReadFile(filepath.Join(repository, path)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the types of package document give: run make generate (%v)", path, err)
		}
	}
}

// A section of one's own is a type, and a field that holds it: what is generated has it then.
func TestASectionIsATypeAndAField(t *testing.T) {
	folder := t.TempDir()
	from := filepath.Join(repository, "internal", "document")
	if err := os.CopyFS(folder, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "document.go")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const before = "type Dashboard struct {\n"
	text = bytes.Replace(text, []byte(before), []byte(before+"Weather *Weather `json:\"weather\"`\n"), 1)
	weather := "package document\n\n// Weather is the section `weather`.\ntype Weather struct {\n\t// Degrees; null: unknown.\n\tOutside *float64 `json:\"outside\"`\n}\n"
	if err := errors.Join(os.WriteFile(path, text, 0o600), os.WriteFile(filepath.Join(folder, "weather.go"), []byte(weather), 0o600)); err != nil {
		t.Fatal(err)
	}
	m, err := parse(folder)
	if err != nil {
		t.Fatal(err)
	}
	if names := m.sections(); !slices.Contains(names, "weather") || len(names) != 9 {
		t.Errorf("the sections are %v", names)
	}
	const want = "export interface Weather {\n  /** Degrees; null: unknown. */\n  outside?: Maybe<number>\n}\n"
	if types := string(m.typescript()); !strings.Contains(types, want) || !strings.Contains(types, "  weather?: Maybe<Weather>\n") {
		t.Errorf("the types are without it: %s", types)
	}
	if schema, err := m.schema(); err != nil || !bytes.Contains(schema, []byte("Degrees; null: unknown.")) {
		t.Errorf("the schema is without it: %s, %v", schema, err)
	}
}

// The lists of all values of a type have them all.
func TestListsOfValuesAreComplete(t *testing.T) {
	m, err := parse(filepath.Join(repository, "internal", "document"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m.enums["ConditionCode"].values, texts(document.ConditionCodes)); diff != "" {
		t.Errorf("ConditionCodes (-constants +list):\n%s", diff)
	}
	if diff := cmp.Diff(m.enums["AgentState"].values, texts(document.AgentStates)); diff != "" {
		t.Errorf("AgentStates (-constants +list):\n%s", diff)
	}
}

func texts[S ~string](values []S) []string {
	var all []string
	for _, value := range values {
		all = append(all, string(value))
	}
	return all
}

// The schema takes a document as it is, with more than it knows, and none that lacks a field, has it as another type or has null for a
// figure that is always known.
func TestSchemaKnowsTheDocument(t *testing.T) {
	m, err := parse(filepath.Join(repository, "internal", "document"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := m.schema()
	if err != nil {
		t.Fatal(err)
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	of := func(queue string) string {
		return `{"dashboard": {"system": null, "workers": null, "jobs": null, "queue": ` + queue + `}, "agents_workers": {"agents": null}, "analytics": null,
			"logs": null, "timestamp": "2026-01-02T15:04:05.678Z", "more": 1, "meta": {"version": 4, "revision": 7, "as_of": "2026-01-02T15:04:05.678Z",
			"stale": false, "interval_ms": 5000, "fresh_ms": 15000, "sections": {"queue": {"as_of": null, "took_ms": 0.5, "every_ms": 5000, "error": null, "overdue": false}}}}`
	}
	for _, tc := range []struct {
		name, text string
		valid      bool
	}{
		{"no section", of("null"), true},
		{"a section", of(`{"pending": 1, "processing": 0, "scheduled": 0, "retryable": 0, "paused": 0, "oldest_at": "infinity", "items": {}, "more": []}`), true},
		{"a row of a section", of(`{"pending": 1, "processing": 0, "scheduled": 0, "retryable": 0, "paused": 0, "oldest_at": null, "items": {"a": {"order": 1}}}`), false},
		{"a field is missing", of(`{"processing": 0, "scheduled": 0, "retryable": 0, "paused": 0, "oldest_at": null, "items": {}}`), false},
		{"a figure is null that an engine may not give", of(`{"pending": null, "processing": 0, "scheduled": 0, "retryable": 0, "paused": 0, "oldest_at": null, "items": {}}`), true},
		{"a figure is null that is always known", of(`{"pending": 0, "processing": 0, "scheduled": 0, "retryable": 0, "paused": null, "oldest_at": null, "items": {}}`), false},
		{"a figure is a text", of(`{"pending": "1", "processing": 0, "scheduled": 0, "retryable": 0, "paused": 0, "oldest_at": null, "items": {}}`), false},
		{"no meta", `{"dashboard": {}}`, false},
	} {
		var value any
		if err := json.Unmarshal([]byte(tc.text), &value); err != nil {
			t.Fatal(tc.name, err)
		}
		if err := resolved.Validate(value); (err == nil) != tc.valid {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}
