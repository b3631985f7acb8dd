// Package enginetest holds every adapter of a job engine to the same rules, against the real engine with known jobs in it.
package enginetest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/engine"
)

// Case is an engine with jobs that the test put there by the engine's own library.
type Case struct {
	// Open connects the adapter, as a user who may only read.
	Open func(t *testing.T) engine.Engine

	// Queues are the jobs in each state that are there, by queue. They do not change while the suite runs.
	Queues map[string]map[engine.State][]engine.ID

	// Uncounted are the states whose jobs the engine does not count by queue: it has to say why. All others it counts exactly.
	Uncounted []engine.State

	// AllAtOnce is set where the engine counts all its queues by one reading, as often as that may cost: then each snapshot has them all,
	// whatever its budget, exactly or as of the reading before.
	AllAtOnce bool

	// Paused are the queues that are paused.
	Paused []string

	// Workers are the ids of the processes that are alive.
	Workers []string

	// End lets one more job of the named queue end, well or not, and waits until the engine says so.
	End func(t *testing.T, ok bool) (queue string)

	// Unwritten fails the test if the adapter has written anything.
	Unwritten func(t *testing.T)
}

// Run runs the suite.
func Run(t *testing.T, c Case) {
	t.Run("Probe", c.probe)
	t.Run("Capabilities", c.capabilities)
	t.Run("Snapshot", c.snapshot)
	t.Run("SnapshotInTurns", c.snapshotInTurns)
	t.Run("Lists", c.lists)
	t.Run("ListsOfOneQueue", c.listsOfOneQueue)
	t.Run("Refusals", c.refusals)
	t.Run("Details", c.details)
	t.Run("Follow", c.follow)
	t.Run("AnEndedContext", c.endedContext)
	t.Run("Unwritten", c.Unwritten)
}

var wide = engine.Budget{Queues: 1000, Workers: 1000, Running: 1000}

func (c Case) probe(t *testing.T) {
	info, err := c.Open(t).Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info.Engine == "" || info.Where == "" {
		t.Errorf("the engine is %q at %q: both have to be said", info.Engine, info.Where)
	}
}

// Each capability is answered, and what is not there has a sentence.
func (c Case) capabilities(t *testing.T) {
	info, err := c.Open(t).Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range engine.Capabilities() {
		support, listed := info.Caps[what]
		if !listed {
			t.Errorf("%s is not answered", what)
		}
		if (support.Answer == engine.Yes) != (support.Why == "") {
			t.Errorf("%s: answer %d with the sentence %q", what, support.Answer, support.Why)
		}
	}
	for what := range info.Caps {
		if !slices.Contains(engine.Capabilities(), what) {
			t.Errorf("%s is no capability", what)
		}
	}
}

func (c Case) snapshot(t *testing.T) {
	e := c.Open(t)
	s, err := e.Snapshot(t.Context(), wide)
	if err != nil {
		t.Fatal(err)
	}
	if age := time.Since(s.At); age < 0 || age > time.Minute {
		t.Errorf("the snapshot is %v old", age)
	}
	if len(s.Problems) > 0 {
		t.Errorf("problems: %q", s.Problems)
	}
	names := make([]string, len(s.Queues))
	for i, q := range s.Queues {
		names[i] = q.Name
		c.checkQueue(t, q)
	}
	if want := slices.Sorted(maps.Keys(c.Queues)); !slices.Equal(names, want) {
		t.Errorf("queues %q, want %q", names, want)
	}
	c.checkWorkers(t, e, s)
	c.checkRunning(t, e, s)
}

func (c Case) checkQueue(t *testing.T, q engine.QueueCounts) {
	t.Helper()
	for state, ids := range c.Queues[q.Name] {
		if slices.Contains(c.Uncounted, state) {
			continue
		}
		if count := q.Jobs[state]; !c.counted(count.Known) || count.N != int64(len(ids)) {
			t.Errorf("queue %s has %d %s (%s), want %d", q.Name, count.N, state, count.Known, len(ids))
		}
	}
	for _, state := range c.Uncounted {
		if count, has := q.Jobs[state]; !has || count.Known.HasValue() {
			t.Errorf("queue %s has %d %s (%s), and should not know", q.Name, count.N, state, count.Known)
		}
	}
	for state, count := range q.Jobs {
		if !count.Known.HasValue() && (count.Why == "" || count.N != 0) {
			t.Errorf("queue %s: %s is not known, with the number %d and the reason %q", q.Name, state, count.N, count.Why)
		}
		if n := len(c.Queues[q.Name][state]); n == 0 && count.Known == engine.Exact && count.N != 0 {
			t.Errorf("queue %s has %d %s, want none", q.Name, count.N, state)
		}
	}
	if paused := slices.Contains(c.Paused, q.Name); paused != (q.PausedAt != nil) {
		t.Errorf("queue %s: paused at %v, want %v", q.Name, q.PausedAt, paused)
	}
}

// counted reports whether a figure is as well known as the engine counts.
func (c Case) counted(known engine.Known) bool {
	return known == engine.Exact || c.AllAtOnce && known == engine.Delayed
}

func (c Case) checkWorkers(t *testing.T, e engine.Engine, s engine.Snapshot) {
	t.Helper()
	if !caps(t, e).Can(engine.CanWorkers) {
		return
	}
	ids := make([]string, len(s.Workers))
	for i, w := range s.Workers {
		ids[i] = w.ID
	}
	slices.Sort(ids)
	if want := slices.Sorted(slices.Values(c.Workers)); !slices.Equal(ids, want) {
		t.Errorf("workers %q, want %q", ids, want)
	}
}

func (c Case) checkRunning(t *testing.T, e engine.Engine, s engine.Snapshot) {
	t.Helper()
	if !caps(t, e).Can(engine.CanRunning) {
		return
	}
	var want []engine.ID
	for _, states := range c.Queues {
		want = append(want, states[engine.Running]...)
	}
	var got []engine.ID
	for _, job := range s.Running {
		got = append(got, job.ID)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("running %q, want %q", got, want)
	}
	for i := 1; i < len(s.Running); i++ {
		if a, b := s.Running[i-1].StartedAt, s.Running[i].StartedAt; a.Known() && b.Known() && b.Before(a.Time) {
			t.Errorf("%s runs since %v and is listed after %s, since %v", s.Running[i].ID, b, s.Running[i-1].ID, a)
		}
	}
}

// With a budget of one queue each snapshot reads another, unless one reading has them all; what was not read yet is said not to be, and
// later is said to be older.
func (c Case) snapshotInTurns(t *testing.T) {
	e := c.Open(t)
	if len(c.Queues) < 2 {
		t.Fatal("the case needs two queues")
	}
	read := map[string]bool{}
	for range c.Queues {
		s, err := e.Snapshot(t.Context(), engine.Budget{Queues: 1, Workers: 1000, Running: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(s.Queues))+s.MoreQueue != int64(len(c.Queues)) {
			t.Fatalf("%d queues are listed and %d not, of %d", len(s.Queues), s.MoreQueue, len(c.Queues))
		}
		fresh := 0
		for _, q := range s.Queues {
			switch known := q.Jobs[engine.Waiting].Known; {
			case c.counted(known):
				fresh++
				read[q.Name] = true
			case read[q.Name] && known != engine.Delayed, !read[q.Name] && known != engine.NotYet:
				t.Errorf("queue %s, read before: %v, is %s", q.Name, read[q.Name], known)
			}
		}
		if !c.AllAtOnce && fresh > 1 {
			t.Errorf("%d queues were read, with a budget of one", fresh)
		}
		if c.AllAtOnce && fresh != len(s.Queues) {
			t.Errorf("%d of %d queues were read, and one reading has them all", fresh, len(s.Queues))
		}
	}
	if len(read) != len(c.Queues) {
		t.Errorf("only %v were read in %d turns", slices.Collect(maps.Keys(read)), len(c.Queues))
	}
}

// Each list has each of its jobs once, whatever the size of its pages.
func (c Case) lists(t *testing.T) {
	e := c.Open(t)
	for _, state := range engine.States() {
		var want []engine.ID
		for _, states := range c.Queues {
			want = append(want, states[state]...)
		}
		for _, size := range []int{1, 7, 200} {
			if size == 1 && len(want) > 100 {
				continue
			}
			c.checkList(t, e, engine.Filter{States: []engine.State{state}, Limit: size}, want)
		}
	}
}

func (c Case) listsOfOneQueue(t *testing.T) {
	e := c.Open(t)
	for queue, states := range c.Queues {
		for state, want := range states {
			c.checkList(t, e, engine.Filter{Queue: queue, States: []engine.State{state}, Limit: 50}, want)
		}
	}
}

// checkList reads a list of one state to its end.
func (c Case) checkList(t *testing.T, e engine.Engine, f engine.Filter, want []engine.ID) {
	t.Helper()
	var got []engine.ID
	for {
		page, err := e.List(t.Context(), f)
		if errors.Is(err, engine.ErrUnsupported) {
			return
		}
		if err != nil {
			t.Fatalf("list %+v: %v", f, err)
		}
		if len(page.Jobs) > f.Limit {
			t.Fatalf("list %+v: %d jobs in a page", f, len(page.Jobs))
		}
		for _, job := range page.Jobs {
			if job.State != f.States[0] || job.EngineState == string(job.State) || (f.Queue != "" && job.Queue != f.Queue) {
				t.Fatalf("list %+v has %s in queue %s, %s (%q)", f, job.ID, job.Queue, job.State, job.EngineState)
			}
		}
		got = append(got, ids(page.Jobs)...)
		if page.Next == nil {
			break
		}
		if len(got) > len(want)+f.Limit {
			t.Fatalf("list %+v does not end after %d jobs", f, len(got))
		}
		f.Cursor = *page.Next
	}
	slices.Sort(got)
	want = slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Errorf("list %+v has %d jobs, want %d: %s", f, len(got), len(want), difference(got, want))
	}
}

func difference(got, want []engine.ID) string {
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			return string(append(append([]engine.ID{}, got[min(i, len(got)):]...), "nothing")[0]) + " instead of " +
				string(append(append([]engine.ID{}, want[min(i, len(want)):]...), "nothing")[0])
		}
	}
	return "none"
}

// What cannot be answered is refused with an error that callers know.
func (c Case) refusals(t *testing.T) {
	e := c.Open(t)
	if _, err := e.List(t.Context(), engine.Filter{States: []engine.State{engine.Waiting}, Cursor: "!no cursor", Limit: 10}); !errors.Is(err, engine.ErrCursor) {
		t.Errorf("a cursor of nobody: %v", err)
	}
	for what, filter := range map[engine.Capability]engine.Filter{
		engine.CanListByKind: {States: []engine.State{engine.Waiting}, Agent: "some"},
		engine.CanListByTime: {States: []engine.State{engine.Waiting}, Since: &time.Time{}},
		engine.CanSearch:     {States: []engine.State{engine.Waiting}, Text: "some"},
		engine.CanListAll:    {},
	} {
		_, err := e.List(t.Context(), filter)
		if can := caps(t, e).Can(what); can != (err == nil) || (!can && !errors.Is(err, engine.ErrUnsupported)) {
			t.Errorf("%s is %v, and its list gives %v", what, can, err)
		}
	}
	there := map[engine.ID]bool{}
	for _, states := range c.Queues {
		for _, ids := range states {
			for _, id := range ids {
				there[id] = true
			}
		}
	}
	for _, id := range []engine.ID{"", "nothing", "no/such", "a/b/c", "../..", engine.ID(make([]byte, 2000)), "17", "017", "-1", "+1", "1 ", "99999999999999999999"} {
		if _, err := e.Get(t.Context(), id); !there[id] && !errors.Is(err, engine.ErrNotFound) {
			t.Errorf("job %.20q: %v", id, err)
		}
	}
	if err := e.Follow(t.Context(), "!no cursor", func(engine.Batch) error { return nil }); !errors.Is(err, engine.ErrCursor) {
		t.Errorf("following from a cursor of nobody: %v", err)
	}
}

// Each job's own page says what the lists say.
func (c Case) details(t *testing.T) {
	e := c.Open(t)
	for queue, states := range c.Queues {
		for state := range states {
			page, err := e.List(t.Context(), engine.Filter{Queue: queue, States: []engine.State{state}, Limit: 5})
			if errors.Is(err, engine.ErrUnsupported) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, job := range page.Jobs {
				d, err := e.Get(t.Context(), job.ID)
				if err != nil {
					t.Errorf("job %s of a list: %v", job.ID, err)
				} else if d.ID != job.ID || d.Agent != job.Agent || d.Queue != job.Queue || d.State != job.State || d.EngineState != job.EngineState {
					t.Errorf("job %s: %+v in the list, %+v alone", job.ID, job, d.Job)
				}
			}
		}
	}
}

// What ends is reported once, also when nobody followed at the time.
func (c Case) follow(t *testing.T) {
	e := c.Open(t)
	cursor := c.next(t, e, "", func(b engine.Batch) bool { return true }) // now
	for _, ok := range []bool{true, false} {
		queue := c.End(t, ok)
		var sum engine.Ended
		cursor = c.next(t, e, cursor, func(b engine.Batch) bool {
			for _, gap := range b.Gaps {
				t.Errorf("a gap: %+v", gap)
			}
			for _, ended := range b.Ended {
				if ended.Queue == queue {
					sum.OK, sum.Failed = sum.OK+ended.OK, sum.Failed+ended.Failed
				} else {
					t.Errorf("in queue %s ended %+v, and nothing should", ended.Queue, ended)
				}
			}
			return sum.OK+sum.Failed > 0
		})
		if want := (engine.Ended{OK: one(ok), Failed: one(!ok)}); sum != want {
			t.Errorf("after one more job ended, well: %v, %+v is reported", ok, sum)
		}
	}
}

func one(if_ bool) int64 {
	if if_ {
		return 1
	}
	return 0
}

// next follows until enough was seen, and returns the cursor after it.
func (c Case) next(t *testing.T, e engine.Engine, cursor engine.Cursor, enough func(engine.Batch) bool) engine.Cursor {
	t.Helper()
	stop := errors.New("enough")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := e.Follow(ctx, cursor, func(b engine.Batch) error {
		cursor = b.Next
		if b.To.Before(b.From) {
			t.Errorf("a batch from %v to %v", b.From, b.To)
		}
		if enough(b) {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) {
		t.Fatalf("following: %v", err)
	}
	return cursor
}

func (c Case) endedContext(t *testing.T) {
	e := c.Open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Snapshot(ctx, wide); !errors.Is(err, context.Canceled) {
		t.Errorf("a snapshot: %v", err)
	}
	if _, err := e.List(ctx, engine.Filter{States: []engine.State{engine.Waiting}}); !errors.Is(err, context.Canceled) {
		t.Errorf("a list: %v", err)
	}
	if err := e.Follow(ctx, "", func(engine.Batch) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("following: %v", err)
	}
}

func caps(t *testing.T, e engine.Engine) engine.Caps {
	t.Helper()
	info, err := e.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.Caps
}

func ids(jobs []engine.Job) []engine.ID {
	all := make([]engine.ID, len(jobs))
	for i, job := range jobs {
		all[i] = job.ID
	}
	return all
}
