package runlog

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/runner"
)

// runOfTests is a run that goes on, with the id 1.
func runOfTests(t testing.TB, s *fixture, limits logLimits) {
	exec1(t, s, `insert into run (id, job_id, attempt, max_attempts, agent, queue, worker, outcome, scheduled_ms, started_ms, wait_ms)
		values (1, 1, 1, 1, 'agent0', 'agent0', 'w', 'running', 1, 1, 0)`)
	s.logs.limits = limits
	s.logs.Open(1, 1, "agent0")
}

// Who follows a log sees every line once, and who comes late one gap.
func TestFollowersSeeAllLines(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newFixture(t, database, 0, 0)
		runOfTests(t, s, logLimits{headLines: 10, headBytes: 1 << 20, lines: 1_000, bytes: 1 << 20, waiting: 1 << 20})
		said, seen, after := 0, 0, int64(0)
		for range 30 {
			for range 190 {
				said++
				s.logs.Add(1, runner.Line{At: time.Now(), Level: "info", Msg: fmt.Sprint(said), HasMsg: true})
			}
			for more := true; more; {
				if err := s.logs.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				s.logs.mu.Lock()
				more = s.logs.runs[1].hasNews()
				s.logs.mu.Unlock()
			}
			lines, _, err := s.RunLogs(t.Context(), "1", after, 5_000)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range lines {
				if l.Gap == nil {
					var n int
					fmt.Sscan(l.Msg, &n)
					if n != seen+1 {
						t.Fatalf("%d follows %d", n, seen)
					}
					seen = n
				}
				after = l.ID
			}
		}
		if seen != said {
			t.Errorf("seen %d of %d", seen, said)
		}
		late, _, err := s.RunLogs(t.Context(), "1", 0, 5_000)
		if err != nil || len(late) > 1_001 || len(late) < 850 || late[9].Msg != "10" || late[10].Gap == nil ||
			*late[10].Gap.Lines != int64(said-len(late)+1) || late[len(late)-1].Msg != fmt.Sprint(said) {
			t.Errorf("%d lines, gap %+v, %v", len(late), late[10], err)
		}
		if n := one[int](t, s, `select count(*) from run_log where left_lines is not null`); n != 1 {
			t.Errorf("%d gaps", n)
		}
	})
}

// However far the writer is behind, and whatever fails, what can be read at any moment is one log: the beginning in order, at most one
// gap behind the whole of it that accounts for each line left out, then the end in order.
func TestTheGapOfALogFollowsItsWholeBeginning(t *testing.T) {
	limits := logLimits{headLines: 2_500, headBytes: 1 << 20, lines: 4_000, bytes: 2 << 20, waiting: 32 << 20}
	for name, test := range map[string]struct {
		width  int // bytes of a line
		failed int // lines said before a write that fails
		behind int // lines said before the first write
		during int // lines said while it is under way
		after  int // lines said after it
	}{
		"too many lines before the first write": {width: 10, behind: 6_000},
		"too many bytes before the first write": {width: 2_000, behind: 3_000},
		"too much during the first write":       {width: 10, behind: 1_500, during: 6_000},
		"too much before it and during it":      {width: 10, behind: 4_500, during: 3_000, after: 3_000},
		"too much of both in wide lines":        {width: 2_000, behind: 1_200, during: 1_200, after: 1_200},
		"too much before a write that fails":    {width: 10, failed: 4_500, behind: 10, during: 2_000, after: 10},
		"too much after a write that fails":     {width: 10, failed: 1_500, behind: 6_000, after: 200},
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, database *db.DB) {
				s := newFixture(t, database, 0, 0)
				runOfTests(t, s, limits)
				said := 0
				say := func(lines int) {
					for range lines {
						said++
						s.logs.Add(1, runner.Line{At: time.Now(), Level: "info", Msg: fmt.Sprintf("%0*d", test.width, said), HasMsg: true})
					}
				}
				news := func() bool {
					s.logs.mu.Lock()
					defer s.logs.mu.Unlock()
					return s.logs.runs[1].hasNews()
				}
				flush := func() {
					if err := s.logs.Flush(t.Context()); err != nil {
						t.Fatal(err)
					}
					inOrder(t, s, said, !news())
				}
				if test.failed > 0 {
					say(test.failed)
					gone, cancel := context.WithCancel(t.Context())
					cancel()
					if err := s.logs.Flush(gone); err == nil {
						t.Fatal("it wrote without a database")
					}
				}
				say(test.behind)
				slow(t, s, func() { say(test.during) })
				inOrder(t, s, said, !news())
				say(test.after)
				for news() {
					flush()
				}
				if n := one[int](t, s, `select count(*) from run_log where left_lines is not null`); n != 1 {
					t.Errorf("%d gaps", n)
				}
			})
		})
	}
}

// slow is a flush that has to wait for the row of the run until something was done.
func slow(t testing.TB, s *fixture, meanwhile func()) {
	t.Helper()
	flushed := make(chan error, 1)
	err := s.db.InTx(t.Context(), func(tx *db.Tx) error {
		if _, err := tx.ExecContext(t.Context(), `update run set progress = null where id = 1`); err != nil {
			return err
		}
		go func() { flushed <- s.logs.Flush(t.Context()) }()
		until(t, "the write is under way", func() bool {
			s.logs.mu.Lock()
			defer s.logs.mu.Unlock()
			return s.logs.runs[1].underWay != nil
		})
		meanwhile()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-flushed; err != nil {
		t.Fatal(err)
	}
}

// inOrder checks the log of run 1, whose lines are numbers from 1; with all, the last one said must be there.
func inOrder(t testing.TB, s *fixture, said int, all bool) {
	t.Helper()
	var lines []engine.LogLine
	for after, more := int64(0), true; more; {
		next, _, err := s.RunLogs(t.Context(), "1", after, 5_000)
		if err != nil {
			t.Fatal(err)
		}
		if more = len(next) > 0; more {
			lines, after = append(lines, next...), next[len(next)-1].ID
		}
	}
	gaps, last := 0, 0
	for _, l := range lines {
		if l.Gap != nil {
			gaps++
			if limits := s.logs.limits; last < limits.headLines && last*(len(lines[0].Msg)+lineCost) < limits.headBytes {
				t.Fatalf("the gap follows line %d", last)
			}
			last += int(*l.Gap.Lines)
			continue
		}
		n := 0
		if _, err := fmt.Sscanf(l.Msg, "%d", &n); err != nil || n != last+1 {
			t.Fatalf("line %d follows %d, %v", n, last, err)
		}
		last = n
	}
	if gaps > 1 || all && last != said {
		t.Fatalf("%d lines to %d of %d with %d gaps", len(lines), last, said, gaps)
	}
}

// While the database can be written agents wait for room; while it cannot, they go on, and what is missing is reported.
func TestLinesWaitForTheDatabase(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		s := newFixture(t, d.DB, 0, 0)
		runOfTests(t, s, logLimits{headLines: 10, headBytes: 1 << 20, lines: 1_000, bytes: 1 << 20, waiting: 50 * (lineCost + 10)})
		say := func(from, to int) <-chan struct{} {
			done := make(chan struct{})
			go func() {
				defer close(done)
				for n := from; n <= to; n++ {
					s.logs.Add(1, runner.Line{At: time.Now(), Level: "info", Msg: fmt.Sprintf("line %05d", n), HasMsg: true})
				}
			}()
			return done
		}
		flush := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			return s.logs.Flush(ctx)
		}
		said := say(1, 200)
		for waits := true; waits; {
			select {
			case <-said:
				waits = false
			default:
				if err := flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := flush(); err != nil {
			t.Fatal(err)
		}
		if lines, _, err := s.RunLogs(t.Context(), "1", 0, 5_000); err != nil || len(lines) != 200 {
			t.Fatalf("%d of 200 lines, %v", len(lines), err)
		}
		d.Break()
		<-say(201, 220)
		if err := flush(); err == nil {
			t.Fatal("it wrote into a broken database")
		}
		<-say(221, 500) // nobody waits for a database that cannot be written
		d.Mend()
		until(t, "the lines are written", func() bool { return flush() == nil && s.logs.waiting == 0 })
		var lines []engine.LogLine
		until(t, "the lines can be read", func() bool {
			var err error
			lines, _, err = s.RunLogs(t.Context(), "1", 0, 5_000)
			return err == nil
		})
		if len(lines) < 50 || lines[9].Msg != "line 00010" || lines[10].Gap == nil || lines[len(lines)-1].Msg != "line 00500" ||
			int(*lines[10].Gap.Lines) != 500-len(lines)+1 || !strings.Contains(lines[10].Msg, "could not be written") {
			t.Errorf("%d lines, %+v", len(lines), lines)
		}
	})
}

// Whoever loses the connection during a commit cannot know whether it was done. What is then written again is there once: lines, with
// the ids that followers have seen, usage, and gaps.
func TestALogIsWrittenOnceThoughAnswersAreLost(t *testing.T) {
	limits := logLimits{headLines: 10, headBytes: 1 << 20, lines: 100, bytes: 1 << 20, waiting: 1 << 20}
	for name, test := range map[string]struct {
		before int           // lines written before
		said   int           // lines of the write whose answer is lost
		lost   int           // how many answers in a row are lost
		lasts  time.Duration // the commit
		after  int           // lines said while it is unconfirmed
		full   bool          // there is no room for lines that wait
		ends   bool          // the next write is that of the end of the run
	}{
		"the beginning":               {said: 5, lost: 1, after: 3},
		"beginning and end":           {before: 3, said: 30, lost: 1, after: 3},
		"again and again":             {before: 3, said: 30, lost: 3, after: 3},
		"while it is committed":       {before: 3, said: 10, lost: 1, lasts: 200 * time.Millisecond, after: 3},
		"nothing follows":             {said: 30, lost: 1},
		"too much follows":            {said: 50, lost: 1, after: 200},
		"too much is written":         {before: 30, said: 200, lost: 1, after: 30},
		"too much, and then too much": {before: 90, said: 90, lost: 2, after: 190},
		"before the end":              {before: 30, said: 30, lost: 1, after: 5, ends: true},
		"too much before the end":     {before: 30, said: 90, lost: 1, after: 90, ends: true},
		"committed at the end":        {said: 10, lost: 1, lasts: 200 * time.Millisecond, after: 5, ends: true},
		"no room":                     {before: 30, said: 30, lost: 1, after: 50, full: true},
		"no room at the end":          {before: 30, said: 30, lost: 1, after: 50, full: true, ends: true},
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
				s := newFixture(t, d.DB, 0, 0)
				runOfTests(t, s, limits)
				said := 0
				say := func(lines int) {
					for range lines {
						said++
						s.logs.Add(1, runner.Line{
							At: time.Now(), Level: "info", Msg: fmt.Sprintf("%04d", said), HasMsg: true,
							Usage: &runner.Usage{InputTokens: 1, OutputTokens: 2, CostUSD: 0.5},
						})
					}
				}
				say(test.before)
				if err := s.logs.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				say(test.said)
				d.LoseCommits("run", test.lost, test.lasts)
				for first := true; first || d.ToLose() > 0; first = false {
					if err := s.logs.Flush(t.Context()); (err == nil) == (d.Kind == db.Postgres) {
						t.Fatalf("the answer to a commit: %v", err)
					}
				}
				seen, _, err := s.RunLogs(t.Context(), "1", 0, 5_000)
				if err != nil {
					t.Fatal(err)
				}
				if test.full && s.logs.failing { // else they would wait for room
					s.logs.limits.waiting = 1
				}
				say(test.after)
				if test.ends {
					rest := s.logs.Close(1)
					err := s.db.InTx(t.Context(), func(tx *db.Tx) error { _, err := rest.Write(t.Context(), tx); return err })
					if err != nil {
						t.Fatal(err)
					}
				} else {
					for range 5 {
						if err := s.logs.Flush(t.Context()); err != nil {
							t.Fatal(err)
						}
					}
				}
				inOrder(t, s, said, true)
				for _, l := range seen {
					if n := one[int](t, s, `select count(*) from run_log where id <> $1 and msg = $2`, l.ID, l.Msg); n != 0 && l.Gap == nil {
						t.Errorf("line %q is there with another id", l.Msg)
					}
				}
				if n := one[int](t, s, `select count(*) from run_log`); n > limits.lines+1 {
					t.Errorf("%d lines", n)
				}
				var used runner.Usage
				err = s.db.Read.QueryRowContext(t.Context(), `select input_tokens, output_tokens, cost_usd from run where id = 1`).
					Scan(&used.InputTokens, &used.OutputTokens, &used.CostUSD)
				if want := (runner.Usage{InputTokens: int64(said), OutputTokens: 2 * int64(said), CostUSD: float64(said) / 2}); err != nil || used != want {
					t.Errorf("usage %+v of %+v, %v", used, want, err)
				}
				if s.logs.waiting != 0 {
					t.Errorf("%d bytes still wait", s.logs.waiting)
				}
			})
		})
	}
}

// A log whose beginning found no room begins with the gap: nothing was removed before it. Once the gap is deleted for its age, something was.
func TestALogThatBeginsWithItsGap(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newFixture(t, database, 0, 0)
		runOfTests(t, s, logLimits{headLines: 10, headBytes: 1 << 20, lines: 100, bytes: 1 << 20, waiting: 1})
		s.logs.Open(2, 2, "other")
		said := 0
		say := func(run int64, lines int) {
			for n := range lines {
				s.logs.Add(run, runner.Line{At: time.Now(), Level: "info", Msg: fmt.Sprint(said + n + 1), HasMsg: true})
			}
		}
		say(2, 1)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.logs.Flush(gone); err == nil {
			t.Fatal("it wrote without a database")
		}
		s.logs.Close(2)
		s.logs.waiting = 1
		say(1, 50) // there is no room for any of these
		said += 50
		s.logs.limits.waiting = 1 << 20
		for _, lines := range []int{30, 90, 90} { // the gap grows, and moves behind lines that were written
			say(1, lines)
			said += lines
			for range 3 {
				if err := s.logs.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			log, _, err := s.RunLogs(t.Context(), "1", 0, 5_000)
			if err != nil || log[0].Gap == nil || log[0].Gap.Lines == nil || log[1].Gap != nil || int(*log[0].Gap.Lines)+len(log)-1 != said {
				t.Fatalf("%d lines of %d, first %+v and %+v, %v", len(log), said, log[0], log[1], err)
			}
		}
		exec1(t, s, `delete from run_log where run_id <> 1 or left_lines is not null`)
		log, _, err := s.RunLogs(t.Context(), "1", 0, 5_000)
		if err != nil || log[0].Gap == nil || log[0].Gap.Lines != nil || log[1].Gap != nil {
			t.Errorf("the first of %d lines %+v, %v", len(log), log[0], err)
		}
	})
}
