package worker

import (
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
)

// What groups failures is what the agent calls them, or else the stack that its runtime prints, whatever the error's own words.
func TestFailuresOfOneCauseAreOneGroup(t *testing.T) {
	words := `word=$(echo "$AGENTOS_JOB_ID" | tr 0-9 g-p); `
	traceback := words + `printf 'Traceback (most recent call last):\n  File "/srv/%s/x.py", line %s, in %s\n    return d[k]\nKeyError: no %s\n' $word $AGENTOS_JOB_ID FUNCTION $word >&2; exit 1`
	in := func(function string) string { return strings.Replace(traceback, "FUNCTION", function, 1) }
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, agents(
			sh("stack", in("load"), "max_attempts: 1"),
			sh("same-stack", in("load"), "max_attempts: 1"),
			sh("other-stack", in("save"), "max_attempts: 1"),
			sh("named", words+`echo "{\"level\":\"error\",\"msg\":\"no $word\",\"fingerprint\":\"quota\"}" >&2; exit 1`, "max_attempts: 1"),
			sh("unnamed", words+`echo "no $word" >&2; exit 1`, "max_attempts: 1")))
		prints := map[string]string{} // the agent of each
		for agent, groups := range map[string]int{"stack": 1, "same-stack": 1, "other-stack": 1, "named": 1, "unnamed": 3} {
			for range 3 {
				untilState(t, s, enqueue(t, s, agent).ID, "discarded")
			}
			if n := one[int](t, s, `select count(distinct fingerprint) from run where agent = $1`, agent); n != groups {
				t.Errorf("the failures of %s are %d groups, want %d", agent, n, groups)
			}
			print := one[string](t, s, `select min(fingerprint) from run where agent = $1`, agent)
			if other, known := prints[print]; known || len(print) != 12 {
				t.Errorf("%s has %q, and so has %q", agent, print, other)
			}
			prints[print] = agent
		}
		failures, err := s.Failures(t.Context(), 10)
		if err != nil || len(failures) != 7 {
			t.Fatalf("%d groups of failures, %v", len(failures), err)
		}
		for _, f := range failures {
			if want := map[bool]int{true: 1, false: 3}[f.Agent == "unnamed"]; f.Similar24h != want || f.GaveUp != want {
				t.Errorf("%s: %d failed in this way and %d gave up, want %d", f.Agent, f.Similar24h, f.GaveUp, want)
			}
		}
	})
}
