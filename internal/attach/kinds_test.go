package attach

import (
	"database/sql/driver"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/rollup"
)

// Kinds whose jobs ended long ago stay known although only the last hours of the sums are read again.
func TestKindsOfLongAgoStayKnown(t *testing.T) {
	eachSite(t, func(t *testing.T, site *site) {
		now := time.Now()
		site.insert(t, done("old", "completed", now.Add(-5*time.Hour)))
		site.insert(t, done("bad", "completed", now.Add(-4*time.Hour)))
		site.insert(t, done("bad", "discarded", now.Add(-10*time.Second), "no host"))
		s := site.begun(t, nil)
		filled(t, s)
		var since []int64
		s.ledger.db.Trace(func(query string, args []driver.NamedValue) {
			if strings.Contains(query, "group by agent, queue") {
				since = append(since, args[0].Value.(int64))
			}
		})
		defer s.ledger.db.Trace(nil)
		var first, second map[string]rollup.AgentSums
		for _, into := range []*map[string]rollup.AgentSums{&first, &second} {
			s.kinds.known.Drop()
			known, err := s.knownKinds(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			*into = known
		}
		if len(first) != 2 || len(second) != 2 || !second["old"].LastOK.Equal(first["old"].LastOK) || !second["bad"].LastOK.Equal(first["bad"].LastOK) || second["bad"].LastOK.IsZero() {
			t.Errorf("known are %+v, then %+v", first, second)
		}
		if len(since) != 2 || time.Unix(since[1], 0).Before(now.Add(-4*time.Hour)) || !time.Unix(since[0], 0).Before(now.Add(-6*24*time.Hour)) {
			t.Errorf("the sums were read since %v", since)
		}
		agents, err := firstOf(t, s.Agents)
		if err != nil {
			t.Fatal(err)
		}
		if a := agents["bad"]; a.LastSuccessAt == nil || now.Sub(*a.LastSuccessAt) < 3*time.Hour || !a.Failing() {
			t.Errorf("bad is %+v", a)
		}
		if a := agents["old"]; a.LastSuccessAt == nil || a.LastRunAt == nil {
			t.Errorf("old is %+v", a)
		}
	})
}

// Which kinds there are is asked now and then; those of which a job has just ended are there at once.
func TestKindsAreThereOnceAJobHasEnded(t *testing.T) {
	eachSite(t, func(t *testing.T, site *site) {
		s := site.begun(t, nil)
		if stats, err := firstOf(t, s.Agents); err != nil || len(stats) > 0 { // which is remembered for a while
			t.Fatalf("%+v, %v", stats, err)
		}
		site.insert(t, done("just", "discarded", time.Now().Add(-time.Second), "no"))
		if err := s.step(t.Context()); err != nil {
			t.Fatal(err)
		}
		stats, err := firstOf(t, s.Agents)
		if err != nil || stats["just"] == nil || stats["just"].LastOutcome != "failed" || s.Fleet().Agent("just") == nil {
			t.Errorf("%+v, %v", stats, err)
		}
	})
}
