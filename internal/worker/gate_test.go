package worker

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river"
)

// shared puts agents into one queue.
func shared(slots int, entries ...string) string {
	return agents(entries...) + fmt.Sprintf("queues:\n  shared: {concurrency: %d}\n", slots)
}

// atMost is a script that fails when n others run already.
func atMost(dir string, n int) string {
	script := "if false; then :; "
	for i := range n {
		script += fmt.Sprintf("elif mkdir %s/%d 2>/dev/null; then mine=%d; ", dir, i, i)
	}
	return script + fmt.Sprintf("else exit 1; fi; sleep 0.05; rmdir %s/$mine", dir)
}

func count(t testing.TB, s *Service, states ...string) int {
	t.Helper()
	return one[int](t, s, `select count(*) from river_job where state in ('`+strings.Join(states, "', '")+`')`)
}

// untilAllEnded waits until n jobs have ended, and fails when one did not end well.
func untilAllEnded(t testing.TB, s *Service, n int) {
	t.Helper()
	until(t, "all ended", func() bool { return count(t, s, "completed", "discarded") == n })
	if bad := count(t, s, "discarded"); bad != 0 {
		t.Errorf("%d of %d attempts ran beside too many others", bad, n)
	}
}

// What is above an agent's limit must wait in the queue, not in a slot that others need.
func TestALimitedAgentDoesNotStarveItsQueue(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		dir := t.TempDir()
		s := start(t, database, shared(4,
			sh("first", gated(dir), "queue: shared", "concurrency: 1"),
			sh("other", "true", "queue: shared")))
		var first []engine.ID
		for range 5 {
			first = append(first, enqueue(t, s, "first").ID)
		}
		until(t, "one runs", func() bool { return exists(dir + "/began") })
		for range 6 {
			untilState(t, s, enqueue(t, s, "other").ID, "completed")
		}
		if n := count(t, s, "running"); n != 1 {
			t.Errorf("%d jobs are running, one is", n)
		}
		touch(t, dir+"/gate")
		for _, id := range first {
			if d := untilState(t, s, id, "completed"); *d.Attempt != 1 || len(d.Runs) != 1 {
				t.Errorf("job %+v", d.Job)
			}
		}
	})
}

// With several limited agents in one queue each gets its turn, in the order of the queue.
func TestLimitedAgentsKeepTheOrderOfTheirQueue(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		dir := t.TempDir()
		var entries []string
		for _, name := range []string{"aa", "bb", "cc", "dd"} {
			entries = append(entries, sh(name, `echo $AGENTOS_AGENT >>`+dir+`/order; `+gated(dir), "queue: shared", "concurrency: 1"))
		}
		s := start(t, database, shared(2, entries...))
		if err := s.PauseQueue(t.Context(), "shared"); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			enqueueWith(t, s, engine.EnqueueParams{Agent: "aa", Priority: 2})
		}
		enqueueWith(t, s, engine.EnqueueParams{Agent: "bb", Priority: 4})
		enqueueWith(t, s, engine.EnqueueParams{Agent: "cc", Priority: 3})
		enqueueWith(t, s, engine.EnqueueParams{Agent: "dd", Priority: 1})
		if err := s.ResumeQueue(t.Context(), "shared"); err != nil {
			t.Fatal(err)
		}
		running := func() []string {
			rows, err := s.db.Read.QueryContext(t.Context(), `select kind from river_job where state = 'running' order by kind`)
			kinds, err := db.Collect(rows, err, func(rows *sql.Rows) (kind string, err error) { return kind, rows.Scan(&kind) })
			if err != nil {
				t.Fatal(err)
			}
			return kinds
		}
		until(t, "two run", func() bool { return len(running()) == 2 })
		if got := running(); !slices.Equal(got, []string{"aa", "dd"}) {
			t.Errorf("running %v, want those of the highest priority", got)
		}
		touch(t, dir+"/gate")
		untilAllEnded(t, s, 6)
	})
}

func TestAFleetWideLimitHoldsOverAllWorkers(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		dir := t.TempDir()
		yaml := agents(sh("scarce", atMost(dir, 2), "concurrency: 3", "limit: 2", "max_attempts: 1", "backoff: {initial: 1ms}"))
		var s *Service
		for range 3 {
			s = startWith(t, Options{DB: dbtest.OpenURL(t, url), Fleet: fleetOf(t, yaml)})
		}
		const n = 20
		for range n {
			enqueue(t, s, "scarce")
		}
		untilAllEnded(t, s, n)
	})
}

// Jobs that the fleet may not run must not stand before others' that it may.
func TestAFleetWideLimitDoesNotStarveItsQueue(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newService(t, database, t.TempDir(), fleetOf(t, shared(3,
			sh("scarce", "true", "queue: shared", "limit: 1"), sh("other", "true", "queue: shared"))))
		elsewhere := river.WorkerPrefix + "far-1-aa"
		insertWorker(t, s, elsewhere, time.Now().Add(time.Hour))
		held := insertRunning(t, s, river.ClientID(elsewhere, 1))
		exec1(t, s, `update river_job set kind = 'scarce', queue = 'shared' where id = $1`, held)
		var scarce []engine.ID
		for range 8 {
			scarce = append(scarce, enqueue(t, s, "scarce").ID)
		}
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			untilState(t, s, enqueue(t, s, "other").ID, "completed")
		}
		if n := count(t, s, "running"); n != 1 {
			t.Errorf("%d jobs run beside a limit of 1", n)
		}
		exec1(t, s, `update river_job set state = 'completed', finalized_at = $2 where id = $1`, held, s.db.Stamp(time.Now()))
		for _, id := range scarce {
			untilState(t, s, id, "completed")
		}
	})
}

// A worker that died holds its share only until its jobs are taken over.
func TestAFleetWideLimitIsHeldByJobsThatRun(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newService(t, database, t.TempDir(), fleetOf(t, agents(sh("scarce", "true", "limit: 1"), sh("quick", "true"))))
		dead := river.WorkerPrefix + "far-1-aa"
		insertWorker(t, s, dead, time.Now())
		id := insertRunning(t, s, river.ClientID(dead, 1))
		exec1(t, s, `update river_job set kind = 'scarce', queue = 'scarce' where id = $1`, id)
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		second := enqueue(t, s, "scarce")
		untilState(t, s, enqueue(t, s, "quick").ID, "completed")
		if d := get(t, s, second.ID); d.State != "available" {
			t.Errorf("job %+v, another one runs", d.Job)
		}
		exec1(t, s, `delete from worker where id = $1`, dead)
		untilState(t, s, second.ID, "completed")
	})
}

func TestAWorkerKeepsToItsProcesses(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		dir := t.TempDir()
		var entries []string
		for i := range 8 {
			entries = append(entries, sh(fmt.Sprintf("agent-%d", i), atMost(dir, 3), "concurrency: 2", "max_attempts: 1"))
		}
		s := startWith(t, Options{DB: database, Fleet: fleetOf(t, agents(entries...)), MaxProcesses: 3})
		const n = 40
		for i := range n {
			enqueue(t, s, fmt.Sprintf("agent-%d", i%8))
		}
		untilAllEnded(t, s, n)
		until(t, "every slot is free", func() bool { return len(s.gate.Held()) == 0 })
	})
}
