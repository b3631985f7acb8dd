package river

import (
	"database/sql/driver"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
)

// insertEnded writes attempts of an agent that ended, one each second up to a time.
func insertEnded(t testing.TB, s *Reader, name, outcome string, n int, last time.Time) {
	t.Helper()
	exec1(t, s, `with recursive numbers (n) as (select 0 union all select n + 1 from numbers where n < $1 - 1)
		insert into run (job_id, attempt, max_attempts, agent, queue, worker, outcome, scheduled_ms, started_ms, ended_ms, wait_ms, run_ms, error)
		select n, 1, 1, $2, 'q', 'w', $3, 0, 0, cast($4 as bigint) - n * 1000, 0, 1, case when $3 <> 'ok' then 'no host ' || n end from numbers`,
		n, name, outcome, last.UnixMilli())
}

func TestAgentsKnowTheirLastSuccess(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, d *db.DB) {
		s := newReader(t, d, fleetOf(t, agents(sh("never", "true"), sh("bad", "true"), sh("ill", "true"), sh("good", "true"), sh("fresh", "true"))))
		now := time.Now().UTC().Truncate(time.Millisecond)
		long := now.Add(-3 * time.Hour)
		insertEnded(t, s, "good", "ok", 2, now.Add(-time.Minute))
		insertEnded(t, s, "bad", "ok", 2, now.Add(-time.Hour))
		insertEnded(t, s, "bad", "failed", 5, now.Add(-time.Minute))
		insertEnded(t, s, "ill", "ok", 1, long)
		insertEnded(t, s, "ill", "timeout", 2*lookBack, now.Add(-time.Second))
		insertEnded(t, s, "fresh", "lost", 3, now.Add(-time.Second))
		if _, err := s.AddEnded(t.Context()); err != nil {
			t.Fatal(err)
		}
		check := func(want map[string]time.Time) {
			t.Helper()
			stats, err := described(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			for name, a := range stats {
				switch at, succeeded := want[name]; {
				case succeeded != (a.LastSuccessAt != nil):
					t.Errorf("%s succeeded last %v", name, a.LastSuccessAt)
				case succeeded && !a.LastSuccessAt.Equal(at):
					t.Errorf("%s succeeded last %v, want %v", name, a.LastSuccessAt, at)
				}
				if (a.LastError != nil) != a.Failing() {
					t.Errorf("%s failed last %+v", name, a.LastError)
				}
			}
		}
		want := map[string]time.Time{"good": now.Add(-time.Minute), "bad": now.Add(-time.Hour), "ill": long.Truncate(time.Minute)}
		check(want)
		check(want) // as it is remembered
		insertEnded(t, s, "bad", "ok", 1, now.Add(-500*time.Millisecond))
		insertEnded(t, s, "bad", "failed", 1, now)
		insertEnded(t, s, "fresh", "ok", 1, now.Add(time.Millisecond))
		want["bad"], want["fresh"] = now.Add(-500*time.Millisecond), now.Add(time.Millisecond)
		stats, err := described(t.Context(), s)
		if err != nil || stats["bad"].LastError.Error != "no host 0" {
			t.Errorf("%+v, %v", stats["bad"].LastError, err)
		}
		if a := stats["fresh"]; a.LastSuccessAt == nil || !a.LastSuccessAt.Equal(want["fresh"]) || a.Failing() {
			t.Errorf("fresh is %+v", a)
		}
		if a := stats["bad"]; a.LastSuccessAt == nil || !a.LastSuccessAt.Equal(want["bad"]) {
			t.Errorf("bad succeeded last %v, want %v", a.LastSuccessAt, want["bad"])
		}
	})
}

// Jobs in queues that no agent has for itself are counted in a few statements, however many queues there are.
func TestJobsInManyQueuesAreCountedByAgent(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, d *db.DB) {
		s := newReader(t, d, fleetOf(t, agents(sh("one", "true"), sh("left", "true", "queue: both"), sh("right", "true", "queue: both"))+
			"queues:\n  both: {concurrency: 2}\n"))
		exec1(t, s, `with recursive numbers (n) as (select 0 union all select n + 1 from numbers where n < 1199)
			insert into river_job (kind, queue, state, args, max_attempts) select case n % 3 when 0 then 'one' when 1 then 'left' else 'gone' end,
				'q "' || (n % 400), 'available', '{}', 1 from numbers`)
		exec1(t, s, fmt.Sprintf(`with recursive numbers (n) as (select 0 union all select n + 1 from numbers where n < %d)
			insert into river_job (kind, queue, state, args, max_attempts) select case n %% 2 when 0 then 'right' else 'gone' end,
				'both', 'retryable', '{}', 1 from numbers`, 2*fewInQueue-1))
		statements := traced(s, func() {
			stats, err := s.Agents(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if one, left, right := stats["one"], stats["left"], stats["right"]; one.Waiting != 400 || left.Waiting != 400 || left.Capped || right.Retryable != fewInQueue {
				t.Errorf("one %+v, left %+v, right %+v", one, left, right)
			}
		})
		if n := len(statements); n > 10 {
			t.Errorf("%d statements: %s", n, strings.Join(statements, "\n"))
		}
	})
}

// traced returns the statements that something makes.
func traced(s *Reader, do func()) (statements []string) {
	var mu sync.Mutex
	s.db.Trace(func(query string, _ []driver.NamedValue) {
		mu.Lock()
		defer mu.Unlock()
		statements = append(statements, query)
	})
	defer s.db.Trace(nil)
	do()
	return statements
}
