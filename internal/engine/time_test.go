package engine

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestTimesAreWrittenWhateverTheyAre(t *testing.T) {
	for text, want := range map[string]string{
		"2026-01-02 03:04:05.678":              `"2026-01-02T03:04:05.678Z"`,
		"2026-01-02T03:04:05+02:00":            `"2026-01-02T01:04:05Z"`,
		"infinity":                             `"infinity"`,
		"-Infinity":                            `"-infinity"`,
		"9999-12-31T23:59:59-05:00":            `"+010000-01-01T04:59:59Z"`,
		"0000-01-01T00:00:00+14:00":            `"-000001-12-31T10:00:00Z"`,
		"soon":                                 `"soon"`,
		"":                                     `null`,
		"a\x00\xff" + strings.Repeat("b", 100): `"a��` + strings.Repeat("b", 30) + `…"`,
	} {
		var at Time
		if err := at.Scan(text); err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(at)
		if err != nil || string(got) != want {
			t.Errorf("%q is written as %s, %v; want %s", text, got, err, want)
		}
		var back Time
		if err := json.Unmarshal(got, &back); err != nil {
			t.Errorf("%s: %v", got, err)
		}
	}
}
