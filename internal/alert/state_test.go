package alert

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const interval = 10 * time.Second

var start = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)

// watch is one rule about one subject, evaluated again and again.
type watch struct {
	t     *testing.T
	rule  Rule
	state State
	now   time.Time
	log   []string
}

func newWatch(t *testing.T, rule Rule) *watch {
	rule.Name = "disk"
	if rule.Notify == nil {
		rule.Notify = []string{"mail"}
	}
	return &watch{t: t, rule: rule, now: start}
}

// see evaluates once after an interval.
func (w *watch) see(truth Truth) {
	w.now = w.now.Add(interval)
	w.at(truth)
}

// at evaluates now, from a state that was stored and read, as a new leader does.
func (w *watch) at(truth Truth) {
	w.t.Helper()
	outcome := Outcome{Rule: w.rule, ID: w.rule.Expression, Observations: []Observation{{Truth: truth, Why: map[Truth]string{Unknown: "null"}[truth]}}}
	w.step([]Outcome{outcome})
}

func (w *watch) step(outcomes []Outcome) {
	w.t.Helper()
	stored, err := json.Marshal(w.state)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.state.Version != 0 {
		if w.state, err = DecodeState(stored); err != nil {
			w.t.Fatal(err)
		}
	}
	var transitions []Transition
	w.state, transitions = w.state.Next(outcomes, interval, w.now)
	for _, tr := range transitions {
		line := string(tr.Kind)
		if len(tr.To) > 0 {
			line += " to " + strings.Join(tr.To, ",")
		}
		if tr.Unknown {
			line += " (unknown)"
		}
		w.log = append(w.log, line)
	}
}

// times evaluates several times.
func (w *watch) times(n int, truth Truth) {
	w.t.Helper()
	for range n {
		w.see(truth)
	}
}

func (w *watch) silence(until time.Duration) {
	w.t.Helper()
	var err error
	w.state, err = w.state.Silence(Silence{Rule: w.rule.Name, At: w.now, Until: w.now.Add(until), By: "ops", Why: "known"})
	if err != nil {
		w.t.Fatal(err)
	}
}

// want checks what happened since it was asked last.
func (w *watch) want(lines ...string) {
	w.t.Helper()
	if diff := cmp.Diff(lines, w.log); diff != "" && len(lines)+len(w.log) > 0 {
		w.t.Errorf("at %s:\n%s", w.now.Sub(start), diff)
	}
	w.log = nil
}

func (w *watch) instance() Instance { return w.state.Instances[w.rule.Name][""] }

func TestConditionMustHoldBeforeItFires(t *testing.T) {
	w := newWatch(t, Rule{For: 30 * time.Second})
	w.times(3, Holds)
	w.see(HoldsNot)
	w.want("pending", "inactive")
	w.times(3, Holds)
	w.want("pending")
	w.see(Holds)
	w.want("firing to mail")
	w.see(HoldsNot)
	w.want("resolved to mail")
}

func TestKeepFiringOutlastsGaps(t *testing.T) {
	w := newWatch(t, Rule{KeepFiring: 30 * time.Second})
	w.see(Holds)
	w.times(3, HoldsNot)
	w.see(Holds)
	w.times(3, HoldsNot)
	w.want("firing to mail")
	w.see(HoldsNot)
	w.want("resolved to mail")
}

func TestReminderComesOnlySoOften(t *testing.T) {
	w := newWatch(t, Rule{Every: time.Minute})
	w.times(6, Holds)
	w.want("firing to mail")
	w.see(Holds)
	w.want("reminder to mail")
	w.times(5, Holds)
	w.want()
	w.see(Holds)
	w.want("reminder to mail")
}

// A single missed evaluation proves nothing; three make the state unknown, which is neither firing nor resolved.
func TestUnknownAfterThreeMissedEvaluations(t *testing.T) {
	w := newWatch(t, Rule{For: 40 * time.Second})
	w.times(2, Unknown)
	w.want()
	w.see(Unknown)
	w.want("unknown")
	w.times(5, Unknown)
	if d := w.state.Unknown["disk"]; d.Since == nil || d.Why != "null" {
		t.Errorf("the rule's gap is %+v", d)
	}
	w.see(HoldsNot)
	w.want("known")

	w.times(2, Holds) // what pends goes on over two, not over three
	w.times(2, Unknown)
	w.see(Holds)
	w.want("pending", "firing to mail")
	w.see(HoldsNot)
	w.want("resolved to mail")
	w.see(Holds)
	w.times(3, Unknown)
	w.want("pending", "inactive (unknown)", "unknown")
	w.times(4, Holds)
	w.want("pending", "known")
	w.see(Holds)
	w.want("firing to mail")
}

func TestUnknownWhileFiringIsStillFiring(t *testing.T) {
	w := newWatch(t, Rule{Every: time.Minute, KeepFiring: 20 * time.Second})
	w.times(2, Holds)
	w.see(HoldsNot)
	w.want("firing to mail")
	w.times(3, Unknown)
	w.want("unknown (unknown)")
	w.see(Unknown)
	w.want("reminder to mail (unknown)")
	w.see(HoldsNot) // known again; but for how long it does not hold counts from here
	w.see(HoldsNot)
	w.want("known")
	w.see(HoldsNot)
	w.want("resolved to mail")
}

// Alertmanager #226: who was notified that it fires is notified of the end, though it was silenced meanwhile.
func TestResolvedIsSentThoughSilenced(t *testing.T) {
	w := newWatch(t, Rule{Every: 20 * time.Second})
	w.see(Holds)
	w.silence(time.Hour)
	w.times(5, Holds)
	w.see(HoldsNot)
	w.want("firing to mail", "silenced", "resolved to mail")
}

// Grafana #80996: resolved while silenced, then firing again: it is notified when the silence ends, not after the time of a reminder.
func TestFiringAgainAfterResolvedWhileSilenced(t *testing.T) {
	w := newWatch(t, Rule{Every: 4 * time.Hour})
	w.silence(55 * time.Second)
	w.see(Holds)
	w.see(HoldsNot)
	w.see(Holds)
	w.want("firing", "resolved", "firing")
	w.times(2, Holds)
	w.want()
	w.see(Holds)
	w.want("audible", "firing to mail")
}

// A silence that ends notifies only those who do not know yet.
func TestEndOfSilenceNotifiesNobodyTwice(t *testing.T) {
	w := newWatch(t, Rule{})
	w.see(Holds)
	w.silence(25 * time.Second)
	w.times(3, Holds)
	w.want("firing to mail", "silenced", "audible")
	w.state = w.state.Unsilence("disk", "")
	w.see(HoldsNot)
	w.want("resolved to mail")
}

// Alertmanager #1063: what comes and goes sends no message each time, and leaves nobody with a wrong last word.
func TestFlappingIsHeldAndEndsWithTheTruth(t *testing.T) {
	w := newWatch(t, Rule{})
	for range 2 {
		w.see(Holds)
		w.see(HoldsNot)
	}
	w.want("firing to mail", "resolved to mail", "firing to mail", "resolved to mail")
	for range 30 {
		w.see(Holds)
		w.see(HoldsNot)
	}
	w.want("firing to mail", "flapping")
	w.times(89, HoldsNot)
	w.want()
	w.see(HoldsNot)
	w.want("resolved to mail")
}

// Nagios #91: the end of flapping states how it is.
func TestEndOfFlappingWhileFiring(t *testing.T) {
	w := newWatch(t, Rule{})
	for range 3 {
		w.see(HoldsNot)
		w.see(Holds)
	}
	w.log = nil
	w.times(89, Holds)
	w.want()
	w.see(Holds)
	w.want("steady")
	if i := w.instance(); i.Phase != Firing || i.Flapping {
		t.Errorf("it is %s, flapping %t", i.Phase, i.Flapping)
	}
	w.see(HoldsNot)
	w.want("resolved to mail")
}

// Gatus clears its state although the message failed, and Hatchet notes the time before it sends: here the end goes to exactly those who
// got the beginning, as they were then.
func TestResolvedGoesToWhoGotFiring(t *testing.T) {
	w := newWatch(t, Rule{Notify: []string{"chat", "mail"}})
	w.see(Holds)
	w.rule.Notify = []string{"mail", "pager"}
	w.see(Holds)
	w.want("firing to chat,mail", "firing to pager")
	w.state = w.state.Undelivered("disk", "", w.instance().Episode, "mail")
	w.state = w.state.Undelivered("disk", "", w.instance().Episode-1, "pager") // of another episode
	w.see(Holds)
	w.see(HoldsNot)
	w.want("resolved to chat,pager")
}

func TestReminderThatArrivesMakesAChannelKnow(t *testing.T) {
	w := newWatch(t, Rule{Every: 20 * time.Second})
	w.see(Holds)
	w.state = w.state.Undelivered("disk", "", w.instance().Episode, "mail")
	w.times(2, Holds)
	w.see(HoldsNot)
	w.want("firing to mail", "reminder to mail", "resolved to mail")
}

func TestClockSetBackDelaysNothing(t *testing.T) {
	w := newWatch(t, Rule{For: 30 * time.Second, Every: time.Minute})
	w.times(2, Holds)
	w.now = w.now.Add(-time.Hour)
	w.at(Holds)
	w.times(2, Holds)
	w.want("pending", "firing to mail")
	w.times(3, Holds)
	w.now = w.now.Add(-24 * time.Hour)
	w.at(Holds)
	w.times(2, Holds)
	w.want()
	w.see(Holds)
	w.want("reminder to mail")
}

// What was not watched, for no leader was there or the clock was set forward, is not taken for what was seen before and after.
func TestGapIsNotTakenForWatched(t *testing.T) {
	w := newWatch(t, Rule{For: time.Minute, KeepFiring: time.Minute})
	w.see(Holds)
	w.now = w.now.Add(time.Hour)
	w.at(Holds)
	w.want("pending")
	w.times(6, Holds)
	w.see(HoldsNot)
	w.want("firing to mail")
	w.now = w.now.Add(time.Hour)
	w.at(HoldsNot)
	w.times(5, HoldsNot)
	w.want()
	w.see(HoldsNot)
	w.want("resolved to mail")
}

func TestRuleChangedWhileFiring(t *testing.T) {
	w := newWatch(t, Rule{For: 20 * time.Second})
	w.times(3, Holds)
	w.want("pending", "firing to mail")
	w.rule.Expression, w.rule.Severity = "another", SeverityCritical
	w.see(Holds)
	w.want()
	if got := w.instance().Severity; got != SeverityCritical {
		t.Errorf("its severity is %s", got)
	}
	w.see(HoldsNot)
	w.want("resolved to mail")
	w.times(2, Holds)
	w.rule.Expression = "a third"
	w.times(2, Holds) // has to hold from the change on
	w.want("pending")
	w.see(Holds)
	w.want("firing to mail")
}

func TestRuleRemovedWhileFiring(t *testing.T) {
	w := newWatch(t, Rule{})
	w.see(Holds)
	w.silence(time.Hour)
	w.now = w.now.Add(interval)
	w.step(nil)
	w.want("firing to mail", "resolved to mail")
	if len(w.state.Instances) != 0 {
		t.Errorf("kept %v", w.state.Instances)
	}
}

func TestSubjectThatIsGone(t *testing.T) {
	w := newWatch(t, Rule{Per: PerAgent})
	subject := func(o Outcome) { w.now = w.now.Add(interval); w.step([]Outcome{o}) }
	subject(Outcome{Rule: w.rule, Observations: []Observation{{Subject: "a", Truth: Holds}, {Subject: "b", Truth: Holds}}})
	w.want("firing to mail", "firing to mail")
	for range 3 {
		subject(Outcome{Rule: w.rule, Observations: []Observation{{Subject: "a", Truth: Holds}}, Unlisted: "only 1 of 2 are listed"})
	}
	w.want("unknown (unknown)")
	subject(Outcome{Rule: w.rule, Observations: []Observation{{Subject: "a", Truth: Holds}}})
	w.want("known", "resolved to mail")
	for range 3 {
		subject(Outcome{Rule: w.rule, Missing: "the section agents is 2m old"})
	}
	w.want("unknown (unknown)", "unknown")
}

func TestResolvedIsForgottenAfterAnHour(t *testing.T) {
	w := newWatch(t, Rule{})
	w.see(Holds)
	w.see(HoldsNot)
	w.times(359, HoldsNot)
	if w.instance().Phase != Resolved {
		t.Fatal("forgotten too early")
	}
	w.see(HoldsNot)
	if len(w.state.Instances) != 0 {
		t.Errorf("kept %v", w.state.Instances)
	}
}

func TestStateIsBounded(t *testing.T) {
	many := Outcome{Rule: Rule{Name: "many", Per: PerAgent, Notify: []string{"mail"}}}
	for n := range maxInstances + 10 {
		many.Observations = append(many.Observations, Observation{Subject: fmt.Sprintf("%05d", n), Truth: Holds, Summary: strings.Repeat("é", maxSummary/2)})
	}
	state, transitions := State{}.Next([]Outcome{many, {Rule: Rule{Name: "one"}, Observations: []Observation{{Truth: Holds}}}}, interval, start)
	if state.Omitted != 11 || len(transitions) != maxInstances {
		t.Errorf("omitted %d, %d transitions", state.Omitted, len(transitions))
	}
	stored, err := json.Marshal(state)
	if err != nil || len(stored) > maxState {
		t.Fatalf("%d bytes, %v", len(stored), err)
	}
	if _, err := DecodeState(stored); err != nil {
		t.Error(err)
	}
}

func TestStateOfAnotherVersionIsRefused(t *testing.T) {
	for _, text := range []string{`{"version": 2}`, `{}`, `[]`, strings.Repeat(" ", maxState+1)} {
		if _, err := DecodeState([]byte(text)); err == nil {
			t.Errorf("accepted %.20q", text)
		}
	}
}

func TestSilenceNeedsWhoWhyAndAnEnd(t *testing.T) {
	good := Silence{Rule: "disk", At: start, Until: start.Add(time.Hour), By: "ops", Why: "known"}
	state, err := State{}.Silence(good)
	if err != nil || len(state.Silences) != 1 {
		t.Fatal(err)
	}
	if state, _ = state.Silence(good); len(state.Silences) != 1 {
		t.Errorf("the same is there %d times", len(state.Silences))
	}
	for _, spoil := range []func(*Silence){
		func(s *Silence) { s.Rule = "" }, func(s *Silence) { s.By = "" }, func(s *Silence) { s.Why = "" },
		func(s *Silence) { s.Until = s.At }, func(s *Silence) { s.Why = strings.Repeat("x", maxReason+1) },
	} {
		bad := good
		if spoil(&bad); true {
			if _, err := state.Silence(bad); err == nil {
				t.Errorf("accepted %+v", bad)
			}
		}
	}
}

// Whatever is observed, whoever was silenced, whichever channels there were and whatever the clock did: each channel gets "firing" and
// "resolved" in turn, no reminder sooner than asked for, what fires unsilenced is known to all of its channels, and after a quiet time
// everybody who knows of "firing" knows of "resolved".
func TestNotificationsOfRandomHistories(t *testing.T) {
	for seed := range uint64(60) {
		history(t, rand.New(rand.NewPCG(seed, 1)), seed)
	}
}

func history(t *testing.T, random *rand.Rand, seed uint64) {
	t.Helper()
	span := func(most int) time.Duration { return time.Duration(random.IntN(most)) * interval }
	rule := Rule{Name: "r", Expression: "a", For: span(4), KeepFiring: span(4), Every: span(8), Notify: []string{"x", "y"}}
	firing, last := map[string]bool{}, map[string]time.Duration{}
	var state State
	var elapsed time.Duration // of a clock that is never set
	now, serial := start, int64(0)
	fail := func(format string, args ...any) {
		t.Helper()
		t.Fatalf("seed %d after %s: %s", seed, elapsed, fmt.Sprintf(format, args...))
	}
	evaluate := func(outcomes []Outcome) {
		now, elapsed = now.Add(interval), elapsed+interval
		before, err := json.Marshal(state)
		if err != nil {
			t.Fatal(err)
		}
		next, transitions := state.Next(outcomes, interval, now)
		if after, _ := json.Marshal(state); string(after) != string(before) {
			fail("the state before was changed")
		}
		state = next
		for _, tr := range transitions {
			if tr.Serial != serial+1 {
				fail("serial %d follows %d", tr.Serial, serial)
			}
			serial = tr.Serial
			for _, channel := range tr.To {
				switch tr.Kind {
				case ToFiring:
					if firing[channel] {
						fail("%s is notified twice that it fires", channel)
					}
					firing[channel], last[channel] = true, elapsed
				case ToReminder:
					if !firing[channel] || elapsed-last[channel] < rule.Every {
						fail("%s is reminded after %s", channel, elapsed-last[channel])
					}
					last[channel] = elapsed
				case ToResolved:
					if !firing[channel] {
						fail("%s is notified of the end of what it never knew of", channel)
					}
					firing[channel] = false
				default:
					fail("%s is sent", tr.Kind)
				}
			}
		}
	}
	truth := Holds
	for range 300 {
		if random.IntN(4) == 0 {
			truth = Truth(random.IntN(3))
		}
		switch random.IntN(40) {
		case 0:
			state, _ = state.Silence(Silence{Rule: "r", At: now, Until: now.Add(interval + span(20)), By: "b", Why: "w"})
		case 1:
			rule.Notify = [][]string{{"x"}, {"y", "z"}, {"x", "y"}, {}, {"z", "z"}}[random.IntN(5)]
		case 2:
			now = now.Add(-span(1000))
		case 3:
			rule.Expression += "b"
		case 4:
			evaluate(nil)
		}
		evaluate([]Outcome{{Rule: rule, ID: rule.Expression, Observations: []Observation{{Truth: truth}}}})
		i := state.Instances["r"][""]
		for _, channel := range rule.Notify {
			if i.Phase == Firing && i.Silenced == nil && !firing[channel] {
				fail("%s does not know that it fires", channel)
			}
		}
	}
	for range 200 {
		evaluate([]Outcome{{Rule: rule, ID: rule.Expression, Observations: []Observation{{Truth: HoldsNot}}}})
	}
	for channel, still := range firing {
		if still {
			fail("%s does not know of the end", channel)
		}
	}
	if got := slices.Collect(func(yield func(Phase) bool) {
		for _, i := range state.Instances["r"] {
			yield(i.Phase)
		}
	}); slices.Contains(got, Firing) || slices.Contains(got, Pending) {
		fail("it is still %v", got)
	}
}
