package attach

import (
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river/ends"
	"github.com/agentos/agentos/internal/rollup"
)

const (
	clientA = "host-a_2026_01_02T03_04_05_000006"
	clientB = "my own name"
)

// furnish fills the site with some jobs of every state.
func furnish(t *testing.T, s *site, now time.Time) (running, discarded int64) {
	t.Helper()
	for i := range 5 {
		s.insert(t, done("mail", "completed", now.Add(-time.Duration(10+i)*time.Second)))
	}
	discarded = s.insert(t, done("mail", "discarded", now.Add(-9*time.Second), "no host 17", "no host 18"))
	s.insert(t, done("mail", "discarded", now.Add(-8*time.Second), ends.RescuedText))
	logged := done("report", "completed", now.Add(-7*time.Second))
	logged.metadata = `{"river:log":[{"attempt":1,"log":"time=2026-01-02T03:04:05.000Z level=WARN msg=careful\nlevel=INFO msg=done\n"}],"output":{"pages":3}}`
	s.insert(t, logged)
	for i := range 3 {
		running = s.insert(t, job{kind: "report", queue: "slow", state: "running", client: clientB, attempt: 1, created: now.Add(-time.Minute), attempted: now.Add(-time.Duration(30-i) * time.Second)})
	}
	s.insert(t, job{kind: "mail", state: "running", client: clientA, attempt: 1, created: now.Add(-time.Minute), attempted: now.Add(-10 * time.Second)})
	for range 7 {
		s.insert(t, job{kind: "mail", state: "available", created: now.Add(-2 * time.Minute)})
	}
	s.insert(t, job{kind: "mail", state: "scheduled", scheduled: now.Add(time.Hour)})
	s.insert(t, job{kind: "mail", state: "retryable", attempt: 2, scheduled: now.Add(time.Hour), attempted: now.Add(-20 * time.Second), created: now.Add(-time.Minute), errors: []string{"no host 1", "no host 2"}, client: clientA})
	return running, discarded
}

// described is all that is known of each kind.
func described(ctx context.Context, s *Service) (map[string]*engine.AgentStats, error) {
	stats, err := s.Agents(ctx)
	if err != nil {
		return nil, err
	}
	return stats, s.DescribeAgents(ctx, stats)
}

func TestSectionsShowWhatRiverHolds(t *testing.T) {
	eachSite(t, func(t *testing.T, site *site) {
		ctx, now := t.Context(), time.Now()
		running, discarded := furnish(t, site, now)
		s := site.begun(t, nil)
		filled(t, s)

		agents, err := described(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		if a := agents["mail"]; a.Running != 1 || a.Waiting != 7 || a.Scheduled != 1 || a.Retryable != 1 || a.Slots != -1 || a.LastDay.OK != 5 || a.LastDay.Failed != 3 {
			t.Errorf("mail is %+v", a)
		}
		if got := len(s.Fleet().Agents); got != 2 || s.Kinds() != 2 {
			t.Errorf("there are %d agents of %d kinds", got, s.Kinds())
		}
		queues, err := firstOf(t, s.Queues)
		if err != nil || len(queues) != 2 {
			t.Fatalf("queues: %v, %v", queues, err)
		}
		if q := queues[0]; q.Name != "default" || *q.Pending != 7 || *q.Processing != 1 || *q.Scheduled != 1 || *q.Retryable != 1 || q.OldestAt == nil || q.CountedAt == nil {
			t.Errorf("the queue is %+v", q)
		}
		workers, err := s.Workers(ctx)
		if err != nil || len(workers) != 2 {
			t.Fatalf("workers: %v, %v", workers, err)
		}
		if w := workers[0]; w.ID != clientA || w.Host != "host-a" || *w.Running != 1 || *w.Done == 0 || w.State != "active" || !w.StartedAt.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
			t.Errorf("the worker is %+v", w)
		}
		if w := workers[1]; w.ID != clientB || w.Host != "" || *w.Running != 3 || !slices.Equal(w.AgentNames, []string{"report"}) || !slices.Equal(w.Queues, []string{"slow"}) {
			t.Errorf("the worker is %+v", w)
		}
		list, err := s.Running(ctx, 2)
		if err != nil || len(list) != 2 || list[0].Agent != "report" || list[0].StartedAt.After(list[1].StartedAt.Time) {
			t.Errorf("running: %v, %v", list, err)
		}
		failures, err := s.Failures(ctx, 10)
		if err != nil || len(failures) != 2 || failures[0].GaveUp+failures[1].GaveUp != 2 { // of two kinds, and all are of jobs that were given up
			t.Fatalf("failures: %+v, %v", failures, err)
		}
		i := slices.IndexFunc(failures, func(f engine.Failure) bool { return f.JobID == engine.NumberID(discarded) })
		if i < 0 || failures[i].Error != "no host 18" || failures[i].Attempt != 2 || failures[i].Similar24h != 2 || failures[i].Outcome != "failed" {
			t.Errorf("failures are %+v", failures)
		}
		if n := slices.IndexFunc(failures, func(f engine.Failure) bool { return f.Outcome == "lost" }); n < 0 {
			t.Errorf("no failure is of a lost attempt: %+v", failures)
		}
		today, err := firstOf(t, s.Today)
		if now.Sub(agent.StartOfDay(now)) > 3*time.Minute && (err != nil || *today.Total != 21 || *today.Completed != 6 || today.Partial) {
			t.Errorf("today: %+v, %v", today, err)
		}
		d, err := s.Get(ctx, engine.NumberID(running))
		if err != nil || len(d.Runs) != 1 || d.Runs[0].Outcome != "running" || d.LogRunID == nil {
			t.Errorf("the running job: %+v, %v", d, err)
		}
		if d, err = s.Get(ctx, engine.NumberID(discarded)); err != nil || len(d.Errors) != 2 || d.Runs[0].Outcome != "failed" || *d.Runs[0].Error != "no host 18" {
			t.Errorf("the discarded job: %+v, %v", d, err)
		}
		if _, err := s.Get(ctx, engine.NumberID(1<<40)); !errors.Is(err, engine.ErrNotFound) {
			t.Errorf("a job that is not there: %v", err)
		}
	})
}

func TestLogsOfRiversMiddleware(t *testing.T) {
	eachSite(t, func(t *testing.T, site *site) {
		furnish(t, site, time.Now())
		s := site.begun(t, nil)
		lines, err := s.LatestLogs(t.Context(), 10)
		if err != nil || len(lines) != 2 {
			t.Fatalf("lines: %v, %v", lines, err)
		}
		i := slices.IndexFunc(lines, func(l engine.LogLine) bool { return l.Level == "warn" })
		if i < 0 || lines[i].Agent != "report" || !strings.Contains(lines[i].Msg, "careful") || lines[i].At.Year() != 2026 {
			t.Fatalf("lines: %+v", lines)
		}
		whole, complete, err := s.RunLogs(t.Context(), lines[i].RunID, 0, 1)
		if err != nil || len(whole) != 1 || complete {
			t.Errorf("the first line: %v, %v, %v", whole, complete, err)
		}
		whole, complete, err = s.WaitRunLogs(t.Context(), lines[i].RunID, 1, 10)
		if err != nil || len(whole) != 1 || !complete || whole[0].Msg != "level=INFO msg=done" {
			t.Errorf("the rest: %v, %v, %v", whole, complete, err)
		}
		d, err := s.Get(t.Context(), lines[i].JobID)
		if err != nil || d.Result == nil || strings.ReplaceAll(*d.Result, " ", "") != `{"pages":3}` {
			t.Errorf("the result: %v, %v", d.Result, err)
		}
	})
}

// The lines of another program's log are made as safe to show as our own, and their level is read before they are cut.
func TestLogLinesAreCleaned(t *testing.T) {
	eachSite(t, func(t *testing.T, site *site) {
		text := "\x1b[31mred\x1b[0m\x07 alert\n10 %\r20 %\r\n" +
			`{"msg":"` + strings.Repeat("x", 20<<10) + `","severity":"ERROR"}` + "\n[WARN] low\nE0102 15:04:05.678 1 main.go:12] down\n"
		log, err := json.Marshal([]map[string]any{{"attempt": 1, "log": text}})
		if err != nil {
			t.Fatal(err)
		}
		one := done("report", "completed", time.Now().Add(-time.Second))
		one.metadata = `{"river:log":` + string(log) + `}`
		job := site.insert(t, one)
		s := site.begun(t, nil)
		run, _ := runOf(engine.NumberID(job), 1)
		lines, _, err := s.RunLogs(t.Context(), run, 0, 100)
		if err != nil || len(lines) != 5 {
			t.Fatalf("%d lines, %v", len(lines), err)
		}
		levels := make([]string, len(lines))
		for i, l := range lines {
			levels[i] = l.Level
		}
		if want := []string{"info", "info", "error", "warn", "error"}; !slices.Equal(levels, want) {
			t.Errorf("levels %v, want %v", levels, want)
		}
		if lines[0].Msg != "red\uFFFD alert" || lines[1].Msg != "20 %" || len(lines[2].Msg) > 17<<10 || !strings.HasSuffix(lines[2].Msg, "bytes in all]") {
			t.Errorf("%q, %q, %.50q of %d bytes", lines[0].Msg, lines[1].Msg, lines[2].Msg, len(lines[2].Msg))
		}
		// The newest lines are read from the end of a log: what begins before that is left out, unless there is nothing else.
		latest, err := s.LatestLogs(t.Context(), 10)
		if err != nil || len(latest) != 2 || latest[0].Level != "warn" || latest[1].Level != "error" {
			t.Errorf("the newest: %.300s, %v", fmt.Sprint(latest), err)
		}
	})
}

func TestNewestLineIsShownHoweverLong(t *testing.T) {
	eachSite(t, func(t *testing.T, site *site) {
		one := done("report", "completed", time.Now().Add(-time.Second))
		one.metadata = `{"river:log":[{"attempt":1,"log":"` + strings.Repeat("y", 20<<10) + `\n"}]}`
		site.insert(t, one)
		latest, err := site.begun(t, nil).LatestLogs(t.Context(), 10)
		if err != nil || len(latest) != 1 || !strings.HasPrefix(latest[0].Msg, "…yyy") || len(latest[0].Msg) > maxLatest+10 {
			t.Errorf("the newest: %.300s, %v", fmt.Sprint(latest), err)
		}
	})
}

// TestLeavesTheDatabaseAsItWas reads all there is by a role that may only read, and compares every table, index and row.
func TestLeavesTheDatabaseAsItWas(t *testing.T) {
	site := newSite(t, db.Postgres, 0)
	furnish(t, site, time.Now())
	site.insert(t, done("mail", "completed", time.Now().Add(-50*time.Hour)))
	before := site.contents(t)
	s := site.service(t, nil)
	var asked atomic.Int64
	s.foreign.Trace(func(query string, _ []driver.NamedValue) {
		asked.Add(1)
		if !strings.HasPrefix(query, "select ") && query != "set default_transaction_read_only = on" {
			t.Errorf("it is asked %q", query)
		}
	})
	defer s.foreign.Trace(nil)
	if err := s.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	filled(t, s)
	ctx := t.Context()
	_, err := s.Queues(ctx)
	_, err2 := s.Agents(ctx)
	_, err3 := s.Workers(ctx)
	_, err4 := s.Today(ctx)
	_, err5 := s.Failures(ctx, 10)
	_, err6 := s.LatestLogs(ctx, 10)
	_, err7 := s.List(ctx, engine.Filter{Text: "host"})
	if err := errors.Join(err, err2, err3, err4, err5, err6, err7); err != nil {
		t.Fatal(err)
	}
	if asked.Load() < 20 {
		t.Errorf("only %d statements were seen", asked.Load())
	}
	s.foreign.Trace(nil)
	if after := site.contents(t); after != before {
		t.Errorf("the database was\n%s\nand is\n%s", before, after)
	}
	if _, err := s.foreign.Write.ExecContext(ctx, `update river_job set priority = 2`); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("a write is refused with %v", err)
	}
}

// contents is a digest of the schema and of every row.
func (s *site) contents(t *testing.T) string {
	t.Helper()
	var lines []string
	for _, query := range []string{
		`select string_agg(concat_ws(' ', n.nspname, c.relname, c.relkind, pg_get_indexdef(c.oid)), '; ' order by n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')`,
		`select string_agg(concat_ws(' ', attrelid::regclass, attname, atttypid::regtype, attnotnull), '; ' order by attrelid, attnum) from pg_attribute where attrelid = 'app.river_job'::regclass`,
		`select string_agg(concat_ws(' ', p.proname, n.nspname), '; ' order by p.oid) from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = 'app'`,
		`select count(*) || ' jobs ' || md5(string_agg(j::text, '|' order by id)) from app.river_job j`,
		`select count(*) || ' queues ' || coalesce(md5(string_agg(j::text, '|' order by name)), '') from app.river_queue j`,
		`select count(*) || ' leaders ' from app.river_leader j`,
		`select count(*) || ' migrations ' || md5(string_agg(j::text, '|' order by version)) from app.river_migration j`,
	} {
		var line *string
		if err := s.pool.QueryRowContext(t.Context(), query).Scan(&line); err != nil {
			t.Fatal(err)
		}
		if line != nil {
			lines = append(lines, *line)
		}
	}
	return fmt.Sprintf("%x\n%s", sha256.Sum256([]byte(strings.Join(lines, "\n"))), strings.Join(lines[3:], "\n"))
}

// TestOldSchemas attaches to databases as River left them two years ago and since.
func TestOldSchemas(t *testing.T) {
	for version := oldestSchema; version <= newestSchema; version++ {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			site := newSite(t, db.Postgres, version)
			furnish(t, site, time.Now())
			s := site.begun(t, nil)
			filled(t, s)
			if found := s.Source(); found.SchemaVersion != version || len(found.Missing) != 0 || found.Schema != "app" {
				t.Errorf("found %+v", found)
			}
			agents, err := described(t.Context(), s)
			if err != nil || agents["mail"].LastDay.OK != 5 {
				t.Errorf("agents: %+v, %v", agents, err)
			}
			if _, err := firstOf(t, s.Queues); err != nil {
				t.Error(err)
			}
		})
	}
	for version := 1; version < oldestSchema; version++ {
		s := newSite(t, db.Postgres, version).service(t, nil)
		if err := s.begin(t.Context()); err == nil || !strings.Contains(err.Error(), "attach") {
			t.Errorf("version %d: %v", version, err)
		}
	}
}

func TestShowsWhatIsMissing(t *testing.T) {
	site := newSite(t, db.Postgres, 0)
	furnish(t, site, time.Now())
	site.exec(t, `drop index `+endedIndex)
	s := site.begun(t, nil)
	if found := s.Source(); len(found.Missing) != 1 || !strings.Contains(found.Missing[0], endedIndex) {
		t.Errorf("missing: %v", found.Missing)
	}
	if _, err := s.Failures(t.Context(), 5); err == nil || !strings.Contains(err.Error(), "create it") {
		t.Errorf("failures without their index: %v", err)
	}
	if _, err := firstOf(t, s.Queues); err != nil {
		t.Errorf("the queues need another index: %v", err)
	}
	empty := dbtest.EmptyPostgresURL(t)
	foreign, err := db.Attach(empty, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	none, err := New(Options{Foreign: foreign, Own: dbtest.New(t), Interval: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer none.Close()
	if err := none.begin(t.Context()); err == nil || !strings.Contains(err.Error(), "--attach-schema") {
		t.Errorf("a database without River: %v", err)
	}
}

func TestSumsAreOfOneSource(t *testing.T) {
	one, other := newSite(t, db.SQLite, 0), newSite(t, db.Postgres, 0)
	own := dbtest.New(t)
	one.begun(t, own)
	one.begun(t, own)
	if err := other.service(t, own).begin(t.Context()); !errors.Is(err, rollup.ErrOtherSource) {
		t.Errorf("another source's sums are taken: %v", err)
	}
}

func TestActions(t *testing.T) {
	eachSite(t, func(t *testing.T, site *site) {
		ctx, now := t.Context(), time.Now()
		running, discarded := furnish(t, site, now)
		site.exec(t, `insert into river_queue (name, updated_at) values ('default', `+map[db.Kind]string{db.SQLite: `current_timestamp`, db.Postgres: `now()`}[site.kind]+`)`)
		s := site.begun(t, nil)
		a, err := NewActions(s, site.admin, site.schema, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		if j, err := a.Retry(ctx, engine.NumberID(discarded)); err != nil || j.State != "available" {
			t.Errorf("retry: %+v, %v", j, err)
		}
		if j, err := a.Cancel(ctx, engine.NumberID(discarded)); err != nil || j.State != "cancelled" {
			t.Errorf("cancel: %+v, %v", j, err)
		}
		if err := a.Delete(ctx, engine.NumberID(running)); !errors.Is(err, engine.ErrConflict) {
			t.Errorf("delete what runs: %v", err)
		}
		if err := a.Delete(ctx, engine.NumberID(discarded)); err != nil {
			t.Errorf("delete: %v", err)
		}
		if _, err := a.Retry(ctx, engine.NumberID(discarded)); !errors.Is(err, engine.ErrNotFound) {
			t.Errorf("retry what is gone: %v", err)
		}
		if err := a.PauseQueue(ctx, "default"); err != nil {
			t.Errorf("pause: %v", err)
		}
		queues, err := firstOf(t, s.Queues)
		if err != nil || queues[0].PausedAt == nil {
			t.Errorf("the paused queue: %+v, %v", queues, err)
		}
		if err := errors.Join(a.ResumeQueue(ctx, "default")); err != nil {
			t.Errorf("resume: %v", err)
		}
		if err := a.PauseQueue(ctx, "nowhere"); !errors.Is(err, engine.ErrNotFound) {
			t.Errorf("pause what is not there: %v", err)
		}
	})
}

type mailArgs struct{ To string }

func (mailArgs) Kind() string { return "mail" }

type mailWorker struct {
	river.WorkerDefaults[mailArgs]
}

func (*mailWorker) Work(_ context.Context, j *river.Job[mailArgs]) error {
	if j.Args.To == "nobody" {
		return river.JobCancel(errors.New("nobody reads it"))
	}
	return nil
}

// TestBesideARealClient looks on while River's own client works.
func TestBesideARealClient(t *testing.T) {
	site := newSite(t, db.Postgres, 0)
	workers := river.NewWorkers()
	river.AddWorker(workers, &mailWorker{})
	client, err := river.NewClient(riverpgxv5.New(site.pgx), &river.Config{
		Schema: site.schema, ID: clientA, Workers: workers, Queues: map[string]river.QueueConfig{"default": {MaxWorkers: 5}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := client.Start(ctx); err != nil {
		t.Fatal(err)
	}
	s := site.service(t, nil)
	s.interval = 50 * time.Millisecond
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	for i := range 40 {
		args := mailArgs{To: fmt.Sprint(i)}
		if i%10 == 0 {
			args.To = "nobody"
		}
		if _, err := client.Insert(ctx, args, nil); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.After(20 * time.Second)
	for {
		_, day, err := s.Windows(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if day.OK == 36 && *day.Cancelled == 4 && day.Failed == 0 {
			break
		}
		select {
		case <-deadline:
			t.Fatalf("the day has %d ok, %d cancelled, %d failed", day.OK, *day.Cancelled, day.Failed)
		case <-time.After(20 * time.Millisecond):
		}
	}
	if w, err := s.Workers(ctx); err != nil || len(w) != 1 || w[0].ID != clientA || *w[0].Done != 40 {
		t.Errorf("workers: %+v, %v", w, err)
	}
	stopped, end := context.WithTimeout(context.Background(), 10*time.Second)
	defer end()
	if err := client.Stop(stopped); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
