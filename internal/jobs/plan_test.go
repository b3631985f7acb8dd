package jobs

import (
	"context"
	"database/sql/driver"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db/dbtest"
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
		func() error { _, err := s.Agents(ctx); return err },
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

func TestNoStatementOfACycleReadsAWholeTable(t *testing.T) {
	s := newService(t, dbtest.New(t), "", fleetOf(t, agents(sh("rare", "true"), sh("common", "true"),
		sh("left", "true", "queue: both"), sh("right", "true", "queue: both"))+"queues:\n  both: {concurrency: 2}\n"))
	fill(t, s, 2000)
	insertRuns(t, s.db, rand.New(rand.NewPCG(7, 8)), 500)
	for _, name := range []string{"rare", "left", "right"} {
		enqueue(t, s, name)
	}
	type statement struct {
		query string
		args  []driver.NamedValue
	}
	var mu sync.Mutex
	seen := map[string]statement{}
	s.db.Trace(func(query string, args []driver.NamedValue) {
		mu.Lock()
		defer mu.Unlock()
		seen[query] = statement{query, args}
	})
	ctx := t.Context()
	for _, step := range []func() error{
		func() error { return s.rollUpAll(ctx) },
		func() error { return cycle(ctx, s) },
		func() error { return s.reap(ctx) },
		func() error { return s.sweep(ctx) },
		func() error { _, err := s.insertDue(ctx); return err },
		func() error { _, err := s.Get(ctx, 1); return err },
		func() error { _, _, err := s.RunLogs(ctx, 1, 0, 10); return err },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	s.db.Trace(nil)
	checked := 0
	for _, st := range seen {
		if st.query == "begin" {
			continue
		}
		checked++
		if strings.Contains(st.query, "metadata") && !strings.Contains(st.query, "j.state = 'running'") {
			t.Errorf("reads metadata, which can be huge:\n%s", st.query)
		}
		for _, line := range plan(t, s, st.query, st.args) {
			if big.MatchString(line) && !strings.Contains(line, "USING") && !endOfTable.MatchString(st.query) {
				t.Errorf("%s\nin %s", line, st.query)
			}
			if strings.Contains(line, "TEMP B-TREE") && !strings.Contains(st.query, "from worker") {
				t.Errorf("%s\nin %s", line, st.query)
			}
		}
	}
	if checked < 30 {
		t.Errorf("only %d statements were seen", checked)
	}
}

func plan(t testing.TB, s *Service, query string, named []driver.NamedValue) (lines []string) {
	t.Helper()
	args := make([]any, len(named))
	for i, v := range named {
		args[i] = v.Value
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
