package ends

import (
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(dbtest.Main(m)) }

// completed inserts a job that ended.
func completed(t *testing.T, d *db.DB, queue string, at time.Time) {
	t.Helper()
	json := map[db.Kind]string{db.SQLite: `jsonb('{}')`, db.Postgres: `'{}'`}[d.Kind]
	_, err := d.Write.ExecContext(t.Context(), `insert into river_job (kind, queue, state, attempt, max_attempts, created_at, scheduled_at, attempted_at, finalized_at, metadata, args)
		values ('mail', $1, 'completed', 1, 25, $2, $2, $2, $2, `+json+`, `+json+`)`, queue, d.Stamp(at))
	if err != nil {
		t.Fatal(err)
	}
}

// read reads on, and returns what the batch has.
func read(t *testing.T, r *Reader, cursor *engine.Cursor, now time.Time) (ok int64, gaps []engine.Gap) {
	t.Helper()
	last, err := placeOf(*cursor)
	if err != nil {
		t.Fatal(err)
	}
	_, batch, err := r.read(t.Context(), last, now)
	if err != nil {
		t.Fatal(err)
	}
	*cursor = batch.Next
	for _, ended := range batch.Ended {
		ok += ended.OK
	}
	return ok, batch.Gaps
}

func TestWhatBecomesVisibleLateIsReportedOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		r, now, cursor := NewReader(d, nil), time.Now().Truncate(time.Second), engine.Cursor("")
		completed(t, d, "mail", now.Add(-time.Second)) // before anybody followed
		if ok, gaps := read(t, r, &cursor, now); ok != 0 || gaps != nil {
			t.Fatalf("%d at the beginning, %+v", ok, gaps)
		}
		completed(t, d, "mail", now.Add(-2*time.Second)) // its transaction took long
		completed(t, d, "mail", now.Add(time.Second))
		completed(t, d, "other", now.Add(30*time.Second)) // by a clock that is ahead
		for i, want := range []int64{3, 0, 0, 0, 1, 0} {
			now = now.Add(pace)
			if i == 4 {
				completed(t, d, "mail", now.Add(-again+time.Second))
			}
			if ok, gaps := read(t, r, &cursor, now); ok != want || gaps != nil {
				t.Errorf("reading %d: %d, want %d, %+v", i, ok, want, gaps)
			}
		}
	})
}

func TestWhatMayHaveBeenMissedIsAGap(t *testing.T) {
	d := dbtest.New(t)
	r, now, cursor := NewReader(d, nil), time.Now().Truncate(time.Second), engine.Cursor("")
	read(t, r, &cursor, now)
	completed(t, d, "mail", now.Add(time.Second))
	if ok, gaps := read(t, r, &cursor, now.Add(pace)); ok != 1 || gaps != nil {
		t.Fatalf("%d, %+v", ok, gaps)
	}
	if _, err := d.Write.ExecContext(t.Context(), `delete from river_job`); err != nil {
		t.Fatal(err)
	}
	if ok, gaps := read(t, r, &cursor, now.Add(2*pace)); ok != 0 || len(gaps) != 1 || gaps[0].Queue != "mail" || gaps[0].Missed.Value() != nil || gaps[0].Cause == "" {
		t.Errorf("after the job was deleted: %d, %+v", ok, gaps)
	}
	later := now.Add(26 * time.Hour)
	completed(t, d, "mail", now.Add(90*time.Minute))
	completed(t, d, "mail", later.Add(-time.Minute))
	sum, parts, lost := int64(0), 0, 0
	for last := now; later.Sub(last) > pace; parts++ {
		ok, gaps := read(t, r, &cursor, later)
		place, _ := placeOf(cursor)
		sum, lost, last = sum+ok, lost+len(gaps), place.To
	}
	if sum != 2 || parts < 26 || parts > 28 || lost == 0 {
		t.Errorf("%d ended in 26 h, read in %d parts with %d gaps", sum, parts, lost)
	}
}

func TestOnlyAPlaceOfItsOwnIsACursor(t *testing.T) {
	for _, cursor := range []engine.Cursor{"!", "e30", "bm8", "eyJ0IjoiMjAyNi0wMS0wMlQwMDowMDowMFoifQ"} {
		if _, err := placeOf(cursor); !errors.Is(err, engine.ErrCursor) {
			t.Errorf("%s: %v", cursor, err)
		}
	}
}
