package worker

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
)

// TestOddTimesOfOthersStopNoQueue: a job that another program inserted with a time without end is run, or waits, and is shown; so
// are all others.
func TestOddTimesOfOthersStopNoQueue(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, agents(sh("quick", "true"), sh("long", "sleep 600")))
		later := time.Now().Add(time.Hour)
		ids := map[string]engine.ID{}
		for _, name := range []string{"created_at = 'infinity'", "created_at = '-infinity'", "created_at = '10000-01-01 04:59:59+00'", "scheduled_at = 'infinity'"} {
			id := enqueueWith(t, s, engine.EnqueueParams{Agent: "quick", ScheduledAt: &later}).ID
			exec1(t, s, `update river_job set `+name+` where id = $1`, id)
			ids[name] = id
		}
		running := enqueue(t, s, "long").ID
		untilState(t, s, running, "running")
		exec1(t, s, `update river_job set created_at = 'infinity' where id = $1`, running)
		last := enqueue(t, s, "quick").ID
		untilState(t, s, last, "completed")
		for name, id := range ids {
			d, err := s.Get(t.Context(), id)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			text, err := json.Marshal(d)
			_, value, _ := strings.Cut(name, " = ")
			if value = strings.Trim(value, "'")[:5]; err != nil || !strings.Contains(string(text), value) {
				t.Errorf("%s: it is shown as %s, %v", name, text, err)
			}
		}
		for name, ask := range map[string]func() (any, error){
			"queues":  func() (any, error) { return s.Queues(t.Context()) },
			"today":   func() (any, error) { return s.Today(t.Context()) },
			"newest":  func() (any, error) { return s.Newest(t.Context(), 50) },
			"running": func() (any, error) { return s.Running(t.Context(), 50) },
			"agents":  func() (any, error) { return s.Agents(t.Context()) },
			"list":    func() (any, error) { return s.List(t.Context(), engine.Filter{}) },
		} {
			value, err := ask()
			if err != nil {
				t.Errorf("%s: %v", name, err)
			} else if _, err := json.Marshal(value); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if database.Kind != db.Postgres {
			return // River's own driver cannot read them from SQLite
		}
		for _, name := range []string{"created_at = 'infinity'", "created_at = '-infinity'"} {
			if _, err := s.Retry(t.Context(), ids[name]); err != nil {
				t.Errorf("%s: retry: %v", name, err)
			}
			untilState(t, s, ids[name], "completed")
		}
		if j, err := s.Cancel(t.Context(), ids["scheduled_at = 'infinity'"]); err != nil || j.State != "cancelled" {
			t.Errorf("cancel what is due at infinity: %+v, %v", j, err)
		}
	})
}

func TestEnqueueRefusesTimesThatCannotBeKept(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newService(t, database, "", fleetOf(t, agents(sh("quick", "true"))))
		for text, fine := range map[string]bool{
			"9999-12-31T23:59:59-05:00": false, "9999-12-31T23:59:59.9999Z": false, "9999-12-31T23:59:59Z": false, "9999-12-30T23:59:59Z": true,
			"0001-01-01T00:00:00Z": true, "0000-01-01T00:00:00+14:00": true, // past: at once
		} {
			at, err := time.Parse(time.RFC3339Nano, text)
			if err != nil {
				t.Fatal(err)
			}
			j, err := s.Enqueue(t.Context(), engine.EnqueueParams{Agent: "quick", ScheduledAt: &at})
			if (err == nil) != fine || err != nil && !strings.Contains(err.Error(), "use a time before 9999-12-31T00:00:00Z") {
				t.Errorf("%s: %v", text, err)
			}
			if _, err := json.Marshal(j); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
	})
}
