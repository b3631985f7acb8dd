package worker

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river"
	"github.com/agentos/agentos/internal/rollup/rolluptest"
)

// cycle is everything the dashboard's sections ask for.
func cycle(ctx context.Context, s *Service) error {
	for _, read := range []func() error{
		func() error { _, err := s.Queues(ctx); return err },
		func() error { _, err := s.Workers(ctx); return err },
		func() error { _, err := s.Today(ctx); return err },
		func() error { _, err := s.Newest(ctx, 20); return err },
		func() error { _, err := s.Running(ctx, 30); return err },
		func() error { _, err := s.Failures(ctx, 12); return err },
		func() error { _, err := s.LatestLogs(ctx, 40); return err },
		func() error { _, err := described(ctx, s); return err },
		func() error { _, _, err := s.Windows(ctx); return err },
		func() error { _, err := s.Throughput(ctx, time.Minute, 60); return err },
		func() error { _, err := s.Throughput(ctx, 15*time.Minute, 96); return err },
		func() error { _, err := s.RollupsCompleteTo(ctx); return err },
	} {
		if err := read(); err != nil {
			return err
		}
	}
	return nil
}

// big are the tables that grow with the work done.
var big = regexp.MustCompile(`^SCAN (river_job|j|run|r|run_log|rollup)\b`)

// endOfTable are statements that walk a primary key from one of its ends and stop after a few rows.
var endOfTable = regexp.MustCompile(`(?s)from (river_job|river_job j|run_log)\s+order by (j\.)?id( desc)? limit`)

// sortsFew are parts of statements that sort a table of a few rows, or as many rows as a limit below them lets through.
var sortsFew = []string{"from worker", "from run where job_id = $1", "from river_migration", "limit $1) recent"}

type statement struct {
	query string
	args  []driver.NamedValue
}

// statements runs everything that is done again and again, and returns the different statements of it.
func statements(t *testing.T, s *Service) []statement {
	t.Helper()
	var mu sync.Mutex
	seen := map[string]statement{}
	s.db.Trace(func(query string, args []driver.NamedValue) {
		mu.Lock()
		defer mu.Unlock()
		seen[query] = statement{query, args}
	})
	defer s.db.Trace(nil)
	ctx := t.Context()
	for _, step := range []func() error{
		func() error { _, err := s.AddEnded(ctx); return err },
		func() error { return cycle(ctx, s) },
		func() error { return s.reap(ctx) },
		func() error { return s.sweeper.Sweep(ctx) },
		func() error { _, err := s.schedule.InsertDue(ctx); return err },
		func() error { _, err := s.Get(ctx, "1"); return err },
		func() error { _, _, err := s.RunLogs(ctx, "1", 0, 10); return err },
		func() error { _, err := s.List(ctx, engine.Filter{Agent: "rare", Text: "nowhere"}); return err },
		func() error {
			_, err := s.List(ctx, engine.Filter{States: []engine.State{"discarded"}, Queue: "rare"})
			return err
		},
		func() error {
			_, err := s.List(ctx, engine.Filter{States: []engine.State{"scheduled", "discarded"}})
			return err
		},
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	var all []statement
	for _, st := range seen {
		if st.query == "begin" || st.query == "commit" || st.query == "rollback" {
			continue
		}
		all = append(all, st)
		if strings.Contains(st.query, "metadata") && !strings.Contains(st.query, "j.state = 'running'") && !strings.Contains(st.query, river.LossesKey) {
			t.Errorf("reads metadata, which can be huge:\n%s", st.query)
		}
	}
	if len(all) < 30 {
		t.Errorf("only %d statements were seen", len(all))
	}
	return all
}

// rollupColumns are what a row of sums has of its attempts.
const rollupColumns = `ok, failed, timeout, lost, cancelled, run_max_ms, wait_max_ms, input_tokens, output_tokens, cost_usd, run_ms, wait_ms`

const planYAML = "queues:\n  both: {concurrency: 2}\n"

func planFleet(t *testing.T) *agent.Fleet {
	return fleetOf(t, agents(sh("rare", "true"), sh("common", "true"), sh("left", "true", "queue: both"), sh("right", "true", "queue: both"))+planYAML)
}

func TestNoStatementOfACycleReadsAWholeTable(t *testing.T) {
	s := newService(t, dbtest.New(t), "", planFleet(t))
	fill(t, s, 2000)
	rolluptest.InsertRuns(t, s.db, rand.New(rand.NewPCG(7, 8)), 500)
	for _, name := range []string{"rare", "left", "right"} {
		enqueue(t, s, name)
	}
	for _, st := range statements(t, s) {
		for _, line := range plan(t, s, st.query, st.args) {
			if big.MatchString(line) && !strings.Contains(line, "USING") && !endOfTable.MatchString(st.query) {
				t.Errorf("%s\nin %s", line, st.query)
			}
			few := strings.Contains(st.query, "q cross join river_job j") || strings.HasPrefix(st.query, "with few as") ||
				slices.ContainsFunc(sortsFew, func(part string) bool { return strings.Contains(st.query, part) })
			if strings.Contains(line, "TEMP B-TREE") && !few {
				t.Errorf("%s\nin %s", line, st.query)
			}
		}
	}
}

// seqScan is how Postgres reads a whole table.
var seqScan = regexp.MustCompile(`Seq Scan on (river_job|run|run_log|rollup)\b`)

func TestNoStatementOfACycleReadsAWholeTableOfPostgres(t *testing.T) {
	s := newService(t, dbtest.Postgres(t), "", planFleet(t))
	fill(t, s, 50_000)
	rolluptest.InsertRuns(t, s.db, rand.New(rand.NewPCG(7, 8)), 200)
	exec1(t, s, `insert into run (job_id, attempt, max_attempts, agent, queue, worker, outcome, scheduled_ms, started_ms, ended_ms, wait_ms, run_ms, fingerprint, rolled)
		select n, 1, 1, case when n % 10 = 0 then 'rare' else 'common' end, 'q', 'w', case when n % 50 = 0 then 'failed' else 'ok' end, at, at, at, 1, 1,
			case when n % 50 = 0 then 'f' || n % 7 end, 1
		from (select n, (extract(epoch from now()) * 1000)::bigint - n * 2000 as at from generate_series(1, 50000) n) i`)
	exec1(t, s, `insert into run_log (run_id, job_id, agent, at_ms, level, msg) select id, job_id, agent, ended_ms, 'info', 'a line' from run`)
	exec1(t, s, `insert into rollup (step_s, start_s, agent, queue, `+rollupColumns+`)
		select 60, floor(extract(epoch from now()) / 60) * 60 - n / 5 * 60, (array['', 'rare', 'common', 'left', 'right'])[n % 5 + 1], case when n % 5 = 0 then '' else 'q' end,
			1, 0, 0, 0, 0, 1, 1, 0, 0, 0, $1::bytea, $1::bytea from generate_series(0, 14000) n`, []byte{})
	exec1(t, s, `update river_job set created_at = created_at - interval '2 days' where id < 45000`) // today's are counted once
	exec1(t, s, `vacuum analyze`)
	for _, name := range []string{"rare", "left", "right"} {
		enqueue(t, s, name)
	}
	for _, st := range statements(t, s) {
		if lines := postgresPlan(t, s, st); slices.ContainsFunc(lines, seqScan.MatchString) {
			t.Errorf("%s\nin %s", strings.Join(lines, "\n"), st.query)
		}
	}
}

func postgresPlan(t testing.TB, s *Service, st statement) (lines []string) {
	t.Helper()
	args := make([]any, len(st.args))
	for i, v := range st.args {
		args[i] = v.Value
	}
	rows, err := s.db.Read.Query("explain "+st.query, args...)
	lines, err = db.Collect(rows, err, func(rows *sql.Rows) (line string, err error) { return line, rows.Scan(&line) })
	if err != nil {
		t.Fatalf("explain %s: %v", st.query, err)
	}
	return lines
}

func plan(t testing.TB, s *Service, query string, named []driver.NamedValue) (lines []string) {
	t.Helper()
	args := make([]any, len(named))
	for i, v := range named {
		args[i] = v.Value
	}
	if s.db.Kind == db.Postgres {
		return postgresPlan(t, s, statement{query, named})
	}
	rows, err := s.db.Read.Query("explain query plan "+query, args...)
	if err != nil {
		t.Fatalf("explain %s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var line string
		if err := rows.Scan(&id, &parent, &unused, &line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	return lines
}

// Of thousands of agents the sums of those that are shown are read, and no others: by their own entries of an index.
func TestSumsOfSomeAgentsAreFoundByAgent(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newService(t, database, "", planFleet(t))
		exec1(t, s, `insert into rollup (step_s, start_s, agent, queue, `+rollupColumns+`)
			with recursive n(i) as (select 0 union all select i + 1 from n where i < 48000 - 1)
			select 3600, `+by(s, `unixepoch()`, `extract(epoch from now())::bigint`)+` / 3600 * 3600 - i / 2000 * 3600, 'agent ' || (i % 2000), 'q', 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, $1, $1 from n`,
			[]byte{})
		if database.Kind == db.Postgres {
			exec1(t, s, `analyze rollup`)
		}
		stats := map[string]*engine.AgentStats{}
		for i := range 40 {
			stats[fmt.Sprint("agent ", i*50)] = &engine.AgentStats{}
		}
		var read []statement
		s.db.Trace(func(query string, args []driver.NamedValue) {
			if strings.Contains(query, by(s, `agent in (select value from json_each($4))`, `agent = any($4::text[])`)) {
				read = append(read, statement{query, args})
			}
		})
		if err := s.SumByAgent(t.Context(), time.Now(), stats); err != nil {
			t.Fatal(err)
		}
		s.db.Trace(nil)
		for name, a := range stats {
			if a.LastDay.OK < 23 || a.LastDay.OK > 24 {
				t.Errorf("%s: %d of a day of 24 hours", name, a.LastDay.OK)
			}
		}
		if len(read) == 0 {
			t.Fatal("no sums were read")
		}
		for _, st := range read {
			if st.args[0].Value != int64(3600) {
				continue // of the minutes there are few
			}
			how := plan(t, s, st.query, st.args)
			if !slices.ContainsFunc(how, func(line string) bool { return strings.Contains(line, "rollup_agent") }) {
				t.Errorf("%s\nin %s", strings.Join(how, "\n"), st.query)
			}
		}
	})
}
