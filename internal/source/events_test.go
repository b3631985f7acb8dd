package source

import (
	"slices"
	"testing"

	"github.com/agentos/agentos/internal/engine"
)

func TestEveryEventTouchesSectionsThereAre(t *testing.T) {
	known := []string{"system", "workers", "queue", "jobs", "agents", "analytics", "logs"}
	for _, e := range engine.Events() {
		sections := Touched(e, e)
		if len(sections) == 0 || len(sections) != len(touched[e]) {
			t.Errorf("event %d touches %v", e, sections)
		}
		for _, section := range sections {
			if !slices.Contains(known, section) {
				t.Errorf("event %d touches %q, which is no section", e, section)
			}
		}
	}
}
