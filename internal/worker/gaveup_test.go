package worker

import (
	"errors"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/rollup"
)

// insertFailed writes a failed attempt of a job.
func insertFailed(t *testing.T, s *Service, job engine.ID, agent, fingerprint string, at time.Time) {
	t.Helper()
	exec1(t, s, `insert into run (job_id, attempt, max_attempts, agent, queue, worker, outcome, scheduled_ms, started_ms, ended_ms, wait_ms, fingerprint, error, rolled)
		values ($1, 1, 3, $2, $2, 'w', 'failed', $3, $3, $3, 0, $4, $4, 1)`, job, agent, at.UnixMilli(), fingerprint)
}

func insertDiscarded(t *testing.T, s *Service, agent string, at time.Time) engine.ID {
	t.Helper()
	exec1(t, s, `insert into river_job (kind, queue, args, max_attempts, attempt, created_at, state, finalized_at)
		values ($1, $1, '{}', 1, 1, $2, 'discarded', $2)`, agent, s.db.Stamp(at))
	return one[engine.ID](t, s, `select max(id) from river_job`)
}

// A job that gave up stays in sight, however much else fails and heals itself, and however many failures are of one kind.
func TestWhatGaveUpStaysAboveWhatHealsItself(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newService(t, database, "", fleetOf(t, agents(sh("noisy", "true"), sh("quiet", "true"), sh("other", "true"))))
		now := time.Now()
		for i := range 2 {
			at := now.Add(-time.Hour - time.Duration(i)*time.Minute)
			insertFailed(t, s, insertDiscarded(t, s, "quiet", at), "quiet", "fatal", at)
		}
		insertFailed(t, s, insertDiscarded(t, s, "quiet", now.Add(-25*time.Hour)), "quiet", "yesterday", now.Add(-25*time.Hour))
		insertFailed(t, s, "900", "other", "rare", now.Add(-30*time.Minute))
		for i := range 60 {
			insertFailed(t, s, engine.NumberID(1000+int64(i)), "noisy", "again", now.Add(-time.Duration(i)*time.Second))
		}
		found, err := s.Failures(t.Context(), 3)
		if err != nil || len(found) != 3 {
			t.Fatalf("%+v, %v", found, err)
		}
		for i, want := range []struct {
			fingerprint     string
			gaveUp, similar int
		}{{"fatal", 2, 2}, {"again", 0, 60}, {"rare", 0, 1}} {
			if got := found[i]; got.Fingerprint != want.fingerprint || got.GaveUp != want.gaveUp || got.Similar24h != want.similar {
				t.Errorf("%d is %+v, want %+v", i, got, want)
			}
			if i > 0 && found[i-1].Order >= found[i].Order {
				t.Errorf("the order of %d is %d after %d", i, found[i].Order, found[i-1].Order)
			}
		}
	})
}

// Jobs are counted apart from attempts, and the list that a number leads to has exactly those jobs.
func TestJobsThatGaveUpAreCountedAndListed(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newService(t, database, "", fleetOf(t, agents(sh("quiet", "true"))))
		now := time.Now()
		for _, ago := range []time.Duration{50 * time.Hour, 61 * time.Minute, 59 * time.Minute, time.Minute} {
			job := insertDiscarded(t, s, "quiet", now.Add(-ago))
			for range 3 {
				insertFailed(t, s, job, "quiet", "fatal", now.Add(-ago))
			}
		}
		today, err := s.Today(t.Context())
		if err != nil || today.Recently == nil || *today.Recently != 2 {
			t.Fatalf("%+v, %v", today, err)
		}
		since := now.Add(-engine.GaveUpRecently)
		page, err := s.List(t.Context(), engine.Filter{States: []engine.State{"discarded"}, EndedSince: &since})
		if err != nil || len(page.Jobs) != 2 || page.Next != nil {
			t.Errorf("since an hour: %+v, %v", page, err)
		}
		page, err = s.List(t.Context(), engine.Filter{States: []engine.State{"discarded"}, EndedUntil: &since, Limit: 1})
		if err != nil || len(page.Jobs) != 1 || page.Next == nil {
			t.Fatalf("until then: %+v, %v", page, err)
		}
		page, err = s.List(t.Context(), engine.Filter{States: []engine.State{"discarded"}, EndedUntil: &since, Limit: 1, Cursor: *page.Next})
		if err != nil || len(page.Jobs) != 1 || page.Next != nil {
			t.Errorf("the page after: %+v, %v", page, err)
		}
		if _, err := s.List(t.Context(), engine.Filter{States: []engine.State{"discarded", "running"}, EndedSince: &since}); err == nil {
			t.Error("jobs that run are looked for by their end")
		}
	})
}

func TestWhatIsBeforeTheFirstStartIsNotRecorded(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newService(t, database, "", fleetOf(t, agents(sh("aa", "true"))))
		now := time.Now()
		exec1(t, s, `update river_migration set created_at = $1`, s.db.Stamp(now.Add(-2*time.Minute))) // the database of the tests is older
		var sums rollup.Minutes
		sums.Add(rollup.Ended{Agent: "aa", Queue: "aa", At: now, OK: 12})
		err := s.db.InTx(t.Context(), func(tx *db.Tx) error {
			minute := now.Truncate(time.Minute)
			return errors.Join(s.Replace(t.Context(), tx, minute, minute.Add(time.Minute), &sums), s.AddHours(t.Context(), tx, &sums))
		})
		if err != nil {
			t.Fatal(err)
		}
		series, err := s.Throughput(t.Context(), 15*time.Minute, 96)
		if err != nil {
			t.Fatal(err)
		}
		if series.OK[0] != engine.NotRecorded || series.Failed[90] != engine.NotRecorded || series.OK[95] == engine.NotRecorded {
			t.Errorf("the day is %v", series.OK)
		}
		hour, day, err := s.Windows(t.Context())
		if err != nil || hour.PerMinute < 4 || day.PerMinute < 4 || day.RecordedS > 180 {
			t.Errorf("12 attempts within the first minutes are %v and %v a minute, of %d s: %v", hour.PerMinute, day.PerMinute, day.RecordedS, err)
		}
		a := &engine.AgentStats{}
		err = s.DescribeAgents(t.Context(), map[string]*engine.AgentStats{"aa": a})
		if err != nil || a.SparkOK[0] != engine.NotRecorded || a.SparkOK[29] == engine.NotRecorded {
			t.Errorf("the agent's hour is %v, %v", a.SparkOK, err)
		}
		// What was recorded for long is zero where nothing happened.
		exec1(t, s, `update river_migration set created_at = $1`, s.db.Stamp(now.Add(-48*time.Hour)))
		series, err = s.Throughput(t.Context(), 15*time.Minute, 96)
		if err != nil || series.OK[0] != 0 || series.OK[95]+series.OK[94] != 12 {
			t.Errorf("the day is %v, %v", series.OK, err)
		}
	})
}
