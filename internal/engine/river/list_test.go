package river

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"

	"github.com/agentos/agentos/internal/db/dbtest"
)

func listed(t testing.TB, s *Reader, f engine.Filter) (ids []int64, pages int, searched int) {
	t.Helper()
	for {
		page, err := s.List(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		searched += page.Searched
		for _, j := range page.Jobs {
			n, _ := j.ID.Number()
			ids = append(ids, n)
		}
		if page.Next == nil {
			return ids, pages, searched
		}
		if len(page.Jobs) < f.Limit && !page.SearchBounded {
			t.Fatalf("a short page with a next one: %+v", page)
		}
		f.Cursor = *page.Next
	}
}

func TestListFilters(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newReader(t, database, fleetOf(t, agents(sh("rare", "true"), sh("common", "true"))))
		const n = 4_000
		fill(t, s, n)
		wanted := func(match func(id int64) bool) (ids []int64) {
			for id := int64(n); id > 0; id-- {
				if match(id) {
					ids = append(ids, id)
				}
			}
			return ids
		}
		since, until := get(t, s, engine.NumberID(n-2000)).CreatedAt.Time, get(t, s, engine.NumberID(n-1000)).CreatedAt.Time
		for _, c := range []struct {
			name  string
			f     engine.Filter
			match func(id int64) bool
		}{
			{"all", engine.Filter{Limit: 200}, func(int64) bool { return true }},
			{"agent", engine.Filter{Limit: 200, Agent: "rare"}, func(id int64) bool { return id%10 == 0 }},
			{"queue", engine.Filter{Limit: 200, Queue: "rare"}, func(id int64) bool { return id%10 == 0 }},
			{"rare state", engine.Filter{Limit: 5, States: []engine.State{"discarded"}}, func(id int64) bool { return id%1000 == 0 }},
			{"rare states", engine.Filter{Limit: 5, States: []engine.State{"discarded", "available", "running"}, Agent: "rare"}, func(id int64) bool { return id%1000 == 0 }},
			{"common state", engine.Filter{Limit: 200, States: []engine.State{"completed", "discarded"}, Agent: "rare"}, func(id int64) bool { return id%10 == 0 }},
			{"none of a state", engine.Filter{Limit: 5, States: []engine.State{"retryable"}}, func(int64) bool { return false }},
			{"no such agent", engine.Filter{Limit: 5, Agent: "nobody"}, func(int64) bool { return false }},
			{"error text", engine.Filter{Limit: 5, Text: "BROKEN pipe"}, func(id int64) bool { return id%1000 == 0 }},
			{"args text", engine.Filter{Limit: 5, Text: `"n":399`}, func(id int64) bool { return strings.HasPrefix(fmt.Sprint(id), "399") }},
			{"id", engine.Filter{Limit: 5, Text: "3777"}, func(id int64) bool { return id == 3777 }},
			{"a secret", engine.Filter{Limit: 5, Text: "hunter77"}, func(int64) bool { return false }},
			{"time", engine.Filter{Limit: 200, Since: &since, Until: &until}, func(id int64) bool { return id >= n-2000 && id < n-1000 }},
		} {
			t.Run(c.name, func(t *testing.T) {
				ids, _, _ := listed(t, s, c.f)
				if want := wanted(c.match); !slices.Equal(ids, want) {
					t.Errorf("%d jobs, want %d", len(ids), len(want))
				}
			})
		}
	})
}

func TestASearchIsBounded(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newReader(t, database, fleetOf(t, agents(sh("rare", "true"))))
		fill(t, s, 16_000)
		s.lookFor = time.Nanosecond // so that each page ends after one stretch
		page, err := s.List(t.Context(), engine.Filter{Text: "nowhere"})
		if err != nil || !page.SearchBounded || page.Next == nil || page.Searched != scanFirst || len(page.Jobs) != 0 {
			t.Errorf("%+v, %v", page, err)
		}
		for _, f := range []engine.Filter{{Text: "nowhere"}, {Text: "nowhere", States: []engine.State{"completed", "discarded"}}} {
			if ids, pages, searched := listed(t, s, f); len(ids) != 0 || pages < 16_000/scanMost || searched != 16_000 {
				t.Errorf("%d jobs on %d pages after %d", len(ids), pages, searched)
			}
		}
		s.lookFor = time.Hour
		if ids, pages, searched := listed(t, s, engine.Filter{Text: "nowhere"}); len(ids) != 0 || pages != 1 || searched != 16_000 {
			t.Errorf("%d jobs on %d pages after %d", len(ids), pages, searched)
		}
		// Rare states and kinds need no search.
		if page, err := s.List(t.Context(), engine.Filter{States: []engine.State{"discarded"}}); err != nil || len(page.Jobs) != 16 || page.Searched > 100 || page.Order != "ended" {
			t.Errorf("%+v, %v", page, err)
		}
		if page, err := s.List(t.Context(), engine.Filter{Agent: "nobody"}); err != nil || len(page.Jobs) != 0 || page.Searched > rareAfter+scanFirst || page.Next != nil {
			t.Errorf("%+v, %v", page, err)
		}
	})
}

// One statement may end a million jobs, all at one time: sorting these would cost a second for each page.
func TestJobsThatEndedTogetherAreListedInOrder(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newReader(t, database, fleetOf(t, agents(sh("rare", "true"))))
		s.sameEnd = 150
		fill(t, s, 900)
		exec1(t, s, `update river_job set state = 'cancelled', finalized_at = $1 where id % 3 = 0 and (id between 130 and 280 or id > 550)`, s.db.Stamp(time.Now().Add(-time.Minute)))
		exec1(t, s, `update river_job set state = 'discarded', finalized_at = $1 where id % 15 = 1`, s.db.Stamp(time.Now().Add(-time.Hour)))
		exec1(t, s, `update river_job set state = 'discarded', finalized_at = (select finalized_at from river_job where id = 600) where id % 15 = 2`)
		exec1(t, s, `update river_job set state = 'discarded', finalized_at = $1 where id % 15 = 4`, s.db.Stamp(time.Now().Add(time.Hour)))
		for _, c := range []struct {
			name, where string
			f           engine.Filter
		}{
			{"one statement's", `state = 'cancelled'`, engine.Filter{Limit: 40, States: []engine.State{"cancelled"}}},
			{"few", `state = 'discarded'`, engine.Filter{Limit: 7, States: []engine.State{"discarded"}}},
			{"of all states", `true`, engine.Filter{Limit: 40, States: []engine.State{"completed", "cancelled", "discarded"}}},
			{"of a kind", `state in ('cancelled', 'discarded') and kind = 'rare'`, engine.Filter{Limit: 20, States: []engine.State{"cancelled", "discarded"}, Agent: "rare"}},
		} {
			for _, lookFor := range []time.Duration{time.Nanosecond, time.Hour} {
				s.lookFor = lookFor
				rows, err := s.db.Read.QueryContext(t.Context(), `select id from river_job where `+c.where+` order by finalized_at desc, id desc`)
				want, err := db.Collect(rows, err, db.ScanID)
				if err != nil || len(want) == 0 {
					t.Fatal(len(want), err)
				}
				if ids, _, _ := listed(t, s, c.f); !slices.Equal(ids, want) {
					t.Errorf("%s within %v: %d jobs, want %d, in the order of their ends", c.name, lookFor, len(ids), len(want))
				}
			}
		}
	})
}

// However many jobs wait above them.
func TestFewJobsOfAStateAreFoundAtOnce(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newReader(t, database, fleetOf(t, agents(sh("rare", "true"))))
		const n = 10_000
		fill(t, s, n)
		exec1(t, s, `update river_job set state = 'scheduled', finalized_at = null where id <= 1200`)
		exec1(t, s, `update river_job set state = 'running', finalized_at = null where id = 77`)
		s.lookFor = time.Nanosecond
		page, err := s.List(t.Context(), engine.Filter{States: []engine.State{"scheduled", "running"}, Limit: 200})
		if err != nil || len(page.Jobs) != 200 || page.Jobs[0].ID != "1200" || page.SearchBounded {
			t.Fatalf("%d jobs, %v", len(page.Jobs), err)
		}
		s.lookFor = time.Hour
		for _, c := range []struct {
			f    engine.Filter
			want int
		}{
			{engine.Filter{States: []engine.State{"scheduled", "running"}, Limit: 200}, 1200},
			{engine.Filter{States: []engine.State{"scheduled"}, Agent: "rare", Limit: 50}, 120},
			{engine.Filter{States: []engine.State{"scheduled"}, Queue: "rare", Limit: 50}, 120},
			{engine.Filter{States: []engine.State{"running"}, Queue: "rare", Limit: 50}, 0},
		} {
			if ids, _, searched := listed(t, s, c.f); len(ids) != c.want || !slices.IsSortedFunc(ids, func(a, b int64) int { return int(b - a) }) || searched > 10*scanFirst {
				t.Errorf("%+v: %d jobs of %d looked at", c.f, len(ids), searched)
			}
		}
	})
}

func TestListSaysWhatIsWrong(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newReader(t, database, fleetOf(t, agents(sh("rare", "true"))))
		for text, f := range map[string]engine.Filter{
			"is no state of a job; there are: available": {States: []engine.State{"done"}},
			"use 1 to 200":                     {Limit: 201},
			"the cursor is not one of a page":  {Cursor: "x"},
			"the cursor is not one of a page ": {Cursor: "12.13"},
			"cursor is not one of a page with": {Cursor: "12", States: []engine.State{"completed"}},
			"is not one of a page with this":   {Cursor: "12~9"},
		} {
			if _, err := s.List(t.Context(), f); !errors.Is(err, engine.ErrInvalid) || !strings.Contains(err.Error(), text) {
				t.Errorf("error %v, want %q", err, text)
			}
		}
	})
}

// The database would turn megabytes into text for each line of a list.
func TestAHugeArgumentIsNotShown(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newReader(t, database, fleetOf(t, agents(sh("rare", "true"))))
		exec1(t, s, `insert into river_job (kind, queue, args, max_attempts) values ('rare', 'rare', `+by(s, `jsonb_object('data', hex(randomblob(1000000)))`,
			`jsonb_build_object('data', (select string_agg(md5(i::text), '') from generate_series(1, 62500) i))`)+`, 1)`)
		rows, err := s.jobsWhere(t.Context(), `order by j.id desc limit 1`)
		if err != nil || len(rows) != 1 || rows[0].rawArgs.Valid || !strings.HasSuffix(rows[0].Args, " MB of JSON)") {
			t.Fatalf("%.200v, %v", rows, err)
		}
		if d := get(t, s, rows[0].ID); !d.ArgsCut || d.ArgsBytes < 1_900_000 || len(d.ArgsJSON) > 20_000 {
			t.Errorf("args of %d bytes: %.200s", d.ArgsBytes, d.ArgsJSON)
		}
	})
}

func TestTodayCountsFromMidnight(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newReader(t, database, fleetOf(t, agents(sh("rare", "true"))))
		start := agent.StartOfDay(time.Now())
		for i, at := range []time.Time{start.Add(-48 * time.Hour), start.Add(-time.Second), start, start.Add(time.Millisecond), time.Now()} {
			exec1(t, s, `insert into river_job (kind, queue, args, max_attempts, created_at, state, finalized_at)
			values ('rare', 'rare', '{}', 1, $1, 'cancelled', $1)`, s.db.Stamp(at))
			if i == 1 {
				exec1(t, s, `delete from river_job where id = 1`)
			}
		}
		today, err := s.Today(t.Context())
		if err != nil || *today.Total != 3 || *today.Cancelled != 3 || !today.DayStart.Equal(start) {
			t.Errorf("%+v, %v", today, err)
		}
		exec1(t, s, `insert into river_job (kind, queue, args, max_attempts) values ('rare', 'rare', '{}', 1)`)
		if today, err = s.Today(t.Context()); err != nil || *today.Total != 4 {
			t.Errorf("%+v, %v", today, err)
		}
	})
}

func TestFirstSinceOnAnyTable(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newReader(t, database, fleetOf(t, agents(sh("rare", "true"))))
		if id, err := s.FirstSince(t.Context(), time.Now()); err != nil || id != 1 {
			t.Errorf("empty table: %d, %v", id, err)
		}
		fill(t, s, 100)
		exec1(t, s, `delete from river_job where id between 20 and 60 or id < 5`)
		before := 0 // the job before
		for id := 5; id <= 100; id++ {
			if id >= 20 && id <= 60 {
				continue
			}
			at := one[time.Time](t, s, `select created_at from river_job where id = $1`, id)
			if first, err := s.FirstSince(t.Context(), at); err != nil || first <= int64(before) || first > int64(id) {
				t.Fatalf("first since job %d: %d, %v", id, first, err)
			}
			before = id
		}
		if id, err := s.FirstSince(t.Context(), time.Now().Add(time.Hour)); err != nil || id != 101 {
			t.Errorf("nothing since: %d, %v", id, err)
		}
	})
}

// fill inserts n jobs, a second apart, the last one now. Every tenth is of agent "rare", every thousandth discarded.
func fill(t testing.TB, s *Reader, n int) {
	t.Helper()
	exec1(t, s, `insert into river_job (kind, queue, state, args, max_attempts, created_at, scheduled_at, finalized_at, attempt, errors, attempted_by) `+
		by(s, `with recursive i(n) as (select 1 union all select n + 1 from i where n < $1)
		select case when n % 10 = 0 then 'rare' else 'common' end, case when n % 10 = 0 then 'rare' else 'common' end,
			case when n % 1000 = 0 then 'discarded' else 'completed' end, jsonb_object('n', n, 'password', 'hunter' || n), 3,
			datetime('now', 'subsec', (n - $1) || ' seconds'), datetime('now', 'subsec', (n - $1) || ' seconds'),
			datetime('now', 'subsec', (n - $1) || ' seconds'), 1,
			case when n % 1000 = 0 then jsonb_array(jsonb_object('error', 'broken pipe ' || n)) end, jsonb_array('worker-h-1-a@3')
		from i`, `select case when n % 10 = 0 then 'rare' else 'common' end, case when n % 10 = 0 then 'rare' else 'common' end,
			(case when n % 1000 = 0 then 'discarded' else 'completed' end)::river_job_state,
			jsonb_build_object('n', n, 'password', 'hunter' || n), 3, at, at, at, 1,
			case when n % 1000 = 0 then array[jsonb_build_object('error', 'broken pipe ' || n)] end, array['worker-h-1-a@3']
		from (select n, now() + (n - $1) * interval '1 second' as at from generate_series(1, $1::int) n) i`), n)
}
