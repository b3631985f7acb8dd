package alert

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Next makes the state after an evaluation, and the transitions to it. Outcomes are those of all rules that there are: what a rule that
// is not among them fired is resolved. Interval is how often rules are evaluated. The state before is not changed.
//
// What is older than three intervals was not watched: a condition that held before and holds now may not have held in between, so
// that it has to hold, or not to, from now on. If the clock was set back, spans go on from where they were.
func (s State) Next(outcomes []Outcome, interval time.Duration, now time.Time) (State, []Transition) {
	if now.Before(s.At) {
		s = s.shifted(now.Sub(s.At))
	}
	st := step{
		before: s, now: now, kept: s.count(),
		unwatched: !s.At.IsZero() && now.Sub(s.At) > missedMost*interval,
		after: State{
			Version: stateVersion, At: now, Instances: map[string]map[string]Instance{}, Unknown: map[string]NoData{},
			Serial:   s.Serial,
			Silences: slices.DeleteFunc(slices.Clone(s.Silences), func(silence Silence) bool { return !silence.Until.After(now) }),
		},
	}
	present := map[string]bool{}
	for _, o := range outcomes {
		present[o.Rule.Name] = true
		st.rule(o)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Instances)) {
		if !present[name] {
			st.removed(name)
		}
	}
	return st.after, st.transitions
}

// count is how many instances there are.
func (s State) count() int {
	n := 0
	for _, instances := range s.Instances {
		n += len(instances)
	}
	return n
}

// stamp copies a time: a state must hold no pointer to what made it.
func stamp(t time.Time) *time.Time { return &t }

// step is one step from a state to the next.
type step struct {
	before, after State
	now           time.Time
	unwatched     bool
	kept          int
	transitions   []Transition
}

func (st *step) rule(o Outcome) {
	existing := st.before.Instances[o.Rule.Name]
	noData := NoData{}
	if o.Missing != "" {
		noData = NoData{Missed: 1, Why: o.Missing}
	}
	seen := 0
	for _, obs := range o.Observations {
		i, there := existing[obs.Subject]
		if obs.Truth == Unknown && i.Phase != Firing {
			noData.Subjects++
			if noData.Missed = 1; noData.Why == "" {
				noData.Why = obs.Why
			}
		}
		if there {
			seen++
		}
		if there || obs.Truth == Holds {
			st.instance(o, obs, i)
		}
	}
	if seen < len(existing) {
		st.unobserved(o, existing)
	}
	st.noteNoData(o, noData)
}

// unobserved steps the instances that the outcome has no observation of.
func (st *step) unobserved(o Outcome, existing map[string]Instance) {
	observed := map[string]bool{}
	for _, obs := range o.Observations {
		observed[obs.Subject] = true
	}
	for _, subject := range slices.Sorted(maps.Keys(existing)) {
		obs := Observation{Subject: subject, Truth: HoldsNot, Why: string(o.Rule.Per) + " " + subject + " is not there any more"}
		switch {
		case observed[subject]:
			continue
		case o.Missing != "":
			obs.Truth, obs.Why = Unknown, o.Missing
		case o.Unlisted != "":
			obs.Truth, obs.Why = Unknown, o.Unlisted
		}
		st.instance(o, obs, existing[subject])
	}
}

// noteNoData notes that something is unknown of what does not fire.
func (st *step) noteNoData(o Outcome, noData NoData) {
	before, was := st.before.Unknown[o.Rule.Name]
	note := func(kind Kind, why string) {
		st.after.Serial++
		st.transitions = append(st.transitions, Transition{Serial: st.after.Serial, Rule: o.Rule.Name, Kind: kind, At: st.now, Severity: o.Rule.Severity, Summary: o.Rule.Name, Why: why})
	}
	if noData.Missed == 0 {
		if was && before.Since != nil {
			note(ToKnown, "")
		}
		return
	}
	noData.Why = clipReason(noData.Why)
	if noData.Missed = min(before.Missed+1, missedMost); noData.Missed == missedMost {
		if noData.Since = before.Since; noData.Since == nil {
			noData.Since = stamp(st.now)
			note(ToUnknown, noData.Why)
		}
	}
	st.after.Unknown[o.Rule.Name] = noData
}

func clipReason(why string) string {
	if len(why) > maxReason {
		why = strings.ToValidUTF8(why[:maxReason-len("…")], "") + "…"
	}
	return why
}

// removed ends what a rule that is no more fired.
func (st *step) removed(rule string) {
	for _, subject := range slices.Sorted(maps.Keys(st.before.Instances[rule])) {
		in := instance{step: st, Instance: st.before.Instances[rule][subject], rule: Rule{Name: rule}, subject: subject}
		if in.Phase == Firing {
			in.Notified = maps.Clone(in.Notified)
			in.resolve("the rule was removed")
		}
	}
}

// instance is one instance during a step.
type instance struct {
	*step
	Instance
	rule    Rule
	subject string
}

// instance makes the next state of one instance, and keeps it if there is something to keep.
func (st *step) instance(o Outcome, obs Observation, i Instance) {
	if i.Phase == "" {
		if st.kept >= maxInstances {
			st.after.Omitted++
			return
		}
		st.kept++
	}
	i.Notified, i.Fired = maps.Clone(i.Notified), slices.Clone(i.Fired)
	in := instance{step: st, Instance: i, rule: o.Rule, subject: obs.Subject}
	in.Severity = o.Rule.Severity
	if in.RuleID != o.ID || st.unwatched { // what held is another condition, or was not watched
		in.RuleID = o.ID
		if in.HeldSince != nil {
			in.HeldSince = stamp(st.now)
		}
		in.NotSince = nil
	}
	in.silence()
	in.observe(obs)
	in.flap()
	in.notify()
	expired := in.Phase == Resolved && st.now.Sub(in.Since) >= keepResolved
	if in.Phase == "" || expired {
		return
	}
	if st.after.Instances[o.Rule.Name] == nil {
		st.after.Instances[o.Rule.Name] = map[string]Instance{}
	}
	st.after.Instances[o.Rule.Name][obs.Subject] = in.Instance
}

// emit adds a transition.
func (in *instance) emit(kind Kind, why string, to []string) {
	in.after.Serial++
	if kind == ToFiring && in.Episode == 0 {
		in.Episode = in.after.Serial
	}
	in.transitions = append(in.transitions, Transition{
		Rule: in.rule.Name, Subject: in.subject, Serial: in.after.Serial, Episode: in.Episode,
		Kind: kind, At: in.now, Severity: in.Severity, Summary: in.Summary, Since: in.Since, Why: why,
		Unknown: !in.Known(), Flapping: in.Flapping, To: to,
	})
}

func (in *instance) silence() {
	was := in.Silenced != nil
	in.Silenced = nil
	for _, s := range in.after.Silences {
		if s.Rule == in.rule.Name && (s.Subject == "" || s.Subject == in.subject) && (in.Silenced == nil || s.Until.After(in.Silenced.Until)) {
			in.Silenced = &s
		}
	}
	switch is := in.Silenced != nil; {
	case in.Phase == "" || is == was:
	case is:
		in.emit(ToSilenced, "until "+in.Silenced.Until.UTC().Format(time.RFC3339)+" by "+in.Silenced.By+": "+in.Silenced.Why, nil)
	default:
		in.emit(ToAudible, "", nil)
	}
}

// observe moves the instance on by what was observed.
func (in *instance) observe(obs Observation) {
	if obs.Truth == Unknown {
		in.unknown(clipReason(obs.Why))
		return
	}
	if in.NoData != nil {
		known := in.Known()
		if in.NoData = nil; !known {
			in.emit(ToKnown, "", nil)
		}
	}
	if obs.Truth == HoldsNot {
		in.holdsNot(obs.Why)
		return
	}
	in.Summary, in.NotSince = obs.Summary, nil
	if in.HeldSince == nil {
		in.HeldSince = stamp(in.now)
	}
	switch in.Phase {
	case Firing:
		return
	case Pending:
	default:
		in.Since = in.now
		if in.rule.For > 0 {
			in.Phase = Pending
			in.emit(ToPending, "", nil)
		}
	}
	if in.now.Sub(*in.HeldSince) >= in.rule.For {
		in.fire()
	}
}

// unknown changes nothing until too many evaluations are missed. Then what was counted so far does not count any more: what pends is
// not known to, and what fires goes on firing, marked. That a rule is unknown of what does not fire is kept once a rule.
func (in *instance) unknown(why string) {
	if in.Phase == Resolved {
		return
	}
	noData := NoData{}
	if in.NoData != nil {
		noData = *in.NoData
	}
	noData.Missed, noData.Why = min(noData.Missed+1, missedMost), why
	in.NoData = &noData
	if noData.Missed < missedMost || noData.Since != nil {
		return
	}
	noData.Since = stamp(in.now)
	in.HeldSince, in.NotSince = nil, nil
	if in.Phase == Pending {
		in.Phase = ""
		in.emit(ToInactive, why, nil)
		return
	}
	in.emit(ToUnknown, why, nil)
}

func (in *instance) fire() {
	in.Phase, in.Since = Firing, in.now
	in.Episode, in.Notified = 0, nil // emit counts it
	in.Fired = append(slices.DeleteFunc(in.Fired, func(t time.Time) bool { return in.now.Sub(t) >= flapWindow }), in.now)
	in.Fired = in.Fired[max(0, len(in.Fired)-flapFirings):]
	in.Flapping = len(in.Fired) >= flapFirings
	if in.Silenced != nil {
		in.emit(ToFiring, "", nil)
	} else {
		in.emit(ToFiring, "", in.mark(in.rule.Notify))
	}
	if in.Flapping {
		in.emit(ToFlapping, "", nil)
	}
}

func (in *instance) holdsNot(why string) {
	in.HeldSince = nil
	switch in.Phase {
	case Pending:
		in.Phase = ""
		in.emit(ToInactive, why, nil)
	case Firing:
		if in.NotSince == nil {
			in.NotSince = stamp(in.now)
		}
		hold := in.rule.KeepFiring
		if in.Flapping {
			hold = max(hold, flapHold)
		}
		if in.now.Sub(*in.NotSince) >= hold {
			in.resolve(why)
		}
	}
}

// resolve notifies exactly those who know that it fires, silenced or not.
func (in *instance) resolve(why string) {
	var to []string
	for _, channel := range slices.Sorted(maps.Keys(in.Notified)) {
		if !in.Notified[channel].Failed {
			to = append(to, channel)
		}
	}
	in.Phase, in.Notified, in.NoData = Resolved, nil, nil
	in.emit(ToResolved, why, to)
	in.Since, in.Flapping, in.NotSince, in.HeldSince = in.now, false, nil, nil
}

// flap ends the flapping of what fires without interruption.
func (in *instance) flap() {
	if in.Phase == Firing && in.Flapping && in.HeldSince != nil && in.now.Sub(*in.HeldSince) >= flapHold {
		in.Flapping, in.Fired = false, nil
		in.emit(ToSteady, "", nil)
	}
}

// notify notifies those who do not know yet that it fires, for they are new or it was silenced; and reminds the others.
func (in *instance) notify() {
	if in.Phase != Firing || in.Silenced != nil {
		return
	}
	var late, due []string
	for _, channel := range in.rule.Notify {
		switch receipt, notified := in.Notified[channel]; {
		case !notified:
			late = append(late, channel)
		case in.rule.Every > 0 && in.now.Sub(receipt.At) >= in.rule.Every:
			due = append(due, channel)
		}
	}
	if len(late) > 0 {
		in.emit(ToFiring, "", in.mark(late))
	}
	if len(due) > 0 {
		in.emit(ToReminder, "", in.mark(due))
	}
}

// mark notes that channels are notified, each once.
func (in *instance) mark(channels []string) []string {
	channels = slices.Compact(slices.Sorted(slices.Values(channels)))
	if len(channels) > 0 && in.Notified == nil {
		in.Notified = map[string]Receipt{}
	}
	for _, channel := range channels {
		in.Notified[channel] = Receipt{At: in.now}
	}
	return channels
}
