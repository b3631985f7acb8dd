//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agentos/agentos/test/cluster"
)

// clusterFault is one way to break the cluster, and what must hold meanwhile beyond what must always hold.
type clusterFault struct {
	name string
	// breaks breaks something and leaves with the scene what mends it.
	breaks func(s *scene) error
	// long and short are how long it stays broken, once it is, in the full run and in the short one; zero is the usual time.
	long, short time.Duration
	// stale picks the servers whose viewers may see old data, with its age, while it is broken; nil: none may.
	stale func(s *scene) []*cluster.Member
	// newLeader: another server must collect within newLeaderWithin.
	newLeader bool
	// sees is a status or a rung that a viewer must get while it is broken; empty: nothing in particular.
	sees string
	// aged: a viewer must be told at least this age while it is broken; zero: nothing in particular.
	aged time.Duration
	// once: no job may need a second attempt.
	once bool
}

func (f clusterFault) span() time.Duration {
	long, short := f.long, f.short
	if long == 0 {
		long = 15 * time.Second
	}
	if short == 0 {
		short = 3 * time.Second
	}
	return pick(long, short)
}

// clusterCalm is how long viewers look at the healthy cluster before a fault and, at least, after it.
var clusterCalm = func() time.Duration { return pick(5*time.Second, 1500*time.Millisecond) }

// scene is the stage of one fault, with the parts cast.
type scene struct {
	*stage
	leader    *cluster.Member
	follower  *cluster.Member
	bystander *cluster.Member // the third server
	worker    *cluster.Member

	mends []func() error
}

// onMend leaves something to do when the fault is over; the last left is the first done.
func (s *scene) onMend(do func() error) { s.mends = append(s.mends, do) }

func (s *scene) mend() error {
	var errs []error
	for _, do := range slices.Backward(s.mends) {
		errs = append(errs, do())
	}
	s.mends = nil
	return errors.Join(errs...)
}

// again does something now, and at a steady pace until the fault is mended. Only the first time must succeed.
func (s *scene) again(every time.Duration, do func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	s.onMend(func() error {
		cancel()
		running.Wait()
		return nil
	})
	limited := func() error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		return do(ctx)
	}
	if err := limited(); err != nil {
		return err
	}
	running.Go(func() {
		ticks := time.NewTicker(every)
		defer ticks.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticks.C:
				_ = limited()
			}
		}
	})
	return nil
}

func everyone(s *scene) []*cluster.Member    { return s.cluster.Servers }
func theLeader(s *scene) []*cluster.Member   { return []*cluster.Member{s.leader} }
func theFollower(s *scene) []*cluster.Member { return []*cluster.Member{s.follower} }

// busyAbove is the p99 of a bare server above which the machine is busy with something else. It does next to nothing:
// where there is a core for it, it needs less than a millisecond.
const busyAbove = 3 * time.Millisecond

// excusedUpTo is how many times as long as a bare server's the slowest answers may take on a busy machine: ours are made by
// processes that have more to do than it.
const excusedUpTo = 5

// emptyWithin is how soon processes hold what they held before the first fault: their pools keep a connection that is not
// needed for a minute and look every quarter of one.
const emptyWithin = 90 * time.Second

// verdict is what came of a fault.
type verdict struct {
	row      row
	problems []string // what is wrong however busy the machine is
	late     []string // what came too late
	slow     []string // answers that came too late, which a busy machine may be the cause of
	busy     bool     // the bare server was late too
	excused  bool     // the bare server was so late that nothing can be said of the slow ones
}

func (v *verdict) problem(format string, args ...any) {
	v.problems = append(v.problems, fmt.Sprintf(format, args...))
}

func (v *verdict) tooLate(format string, args ...any) {
	v.late = append(v.late, fmt.Sprintf(format, args...))
}

func (v *verdict) check(err error) {
	if err != nil {
		v.problem("%v", err)
	}
}

// again tells whether a fault is to be repeated: something came too late and nothing else is wrong, and the machine was busy
// with something else. In the short run, whose few answers one hiccup spoils and whose faults follow each other closely, it is
// repeated in any case, fewer times.
func (v *verdict) again(try int) bool {
	const tries = 5
	return len(v.problems) == 0 && len(v.late)+len(v.slow) > 0 && (v.busy && try < tries || try < pick(1, 4))
}

// act lets a fault happen, and again if that is no use. What was too late is told each time.
func (st *stage) act(t *testing.T, f clusterFault) {
	t.Helper()
	for try := 1; ; try++ {
		v := st.try(f)
		if try > 1 {
			v.note("try %d", try)
		}
		if v.again(try) {
			t.Logf("again: %s; %s, %s", strings.Join(slices.Concat(v.late, v.slow), "; "), v.row.latencies, v.row.note)
			if f.newLeader { // one that has led without its database is the last choice for a minute
				<-time.After(time.Minute)
			}
			continue
		}
		failed := slices.Concat(v.problems, v.late)
		if v.excused {
			v.note("p99 cannot be judged: the machine was busy at every try")
		} else {
			failed = append(failed, v.slow...)
		}
		results.add(v.row)
		for _, problem := range failed {
			t.Error(problem)
			results.addFailure(f.name + ": " + problem)
		}
		return
	}
}

// try is one performance: before, break, meanwhile, mend, after.
func (st *stage) try(f clusterFault) *verdict {
	v := &verdict{row: row{cluster: true, fault: f.name, lost: "?"}}
	if _, err := st.healthy(30 * time.Second); err != nil {
		v.problem("before the fault: %v", err)
		return v
	}
	st.complaints()
	began := time.Now()
	st.forget(began)
	earlier, err := st.footprintAfter(clusterCalm())
	v.check(err)
	if st.first == nil {
		st.first = &earlier
	}
	overlapsBefore, err := st.flow.Overlaps()
	v.check(err)
	repeatedBefore, _ := st.flow.Repeated()
	s, err := st.cast() // only now: who leads may still have changed
	if err != nil {
		v.problem("before the fault: %v", err)
		return v
	}

	broke := time.Now()
	if err := f.breaks(s); err != nil {
		v.problem("break it: %v", err)
	}
	s.meanwhile(f, v, f.span())
	mending := time.Now() // what is started now is busy with that
	if err := s.mend(); err != nil {
		v.problem("mend it: %v", err)
	}
	recovery, err := st.healthy(recoverWithin)
	if err != nil {
		v.tooLate("recovery: %v", err)
		if more, err := st.healthy(50 * time.Second); err == nil {
			recovery = recoverWithin + more
		}
	}
	recovered := time.Now()
	v.row.recovery = seconds(recovery)
	v.after(st, recovered, *st.first)
	over := time.Now()

	v.check(st.checkProcesses())
	for _, text := range st.complaints() {
		v.problem("%s", text)
	}
	overlaps, err := st.flow.Overlaps()
	v.check(err)
	if more := strings.TrimPrefix(overlaps, overlapsBefore); more != "" {
		v.problem("attempts at one job were alive at once: %s", more)
	}
	if repeated, _ := st.flow.Repeated(); repeated > repeatedBefore {
		v.note("%d attempts repeated", repeated-repeatedBefore)
		if f.once {
			v.problem("%d attempts were repeated, want none", repeated-repeatedBefore)
		}
	}
	v.judgeSamples(s, f, [4]time.Time{began, broke, mending, over})
	return v
}

func (v *verdict) note(format string, args ...any) {
	v.row.note = strings.TrimPrefix(v.row.note+"; "+fmt.Sprintf(format, args...), "; ")
}

// cast picks who plays what.
func (st *stage) cast() (*scene, error) {
	s := &scene{stage: st}
	_, err := within(newLeaderWithin, "one server leads", func() (err error) {
		s.leader, err = st.cluster.Leader(context.Background())
		return err
	})
	if err != nil {
		return nil, err
	}
	followers := st.cluster.Followers(s.leader)
	s.follower, s.bystander, s.worker = followers[0], followers[1], st.cluster.Workers[0]
	return s, nil
}

// footprintAfter counts what the cluster holds after a span of time.
func (st *stage) footprintAfter(span time.Duration) (cluster.Footprint, error) {
	<-time.After(span)
	return st.cluster.Footprint(context.Background())
}

// meanwhile lets the fault last, and waits for a new leader if there must be one.
func (s *scene) meanwhile(f clusterFault, v *verdict, span time.Duration) {
	over := time.After(span)
	if f.newLeader {
		_, took, err := s.newLeader(s.leader)
		v.note("new leader after %s", seconds(took))
		switch {
		case err != nil:
			v.tooLate("%v", err)
		case took > newLeaderWithin:
			v.tooLate("a new leader came after %v", took)
		}
	}
	<-over
}

// after waits until nothing is left of the fault: jobs are done, processes hold what they held before.
func (v *verdict) after(st *stage, recovered time.Time, earlier cluster.Footprint) {
	calm := time.After(clusterCalm())
	ctx, cancel := context.WithTimeoutCause(context.Background(), 45*time.Second, errors.New("not within 45 s"))
	defer cancel()
	lost, err := st.flow.Drained(ctx, recovered)
	v.check(err)
	if took := time.Since(recovered); took > 5*time.Second {
		v.note("all jobs done %s after the recovery", seconds(took))
	}
	v.row.lost = fmt.Sprint(lost)
	took, err := within(emptyWithin, "goroutines, files and connections are back", func() error {
		now, err := st.cluster.Footprint(context.Background())
		if err != nil {
			return err
		}
		return now.Over(earlier)
	})
	v.check(err)
	if took > 5*time.Second {
		v.note("connections, goroutines or files back after %s", seconds(took))
	}
	if err := st.streamsAgree(5 * time.Second); err != nil {
		v.tooLate("%v", err)
	}
	<-calm
}

// judgeSamples looks at what viewers got: how old it was, and how soon it came.
func (v *verdict) judgeSamples(s *scene, f clusterFault, at [4]time.Time) {
	var mayBeStale []*cluster.Member
	if f.stale != nil {
		mayBeStale = f.stale(s)
	}
	var shown [phases]samples
	var all [phases]cluster.Samples
	away := 0
	limit := newLeaderWithin + 2*clusterInterval()
	for m, seen := range s.samples(at[0], at[3]) {
		for _, one := range seen {
			phase := phaseOf(one.At, at[1], at[2])
			if one.Status == 200 && one.Age > limit && !slices.Contains(mayBeStale, m) {
				v.tooLate("a viewer of %s saw data %v old at %s", m.Name, one.Age, one.At.UTC().Format("15:04:05.000"))
				mayBeStale = append(mayBeStale, m) // once is enough
			}
			if one.Away && one.Status != 200 {
				away++
				continue
			}
			shown[phase] = append(shown[phase], sample{one.Status, one.Rung, one.Age, one.Took})
			all[phase] = append(all[phase], one)
		}
	}
	v.row.viewers = shown[during].summary()
	if away > 0 {
		v.note("%d requests to a server that was made to be away", away)
	}
	if f.sees != "" && !strings.Contains(v.row.viewers, f.sees) {
		v.problem("no viewer got %s: %s", f.sees, v.row.viewers)
	}
	if got := shown[during].oldest(); got < f.aged {
		v.problem("no viewer was told of data older than %v, want %v at least", got, f.aged)
	}
	// Age is in whole seconds; what is less than one is shown as 0.1 s, nothing at all as a dash.
	v.row.oldest = max(shown[during].oldest(), shown[after].oldest(), time.Second/10)
	v.row.latencies = shown[before].latencies() + " → " + shown[during].latencies() + " → " + shown[after].latencies()
	v.busy = s.control.probe.Samples(at[1], at[3]).Percentile(0.99) > busyAbove
	v.judgeLatencies(s.control.probe, all, at)
}

func phaseOf(at, broke, mending time.Time) int {
	switch {
	case at.Before(broke):
		return before
	case at.Before(mending):
		return during
	}
	return after
}

// judgeLatencies compares the slowest answers with those before the fault, and with a bare server's meanwhile.
func (v *verdict) judgeLatencies(bare *cluster.Probe, all [phases]cluster.Samples, at [4]time.Time) {
	const least = 10 * time.Millisecond
	slow, usual := all[during].Percentile(0.99), all[before].Percentile(0.99)
	if slow <= max(2*usual, least) {
		return
	}
	control, controlUsual := bare.Samples(at[1], at[2]).Percentile(0.99), bare.Samples(at[0], at[1]).Percentile(0.99)
	v.note("bare server p99 %s → %s ms", milliseconds(controlUsual), milliseconds(control))
	v.busy = v.busy || control > busyAbove
	v.excused = control > busyAbove && slow <= excusedUpTo*control
	v.slow = append(v.slow, fmt.Sprintf("p99 was %s ms during the fault and %s ms before; a bare server's was %s ms",
		milliseconds(slow), milliseconds(usual), milliseconds(control)))
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d.Microseconds())/1000) }
