package worker

import (
	"fmt"
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
)

// wholeLog reads the log of a run by small answers.
func wholeLog(t testing.TB, s *Service, run engine.ID) (all []engine.LogLine) {
	t.Helper()
	for after := int64(0); ; {
		lines, done, err := s.RunLogs(t.Context(), run, after, 1_000)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, lines...)
		if done {
			return all
		}
		if len(lines) == 0 {
			t.Fatal("the log of a run that has ended goes on")
		}
		after = lines[len(lines)-1].ID
	}
}

func TestALongLogKeepsItsBeginningAndItsEnd(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, agents(
			sh("long", `seq -f "line %.0f" 12000 >&2; echo "fatal: the end" >&2; exit 1`, "max_attempts: 1"),
			sh("burst", `seq 9000 >&2`),
			sh("wide", `x=$(head -c 15000 /dev/zero | tr '\0' x); for i in $(seq 800); do echo "$i $x"; done >&2`, "timeout: 60s"),
		))
		long, burst, wide := enqueue(t, s, "long"), enqueue(t, s, "burst"), enqueue(t, s, "wide")

		lines := wholeLog(t, s, *untilState(t, s, long.ID, "discarded").LogRunID)
		gaps, last := 0, 0
		for _, l := range lines {
			var n int
			switch _, err := fmt.Sscanf(l.Msg, "line %d", &n); {
			case l.Gap != nil:
				gaps++
				last += int(*l.Gap.Lines)
				if !strings.Contains(l.Msg, fmt.Sprintf("%d lines (", *l.Gap.Lines)) || *l.Gap.Bytes < *l.Gap.Lines*6 {
					t.Errorf("gap %q of %d bytes", l.Msg, *l.Gap.Bytes)
				}
			case err != nil:
			case n != last+1:
				t.Fatalf("line %d follows %d", n, last)
			default:
				last = n
			}
		}
		if gaps != 1 || last != 12_000 || len(lines) < 9_000 || len(lines) > 10_001 || lines[len(lines)-1].Msg != "fatal: the end" {
			t.Errorf("%d lines to %d with %d gaps, the last %q", len(lines), last, gaps, lines[len(lines)-1].Msg)
		}

		lines = wholeLog(t, s, *untilState(t, s, burst.ID, "completed").LogRunID)
		if len(lines) != 9_000 || lines[8_999].Msg != "9000" {
			t.Errorf("%d lines of a burst of 9000", len(lines))
		}

		lines = wholeLog(t, s, *untilState(t, s, wide.ID, "completed").LogRunID)
		bytes := 0
		for _, l := range lines {
			bytes += len(l.Msg)
		}
		if bytes > 9<<20 || bytes < 5<<20 || !strings.HasPrefix(lines[len(lines)-1].Msg, "800 ") {
			t.Errorf("%d lines of %d bytes", len(lines), bytes)
		}
		answer, done, err := s.RunLogs(t.Context(), lines[0].RunID, 0, 5_000)
		if err != nil || done || len(answer) < 15 || len(answer) > 25 {
			t.Errorf("an answer of %d lines of 15 KB, %v, %v", len(answer), done, err)
		}
	})
}

func TestALogSaysThatOlderLinesWereRemoved(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, agents(sh("loud", `seq 100 >&2`)))
		run := *untilState(t, s, enqueue(t, s, "loud").ID, "completed").LogRunID
		exec1(t, s, `delete from run_log where id in (select id from run_log order by id limit 40)`)
		lines := wholeLog(t, s, run)
		if len(lines) != 61 || lines[0].Gap == nil || lines[0].Gap.Lines != nil || !strings.Contains(lines[0].Msg, "older lines were removed") || lines[1].Msg != "41" {
			t.Errorf("%d lines, the first %+v", len(lines), lines[0])
		}
		if later, done, err := s.RunLogs(t.Context(), run, lines[0].ID, 100); err != nil || !done || len(later) != 60 {
			t.Errorf("%d lines after it, %v, %v", len(later), done, err)
		}
		exec1(t, s, `delete from run_log`)
		if lines := wholeLog(t, s, run); len(lines) != 1 || lines[0].Gap == nil {
			t.Errorf("%+v", lines)
		}
	})
}
