package attach

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
)

// odd is a change to one row that another program, a wrong clock or a hand may have made.
type odd struct {
	state string // of the job that is changed
	set   string
	shows string // stands in the job as JSON; empty: no matter
}

var oddTimes = func() (all []odd) {
	for _, column := range []string{"created_at", "scheduled_at", "attempted_at", "finalized_at"} {
		for _, state := range []string{"available", "scheduled", "retryable", "running", "completed", "discarded", "cancelled", "pending"} {
			ended := slices.Contains([]string{"completed", "discarded", "cancelled"}, state)
			if ended != (column == "finalized_at") && column == "finalized_at" {
				continue
			}
			for text, shows := range map[string]string{
				"infinity": `"infinity"`, "-infinity": `"-infinity"`, "10000-01-01 04:59:59+00": "10000-01-01",
				"9999-12-31 23:59:59+00": `"9999-12-31T23:59:59Z"`,
			} {
				if text != "infinity" && slices.Contains([]string{"scheduled", "retryable", "cancelled", "pending"}, state) {
					continue // as the others
				}
				all = append(all, odd{state, column + ` = '` + text + `'`, shows})
			}
		}
	}
	return all
}()

var oddPostgres = slices.Concat(oddTimes, []odd{
	{"completed", `finalized_at = '4713-01-01 00:00:00+00 BC'`, "-004712-01-01T00:00:00Z"},
	{"available", `scheduled_at = '0044-03-15 12:00:00+00 BC'`, "-000043-03-15T12:00:00Z"},
	{"running", `attempted_at = '294276-12-31 23:59:59+00'`, "+294276-12-31T23:59:59Z"},
	{"running", `attempted_at = null, attempted_by = null`, `"attempted_at":null`},
	{"retryable", `attempt = 32767, max_attempts = 32767`, `"attempt":32767`},
	{"retryable", `attempt = -5`, `"attempt":-5`},
	{"available", `priority = -7`, `"priority":-7`},
	{"discarded", `errors = array['"just text"', '{"at":7,"attempt":"x","error":{"deep":[1]}}', 'null', '{"at":"9999-12-31T23:59:59-05:00","error":"late"}']::jsonb[]`, "just text"},
	{"discarded", `errors = array[['{"error":"a"}'], ['{"error":"b"}']]::jsonb[]`, ""},
	{"completed", `metadata = '[]', tags = null, args = '"text"'`, ""},
	{"completed", `metadata = '{"river:log":{"no":"list"},"output":null}'`, ""},
	{"completed", `metadata = '{"river:log":[{"attempt":1,"log":"time=9999-12-31T23:59:59-05:00 level=INFO msg=late"}]}'`, ""},
	{"available", `queue = repeat('q', 10240), kind = repeat('k', 10240)`, "kkk…"},
})

var oddSQLite = slices.Concat(oddTimes, []odd{
	{"available", `scheduled_at = 'soon'`, `"soon"`},
	{"completed", `finalized_at = 'yesterday'`, `"yesterday"`},
	{"completed", `finalized_at = 17`, "17"},
	{"completed", `finalized_at = x'00ff'`, ""},
	{"running", `attempted_at = 1e300`, ""},
	{"running", `attempted_at = null, attempted_by = null`, ""},
	{"completed", `finalized_at = null`, `"finalized_at":null`},
	{"retryable", `attempt = 9223372036854775807, max_attempts = 'many'`, "9223372036854775807"},
	{"running", `attempt = 40000`, `"attempt":40000`},
	{"available", `priority = -7`, `"priority":-7`},
	{"available", `state = 'paused'`, `"paused"`},
	{"discarded", `errors = 'no JSON'`, ""},
	{"discarded", `errors = '{"error":"no list"}'`, ""},
	{"discarded", `errors = '["just text",{"at":7,"attempt":"x","error":{"deep":[1]}},null,7]'`, "just text"},
	{"discarded", `errors = x'fc00000000'`, ""},
	{"running", `attempted_by = '{"no":"list"}'`, ""},
	{"running", `attempted_by = x'bbff'`, ""},
	{"completed", `metadata = 'no JSON', tags = '{"no":"list"}', args = 'no JSON'`, ""},
	{"completed", `metadata = x'c7', tags = '[1,{"a":2},null]', args = x'c7'`, ""},
	{"completed", `args = '{"a":1,"a":2}'`, ""},
	{"completed", `kind = cast(x'6bff00' as text), queue = cast(x'71ff0071' as text)`, "k"},
	{"discarded", `errors = '[{"attempt":1,"at":"x","error":"a\u0000b"}]'`, ""},
	{"available", `queue = replace(hex(zeroblob(5120)), '00', 'qq'), kind = replace(hex(zeroblob(5120)), '00', 'kk')`, "kkk…"},
})

// TestOddRowsStopNothing: whatever stands in one row, all lists and sections have the others, and the row as text if need be.
func TestOddRowsStopNothing(t *testing.T) {
	eachSite(t, func(t *testing.T, site *site) {
		all := oddSQLite
		if site.kind == db.Postgres {
			all = oddPostgres
			for _, name := range []string{"priority_in_range", "queue_length", "kind_length"} {
				site.exec(t, `alter table river_job drop constraint `+name)
			}
			site.exec(t, `alter table river_job alter tags drop not null`)
		} else {
			site.exec(t, `pragma ignore_check_constraints = on`)
		}
		now := time.Now()
		ids := map[int64]odd{}
		for i, o := range all {
			site.insert(t, done("mail", "completed", now.Add(-time.Duration(10+i%30)*time.Second)))
			j := job{kind: "mail", state: o.state, client: clientA, attempt: 1, created: now.Add(-time.Minute), attempted: now.Add(-50 * time.Second)}
			if slices.Contains([]string{"completed", "discarded", "cancelled"}, o.state) {
				j.ended, j.errors = now.Add(-40*time.Second), []string{"no host"}
			}
			id := site.insert(t, j)
			site.exec(t, `update river_job set `+o.set+` where id = $1`, id)
			ids[id] = o
		}
		site.exec(t, `insert into river_queue (name, created_at, updated_at, paused_at) values ('odd', 'infinity', '-infinity', 'infinity')`)
		ends := []engine.State{"completed", "discarded", "cancelled"}
		for _, own := range []*db.DB{dbtest.New(t), dbtest.Postgres(t)} {
			s := site.begun(t, own)
			filled(t, s)
			if _, day, err := s.Windows(t.Context()); err != nil || day.OK < int64(len(all)) {
				t.Errorf("the day has %d completed jobs, want at least %d: %v", day.OK, len(all), err)
			}
			sections(t, s)
			if own.Kind == db.Postgres {
				break // the lists do not depend on it
			}
			found := map[engine.ID]string{}
			for _, filter := range []engine.Filter{{}, {States: ends}, {States: []engine.State{"available", "running"}}, {Text: "mail"}, {Agent: "mail"}, {States: ends, Agent: "mail"}} {
				for filter.Limit = 7; ; {
					page, err := s.List(t.Context(), filter)
					if err != nil {
						t.Fatalf("%+v: %v", filter, err)
					}
					for _, j := range page.Jobs {
						text, err := json.Marshal(j)
						if err != nil {
							t.Fatalf("%s: %v", j.ID, err)
						}
						if filter.States == nil {
							found[j.ID] = string(text)
						}
					}
					if page.Next == nil {
						break
					}
					if *page.Next == filter.Cursor {
						t.Fatalf("%+v: the page after %q is itself", filter, filter.Cursor)
					}
					filter.Cursor = *page.Next
				}
			}
			for id, o := range ids {
				text, listed := found[engine.NumberID(id)]
				if !listed {
					t.Errorf("%+v is in no list", o)
				}
				d, err := s.Get(t.Context(), engine.NumberID(id))
				if err != nil {
					t.Errorf("%+v: %v", o, err)
				}
				detail, err := json.Marshal(d)
				if err != nil {
					t.Errorf("%+v: %v", o, err)
				}
				if !strings.Contains(text+string(detail), o.shows) {
					t.Errorf("%+v: it is shown as %s", o, detail)
				}
			}
			if n := endedListed(t, s, ends); site.kind == db.Postgres && n != countEnds(ids)+len(all) {
				t.Errorf("the list of what ended has %d jobs, want %d", n, countEnds(ids)+len(all))
			}
		}
	})
}

func countEnds(ids map[int64]odd) (n int) {
	for _, o := range ids {
		if slices.Contains([]string{"completed", "discarded", "cancelled"}, o.state) {
			n++
		}
	}
	return n
}

func endedListed(t *testing.T, s *Service, states []engine.State) int {
	t.Helper()
	seen := map[engine.ID]bool{}
	filter := engine.Filter{States: states, Limit: 7}
	for {
		page, err := s.List(t.Context(), filter)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range page.Jobs {
			if seen[j.ID] {
				t.Errorf("job %s is listed twice", j.ID)
			}
			seen[j.ID] = true
		}
		if page.Next == nil {
			return len(seen)
		}
		filter.Cursor = *page.Next
	}
}

// sections asks all that the document shows.
func sections(t *testing.T, s *Service) {
	t.Helper()
	ctx := t.Context()
	for name, ask := range map[string]func() (any, error){
		"queues":   func() (any, error) { return s.Queues(ctx) },
		"workers":  func() (any, error) { return s.Workers(ctx) },
		"today":    func() (any, error) { return s.Today(ctx) },
		"newest":   func() (any, error) { return s.Newest(ctx, 1000) },
		"running":  func() (any, error) { return s.Running(ctx, 50) },
		"failures": func() (any, error) { return s.Failures(ctx, 50) },
		"logs":     func() (any, error) { return s.LatestLogs(ctx, 50) },
		"agents":   func() (any, error) { return s.Agents(ctx) },
		"progress": func() (any, error) { return fmt.Sprint(s.Progress()), s.Trouble() },
	} {
		value, err := firstOf(t, func(context.Context) (any, error) { return ask() })
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := json.Marshal(value); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Counted again, as each minute is for a day.
	if err := s.step(ctx); err != nil {
		t.Error(err)
	}
}
