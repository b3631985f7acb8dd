package source

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/snapshot"
)

// What follows is all that a new section takes: this file, its type, which package document would have (its schema and the
// frontend's types follow from it, see that package's test), and the line in All, which the test adds.

// weather is the section `weather`.
type weather struct {
	Outside *float64 `json:"outside"` // degrees; null: unknown
}

func measureWeather(Deps) collectFunc {
	return func(context.Context) (any, error) {
		degrees := 21.5
		return weather{Outside: &degrees}, nil
	}
}

func TestASectionIsAFileATypeAndALine(t *testing.T) {
	deps := fixedDeps(t, true)
	sections := append(All(deps),
		snapshot.Section{Name: "weather", Path: "dashboard.weather", Collect: measureWeather(deps), MaxBytes: 1 << 10}, // the line
	)
	panel, err := snapshot.Open(t.Context(), snapshot.Options{Sections: sections})
	if err != nil {
		t.Fatal(err)
	}
	if err := panel.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	shown := panel.Current()
	var added struct {
		Dashboard struct{ Weather *weather }
	}
	if err := json.Unmarshal(shown.JSON, &added); err != nil || added.Dashboard.Weather == nil || *added.Dashboard.Weather.Outside != 21.5 {
		t.Errorf("the document has no weather: %v, %s", err, shown.JSON)
	}
	if meta := shown.Sections["weather"]; meta.AsOf.IsZero() || meta.Error != "" {
		t.Errorf("meta.sections has %+v", meta)
	}
	doc, err := document.Parse(shown.JSON)
	if err != nil || doc.Dashboard.System == nil || doc.Dashboard.Queue == nil || doc.Logs == nil || len(doc.Meta.Sections) != len(sections) {
		t.Errorf("the other sections are not as they were: %v, %s", err, shown.JSON)
	}
}
