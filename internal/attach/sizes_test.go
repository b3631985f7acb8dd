package attach

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/engine"
)

// What other programs write may be any size, and small where it is stored: an answer about it, and the memory that it takes, are bounded.
func TestAnswersAboutLargeJobsAreBounded(t *testing.T) {
	eachSite(t, func(t *testing.T, site *site) {
		var log strings.Builder
		for n := range 60_000 {
			fmt.Fprintf(&log, "time=2026-01-02T03:04:05Z level=INFO msg=\"line %d of many\"\n", n+1)
		}
		metadata, err := json.Marshal(map[string]any{
			"output":    map[string]any{"password": "hunter2", "text": strings.Repeat("output ", 1_500_000)},
			"river:log": []any{map[string]any{"attempt": 1, "log": "of another attempt\n"}, map[string]any{"attempt": 2, "log": log.String()}},
		})
		if err != nil {
			t.Fatal(err)
		}
		large := done("mail", "completed", time.Now(), strings.Repeat("error ", 100_000))
		large.metadata = string(metadata)
		id := site.insert(t, large)
		s := site.begun(t, nil)
		// What is pooled is thrown away now and then with the race detector, so that several times as much is taken.
		take := func(what string, most int64, do func() (any, error)) {
			t.Helper()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			answer, err := do()
			runtime.ReadMemStats(&after)
			text, _ := json.Marshal(answer)
			took := int64(after.TotalAlloc - before.TotalAlloc)
			if err != nil || int64(len(text)) > most || site.schema != "" && took > 80*most || strings.Contains(string(text), "hunter2") {
				t.Errorf("%s: %d bytes, which took %d, %v", what, len(text), took, err)
			}
		}
		take("the job", 256<<10, func() (any, error) {
			d, err := s.Get(t.Context(), engine.NumberID(id))
			if d.Result == nil || !d.ResultCut || *d.ResultBytes < 10_000_000 || len(*d.Result) < 60_000 || d.LogRunID == nil || len(d.Errors) != 1 {
				t.Errorf("%d bytes of %v", len(*d.Result), *d.ResultBytes)
			}
			return d, err
		})
		run, _ := runOf(engine.NumberID(id), 2)
		take("the result", 1100<<10, func() (any, error) { return s.Result(t.Context(), run) })
		take("the newest lines", 64<<10, func() (any, error) { return s.LatestLogs(t.Context(), 50) })
		seen, gaps, last := 0, 0, ""
		for after, end := int64(0), false; !end; {
			take("a stretch of the log", 1<<20, func() (any, error) {
				lines, done, err := s.RunLogs(t.Context(), run, after, 5_000)
				for _, l := range lines {
					seen, after, last = seen+1, l.ID, l.Msg
					if l.Gap != nil {
						gaps++
					}
				}
				end = done || len(lines) == 0
				return lines, err
			})
		}
		if seen < 10_000 || seen > 25_000 || gaps != 1 || !strings.Contains(last, "line 60000 of many") {
			t.Errorf("%d lines with %d gaps, the last %q", seen, gaps, last)
		}
	})
}
