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
	// aged: a viewer must be shown at least this age while it is broken; zero: nothing in particular.
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

// perBare is how many times as long as a bare server's in the same seconds the slowest answers may take: ours are made by processes that
// have more to do than it, and which the system lets run later than one that sleeps. What waits for a database takes a hundred times as long.
const perBare = 10

// emptyWithin is how soon processes hold what they held before the first fault: their pools keep a connection that is not
// needed for a minute and look every quarter of one.
const emptyWithin = 90 * time.Second

// verdict is what came of a fault.
type verdict struct {
	row      row
	problems []string
}

func (v *verdict) problem(format string, args ...any) {
	v.problems = append(v.problems, fmt.Sprintf(format, args...))
}

func (v *verdict) check(err error) {
	if err != nil {
		v.problem("%v", err)
	}
}

// act lets a fault happen.
func (st *stage) act(t *testing.T, f clusterFault) {
	t.Helper()
	v := st.perform(f)
	results.add(v.row)
	for _, problem := range v.problems {
		t.Error(problem)
		results.addFailure(f.name + ": " + problem)
	}
}

// perform is before, break, meanwhile, mend, after.
func (st *stage) perform(f clusterFault) *verdict {
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
	recovery, err := st.healthyInTime()
	v.check(err)
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
	_, err := within(30*time.Second, "one server leads", func() (err error) {
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
	began := time.Now()
	if f.newLeader {
		_, took, err := s.newLeader(s.leader)
		v.note("new leader after %s", seconds(took))
		switch {
		case err != nil:
			v.problem("%v", err)
		case took > newLeaderWithin+s.lateness(began):
			v.problem("a new leader came after %v, want it within %v", took, newLeaderWithin+s.lateness(began))
		}
	}
	<-over
}

// after waits until nothing is left of the fault: jobs are done, processes hold what they held before.
func (v *verdict) after(st *stage, recovered time.Time, earlier cluster.Footprint) {
	calm := time.After(clusterCalm())
	ctx, cancel := context.WithTimeoutCause(context.Background(), 90*time.Second, errors.New("not within 90 s"))
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
	if err := st.streamsAgree(20 * time.Second); err != nil {
		v.problem("%v", err)
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
	limit := newLeaderWithin + 2*clusterInterval() + s.lateness(at[1])
	for m, seen := range s.samples(at[0], at[3]) {
		started := false // again: it shows its file, and says so, until it hears of the others
		for _, one := range seen {
			phase := phaseOf(one.At, at[1], at[2])
			started = started || one.Away
			if one.Status == 200 && one.Age > limit && !(started && one.Rung == "last-good") && !slices.Contains(mayBeStale, m) {
				v.problem("a viewer of %s saw data %v old at %s", m.Name, one.Age, one.At.UTC().Format("15:04:05.000"))
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
		v.problem("no viewer was shown data older than %v, want %v at least", got, f.aged)
	}
	// Age is in whole seconds; what is less than one is shown as 0.1 s, nothing at all as a dash.
	v.row.oldest = max(shown[during].oldest(), shown[after].oldest(), time.Second/10)
	v.row.latencies = shown[before].latencies() + " → " + shown[during].latencies() + " → " + shown[after].latencies()
	bare := [phases]cluster.Samples{before: s.control.probe.Samples(at[0], at[1]), during: s.control.probe.Samples(at[1], at[2])}
	s.together.add(all, bare)
	// One hiccup of the machine is more than one in a hundred of the short run's few answers: of these the 99th is judged for all faults
	// of a cluster together.
	percent := pick(99, 95)
	v.problems = append(v.problems, (&latencies{all, bare}).judge(percent)...)
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

// lateness is how much longer a promise in seconds may take because the machine was busy since: so many answers of a bare server, as late
// as the latest. Where there is a core for it, that is some tenths of a second.
func (st *stage) lateness(since time.Time) time.Duration {
	return perBare * st.control.probe.Samples(since, time.Now()).Percentile(1)
}

// latencies are the answers of our servers and of a bare one in the same seconds.
type latencies struct{ ours, bare [phases]cluster.Samples }

func (l *latencies) add(ours, bare [phases]cluster.Samples) {
	for phase := range phases {
		l.ours[phase] = append(l.ours[phase], ours[phase]...)
		l.bare[phase] = append(l.bare[phase], bare[phase]...)
	}
}

// judge compares the slowest answers with those before the fault, and with a bare server's meanwhile.
func (l *latencies) judge(percent int) (problems []string) {
	const least = 10 * time.Millisecond
	of := func(s cluster.Samples) time.Duration { return s.Percentile(float64(percent) / 100) }
	slow, usual, bare := of(l.ours[during]), of(l.ours[before]), l.bare[during].Percentile(0.99)
	if slow > max(2*usual, least, perBare*bare) {
		problems = append(problems, fmt.Sprintf("p%d was %s ms during the fault and %s ms before; a bare server's p99 was %s ms during and %s ms before",
			percent, milliseconds(slow), milliseconds(usual), milliseconds(bare), milliseconds(l.bare[before].Percentile(0.99))))
	}
	return problems
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d.Microseconds())/1000) }
