package observe

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/rollup"
)

// TestMain checks that nothing is left behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(dbtest.Main(m)) }

// script is an engine whose batches a test sends. A cursor is the number of the batch before.
type script struct {
	engine.Engine
	info    engine.Info
	batches chan engine.Batch

	mu       sync.Mutex
	snapshot engine.Snapshot
	err      error
	taken    int // snapshots
	after    []engine.Cursor
}

func newScript() *script {
	return &script{info: engine.Info{Engine: "script", Where: "script://here"}, batches: make(chan engine.Batch)}
}

func (s *script) Probe(context.Context) (engine.Info, error) { return s.info, nil }
func (s *script) Close()                                     {}

func (s *script) Snapshot(context.Context, engine.Budget) (engine.Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken++
	found := s.snapshot
	found.At = time.Now()
	return found, s.err
}

func (s *script) set(snapshot engine.Snapshot, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.snapshot, s.err = snapshot, err
}

func (s *script) Follow(ctx context.Context, after engine.Cursor, take func(engine.Batch) error) error {
	s.mu.Lock()
	s.after = append(s.after, after)
	s.mu.Unlock()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case b := <-s.batches:
			if err := take(b); err != nil {
				return err
			}
		}
	}
}

// site is a service on a script.
type site struct {
	*Service
	script *script
	events chan engine.Event
}

func newSite(t *testing.T, own *db.DB, lead func() bool) *site {
	t.Helper()
	at := &site{script: newScript(), events: make(chan engine.Event, 100)}
	service, err := New(Options{
		Open: func(context.Context) (engine.Engine, error) { return at.script, nil }, About: at.script.info, Own: own,
		Interval: 20 * time.Millisecond, OnEvent: func(e engine.Event) { at.events <- e }, Lead: lead,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(service.Close)
	at.Service = service
	return at
}

// run follows until the test ends, or stop is called.
func (at *site) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := at.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return stop
}

// offer gives the follower a batch.
func (at *site) offer(t *testing.T, b engine.Batch) {
	t.Helper()
	select {
	case at.script.batches <- b:
	case <-time.After(time.Minute):
		t.Fatal("nobody follows")
	}
}

// send gives the follower a batch in which something ended, and waits until it is stored.
func (at *site) send(t *testing.T, b engine.Batch) {
	t.Helper()
	at.offer(t, b)
	select {
	case <-at.events:
	case <-time.After(time.Minute):
		t.Fatalf("the batch was not stored: %v", at.Trouble())
	}
}

// recently is some minutes ago: what ends a moment later is not in a minute that has not begun.
func recently() time.Time { return time.Now().Add(-2 * time.Minute) }

func batch(n int, from, to time.Time, ended ...engine.Ended) engine.Batch {
	return engine.Batch{From: from, To: to, Ended: ended, Next: engine.Cursor(strconv.Itoa(n))}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// answered asks until the answer is as it should be: a busy machine may take longer for one than somebody waits.
func answered[T any](t *testing.T, ask func(context.Context) (T, error), enough func(error) bool) T {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(time.Minute); ; {
		value, err := ask(t.Context())
		if enough(err) {
			return value
		}
		select {
		case <-tick.C:
		case <-end:
			t.Errorf("the answer is %v, %v", value, err)
			return value
		}
	}
}

func well(err error) bool { return err == nil }

func (at *site) windows(t *testing.T) (hour, day engine.Window) {
	t.Helper()
	hour, day, err := at.Windows(t.Context())
	must(t, err)
	return hour, day
}

// What ended is in the sums once, though the server is stopped and starts again.
func TestBatchesAreCountedOnce(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, own *db.DB) {
		at := newSite(t, own, nil)
		stop := at.run(t)
		now := recently()
		at.offer(t, batch(1, now, now))
		at.send(t, batch(2, now, now.Add(time.Second), engine.Ended{Queue: "alpha", OK: 3, Failed: 1}))
		at.send(t, batch(3, now, now.Add(time.Second), engine.Ended{Queue: "beta", OK: 4}))
		stop()

		again := newSite(t, own, nil)
		again.run(t)
		again.send(t, batch(4, now.Add(time.Second), now.Add(2*time.Second), engine.Ended{Queue: "alpha", OK: 1}))
		again.script.mu.Lock()
		if after := again.script.after; len(after) == 0 || after[len(after)-1] != "3" {
			t.Errorf("it goes on after %q, want 3", after)
		}
		again.script.mu.Unlock()
		hour, _ := again.windows(t)
		if hour.OK != 8 || hour.Failed != 1 || hour.Runs != 9 || *hour.SuccessRate != 88.89 || hour.Cancelled != nil || hour.Usage != nil || hour.Run.P50MS != nil {
			t.Errorf("the hour is %+v", hour)
		}
	})
}

// Two processes that both take themselves for the leader count nothing twice: the second one to store a batch goes on after the first.
func TestTwoFollowersCountNothingTwice(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, own *db.DB) {
		one, other := newSite(t, own, nil), newSite(t, own, nil)
		one.run(t)
		now := recently()
		one.send(t, batch(1, now, now, engine.Ended{Queue: "alpha"}))
		other.run(t)
		other.send(t, batch(2, now, now.Add(time.Second), engine.Ended{Queue: "alpha", OK: 5}))
		one.offer(t, batch(2, now, now.Add(time.Second), engine.Ended{Queue: "alpha", OK: 5}))
		one.send(t, batch(3, now.Add(time.Second), now.Add(2*time.Second), engine.Ended{Queue: "alpha", OK: 1})) // taken by the next following
		one.script.mu.Lock()
		defer one.script.mu.Unlock()
		if after := one.script.after; after[len(after)-1] != "2" {
			t.Errorf("the one that was overtaken goes on after %q, want 2", after)
		}
		if hour, _ := one.windows(t); hour.OK != 6 {
			t.Errorf("%d attempts are counted, want 6", hour.OK)
		}
	})
}

func TestOnlyTheLeaderFollows(t *testing.T) {
	var mu sync.Mutex
	leads := false
	at := newSite(t, dbtest.New(t), func() bool { mu.Lock(); defer mu.Unlock(); return leads })
	at.run(t)
	select {
	case at.script.batches <- batch(1, time.Now(), time.Now()):
		t.Fatal("it follows, though another process leads")
	case <-time.After(100 * time.Millisecond):
	}
	mu.Lock()
	leads = true
	mu.Unlock()
	at.send(t, batch(1, time.Now(), time.Now(), engine.Ended{Queue: "alpha"}))
	mu.Lock()
	leads = false
	mu.Unlock()
	at.offer(t, batch(2, time.Now(), time.Now(), engine.Ended{Queue: "alpha", OK: 1}))
	if hour, _ := at.windows(t); hour.OK != 0 {
		t.Errorf("it counts what is another's to count: %+v", hour)
	}
}

// Of a long time when nobody followed the sums are known, and not when in it what happened.
func TestALongBatchIsAGap(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, own *db.DB) {
		at := newSite(t, own, nil)
		at.run(t)
		now := recently()
		began := now.Add(-50 * time.Minute)
		at.send(t, batch(1, began, began, engine.Ended{Queue: "alpha"}))
		at.send(t, batch(2, began, began.Add(time.Second), engine.Ended{Queue: "alpha", OK: 2}))
		at.send(t, batch(3, began.Add(time.Second), now.Add(-10*time.Minute), engine.Ended{Queue: "alpha", OK: 100, Failed: 50}, engine.Ended{Queue: "beta", OK: 1}))
		at.send(t, batch(4, now.Add(-10*time.Minute), now, engine.Ended{Queue: "alpha", OK: 7}))
		hour, day := at.windows(t)
		for _, w := range []engine.Window{hour, day} {
			if w.OK != 110 || w.Failed != 50 || w.Why != "" || w.RecordedS > 3200 {
				t.Errorf("the window is %+v", w)
			}
		}
		series, err := at.Throughput(t.Context(), time.Minute, 60)
		must(t, err)
		var counted, unknown int64
		for _, n := range series.OK {
			if n == engine.NotRecorded {
				unknown++
			} else {
				counted += n
			}
		}
		if counted != 2 || unknown < 50 || series.Cancelled != nil || series.P95MS != nil {
			t.Errorf("%d are counted in buckets, %d buckets are not recorded: %v", counted, unknown, series.OK)
		}
		queues, err := at.sumByQueue(t.Context())
		must(t, err)
		if want := (rollup.EndedOf{OK: 109, Failed: 50}); queues["alpha"] != want {
			t.Errorf("queue alpha has %+v, want %+v", queues["alpha"], want)
		}
	})
}

// What the engine itself missed is said.
func TestAGapOfTheEngineIsSaid(t *testing.T) {
	at := newSite(t, dbtest.New(t), nil)
	at.run(t)
	now := recently()
	at.send(t, batch(1, now, now, engine.Ended{Queue: "alpha"}))
	gapped := batch(2, now, now.Add(5*time.Second), engine.Ended{Queue: "alpha", OK: 1})
	gapped.Gaps = []engine.Gap{{Queue: "alpha", From: now, To: now.Add(5 * time.Second), Missed: engine.Unknown(engine.Unrecorded, "Nobody knows."), Cause: "The counters began anew."}}
	at.send(t, gapped)
	if hour, _ := at.windows(t); hour.OK != 1 || hour.Why == "" {
		t.Errorf("the hour is %+v", hour)
	}
}

// Of more gaps than are read the newest count, and the older ones are said to be missing.
func TestTheNewestOfManyGapsCount(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, own *db.DB) {
		at := newSite(t, own, nil)
		at.run(t)
		now := time.Now()
		began := now.Add(-23 * time.Hour)
		at.send(t, batch(1, began, began, engine.Ended{Queue: "alpha"}))
		_, err := own.Write.ExecContext(t.Context(), `with recursive n (i) as (select 1 union all select i + 1 from n where i < $1)
			insert into follow_gap (number, part, queue, from_ms, to_ms, ok, failed, cause) select 1000, i, 'alpha', $2, $3, 1, 0, 'old' from n`,
			maxGaps, began.UnixMilli(), began.Add(time.Minute).UnixMilli())
		must(t, err)
		at.send(t, batch(2, now.Add(-10*time.Minute), now.Add(-5*time.Minute), engine.Ended{Queue: "alpha", OK: 3}))
		hour, day := at.windows(t)
		if hour.OK != 3 || hour.Why != "" {
			t.Errorf("the hour is %+v", hour)
		}
		if day.OK != maxGaps-1+3 || day.Why == "" {
			t.Errorf("the day is %+v", day)
		}
	})
}

// However many ask, one snapshot is taken in an interval. While none can be, the error is said and the last one is kept.
func TestOneSnapshotAnswersAll(t *testing.T) {
	at := newSite(t, dbtest.New(t), nil)
	at.interval = time.Hour
	at.script.set(engine.Snapshot{Queues: []engine.QueueCounts{{Name: "alpha", Jobs: map[engine.State]engine.Count{
		engine.Waiting: engine.Exactly(3, time.Now()), engine.Running: engine.Unknown(engine.NotYet, "There are many queues."),
		engine.Scheduled: engine.LowerBound(5, time.Now(), "There are more."),
	}}}}, nil)
	var asking sync.WaitGroup
	for range 50 {
		asking.Go(func() {
			rows := answered(t, at.Queues, well)
			if len(rows) != 1 {
				t.Errorf("the queues are %v", rows)
				return
			}
			q := rows[0]
			if q.Pending == nil || *q.Pending != 3 || q.Processing != nil || *q.Scheduled != 5 || q.Retryable != nil || q.Slots != nil || q.Agents != nil || q.Inexact == nil {
				t.Errorf("the queue is %+v", q)
			}
		})
	}
	asking.Wait()
	at.script.mu.Lock()
	if at.script.taken != 1 {
		t.Errorf("%d snapshots were taken", at.script.taken)
	}
	at.script.mu.Unlock()
	at.interval = time.Nanosecond
	at.script.set(engine.Snapshot{}, errors.New("no answer"))
	answered(t, at.Queues, func(err error) bool { return errors.Is(err, engine.ErrUnavailable) && at.Unreadable() != nil })
	at.script.set(engine.Snapshot{}, nil)
	answered(t, at.Queues, func(err error) bool { return err == nil && at.Unreadable() == nil })
}

// Ten thousand queues and a thousand workers are read within a moment.
func TestManyQueuesAndWorkers(t *testing.T) {
	at := newSite(t, dbtest.New(t), nil)
	many := engine.Snapshot{MoreQueue: 7}
	for i := range 10_000 {
		many.Queues = append(many.Queues, engine.QueueCounts{Name: fmt.Sprintf("queue-%05d", i), Jobs: map[engine.State]engine.Count{engine.Waiting: engine.Exactly(1, time.Now())}})
	}
	for i := range 1000 {
		many.Workers = append(many.Workers, engine.Worker{ID: fmt.Sprintf("worker-%04d", i), State: "active"})
	}
	at.script.set(many, nil)
	queues, workers := answered(t, at.Queues, well), answered(t, at.Workers, well)
	if len(queues) != 10_000 || len(workers) != 1000 || len(at.Problems()) != 1 {
		t.Errorf("%d queues, %d workers, %q", len(queues), len(workers), at.Problems())
	}
	at.run(t)
	now := recently()
	at.send(t, batch(1, now, now, engine.Ended{Queue: "alpha"}))
	all := batch(2, now, now.Add(time.Second))
	for i := range 10_000 {
		all.Ended = append(all.Ended, engine.Ended{Queue: fmt.Sprintf("queue-%05d", i), OK: 1})
	}
	at.send(t, all)
	if hour, _ := at.windows(t); hour.OK != 10_000 {
		t.Errorf("%d attempts are counted, want 10,000", hour.OK)
	}
}
