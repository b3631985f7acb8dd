package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestFiguresAreWrittenForReaders(t *testing.T) {
	for got, want := range map[string]string{
		count(10_000):                 "10k",
		count(1_500_000):              "1.5M",
		count(1_234):                  "1234",
		took(0):                       "0",
		took(340 * time.Nanosecond):   "0 µs",
		took(14500 * time.Nanosecond): "14 µs",
		took(3140 * time.Microsecond): "3.1 ms",
		took(250 * time.Millisecond):  "250 ms",
		took(90 * time.Second):        "90.0 s",
		size(999):                     "999 B",
		size(12_345):                  "12.3 KB",
		size(int64(45e6)):             "45.0 MB",
		milli(0):                      "over 120.0 s",
		milli(149.6):                  "150 ms",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestQuantiles(t *testing.T) {
	list := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for q, want := range map[float64]int{0: 1, 0.5: 5, 0.99: 10, 1: 10} {
		if got := quantile(list, q); got != want {
			t.Errorf("%v: %d, want %d", q, got, want)
		}
	}
	if median([]float64{3, 1, 2}) != 2 || median[int](nil) != 0 {
		t.Error("the median is wrong")
	}
}

// A page that never became complete is slower than any that did.
func TestVisitThatTookTooLongIsTheSlowest(t *testing.T) {
	quick, slow, never := visit{MS: 100, Requests: 1}, visit{MS: 900, Requests: 3}, visit{Requests: 2}
	if got := medianVisit([]visit{quick, never, slow}); got.MS != 900 || got.Requests != 2 || got.complete() != "900 ms (100 ms–over 120.0 s)" {
		t.Errorf("%+v, %s", got, got.complete())
	}
	if got := medianVisit([]visit{never, quick, never}); got.MS != 0 {
		t.Errorf("%+v", got)
	}
	if got := medianVisit([]visit{quick, quick, slow}).complete(); got != "100 ms (100 ms–900 ms)" {
		t.Error(got)
	}
}

func TestTicksOfAProcessWithAnAwkwardName(t *testing.T) {
	got, err := ticksOf([]byte("7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 100 20 3 4 20 0 9 0 1 2 3\n"))
	if err != nil || got != 127 {
		t.Errorf("%d, %v, want 127", got, err)
	}
	for _, text := range []string{"", "7 (a", "7 (a) S 1 2 3"} {
		if got, err := ticksOf([]byte(text)); err == nil {
			t.Errorf("%q has %d ticks", text, got)
		}
	}
}

func TestHitRateCountsWhatCameSince(t *testing.T) {
	before := map[string]float64{`agentos_snapshot_answers_total{rung="memory"}`: 10, `agentos_snapshot_answers_total{rung="rebuild"}`: 5}
	after := map[string]float64{
		`agentos_snapshot_answers_total{rung="memory"}`: 19, `agentos_snapshot_answers_total{rung="rebuild"}`: 5,
		"agentos_snapshot_unavailable_total": 1, "agentos_database_up": 1,
	}
	if got := hitRate(before, after); got != 0.9 {
		t.Errorf("%v, want 0.9", got)
	}
}

func TestCycleIsOfTheSectionsItCollected(t *testing.T) {
	of := func(sections string) (d measured) {
		t.Helper()
		if err := json.Unmarshal([]byte(`{"meta": {"sections": {`+sections+`}}}`), &d); err != nil {
			t.Fatal(err)
		}
		return d
	}
	const costly = `"costly": {"as_of": "2026-01-02T15:04:00Z", "took_ms": 900}`
	before := of(costly + `, "jobs": {"as_of": "2026-01-02T15:04:00Z", "took_ms": 7}`)
	after := of(costly + `, "jobs": {"as_of": "2026-01-02T15:04:05Z", "took_ms": 5}, "new": {"as_of": "2026-01-02T15:04:05Z", "took_ms": 3}`)
	if slowest, sum := after.rebuild(before); slowest != 5*time.Millisecond || sum != 8*time.Millisecond {
		t.Errorf("%v, %v", slowest, sum)
	}
	failing := of(`"costly": {"as_of": "2026-01-02T15:04:00Z", "took_ms": 2000, "error": "it took too long"}`)
	if slowest, _ := failing.rebuild(before); slowest != 2*time.Second {
		t.Errorf("a failed attempt counts %v", slowest)
	}
}

func TestTableCanBeReadAsItIs(t *testing.T) {
	table := newTable("Times", "Way", "Took")
	table.add("one", "3 µs")
	table.add("another")
	const want = "**Times**\n\n| Way     | Took |\n| ------- | ---: |\n| one     | 3 µs |\n| another |    — |\n"
	if got := table.markdown(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestReportKeepsWhatIsWrittenByHand(t *testing.T) {
	part := byHand("..")
	if !strings.HasPrefix(part, "\n\n## In short\n") || strings.Contains(part, "Written whole by") {
		t.Errorf("%.200s", part)
	}
}
