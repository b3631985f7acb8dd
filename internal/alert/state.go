package alert

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Bounds of a state.
const (
	stateVersion = 1
	maxInstances = 5000
	maxSilences  = 200
	maxState     = 16 << 20 // bytes of JSON
	maxReason    = 200      // bytes of why something is unknown or silenced
)

// How an instance is judged.
const (
	// missedMost evaluations in a row without a result make an instance unknown.
	missedMost = 3
	// An instance that fires flapFirings times within flapWindow flaps: it is resolved only after flapHold without the condition.
	flapFirings = 3
	flapWindow  = time.Hour
	flapHold    = 15 * time.Minute
	// keepResolved is how long an instance that is resolved is kept. Not shorter than flapWindow.
	keepResolved = flapWindow
)

// State is the states of all alerts. It is JSON, so that a new leader goes on from where the old one stopped; [State.Next] makes the next one.
type State struct {
	Version int `json:"version"`
	// Of the last evaluation.
	At time.Time `json:"at"`
	// Of the last transition.
	Serial int64 `json:"serial"`
	// What pends, fires or was resolved recently, by rule and subject; what is not here is inactive.
	Instances map[string]map[string]Instance `json:"instances,omitempty"`
	// The rules of which something is unknown that does not fire, by name.
	Unknown  map[string]NoData `json:"unknown,omitempty"`
	Silences []Silence         `json:"silences,omitempty"`
	// Instances whose condition holds and that are not here, for there are too many.
	Omitted int `json:"omitted,omitempty"`
}

// Phase is where an instance is.
type Phase string

// The phases. An instance that is in none is inactive.
const (
	Pending  Phase = "pending"
	Firing   Phase = "firing"
	Resolved Phase = "resolved"
)

// NoData is that something is unknown.
type NoData struct {
	// Evaluations in a row without a result.
	Missed int `json:"missed"`
	// Since when it counts as unknown; null: not yet.
	Since *time.Time `json:"since,omitempty"`
	Why   string     `json:"why"`
	// Instances that it is so of.
	Subjects int `json:"subjects,omitempty"`
}

// Silence keeps notifications of a rule back.
type Silence struct {
	Rule string `json:"rule"`
	// Empty: all of the rule's.
	Subject string    `json:"subject,omitempty"`
	At      time.Time `json:"at"`
	Until   time.Time `json:"until"`
	By      string    `json:"by"`
	Why     string    `json:"why"`
}

// Instance is an alert of one rule about one subject.
type Instance struct {
	// Of the condition as it was evaluated last.
	RuleID   string    `json:"rule_id"`
	Severity Severity  `json:"severity"`
	Summary  string    `json:"summary"`
	Phase    Phase     `json:"phase"`
	Since    time.Time `json:"since"`
	// Since when the condition holds without interruption, and since when it does not; at most one of them.
	HeldSince *time.Time `json:"held_since,omitempty"`
	NotSince  *time.Time `json:"not_since,omitempty"`
	// Null: its condition is known.
	NoData *NoData `json:"no_data,omitempty"`
	// When it fired, the last few times.
	Fired    []time.Time `json:"fired,omitempty"`
	Flapping bool        `json:"flapping,omitempty"`
	// The serial of the transition that fired it last.
	Episode int64 `json:"episode,omitempty"`
	// Who was notified that it fires, by channel: they are notified of the end.
	Notified map[string]Receipt `json:"notified,omitempty"`
	// Null: it is not silenced.
	Silenced *Silence `json:"silenced,omitempty"`
}

// Receipt is what one channel got.
type Receipt struct {
	// When it was notified last.
	At time.Time `json:"at"`
	// The notification could not be delivered: it does not know that it fires.
	Failed bool `json:"failed,omitempty"`
}

// Known reports whether it is known whether the condition holds.
func (i Instance) Known() bool { return i.NoData == nil || i.NoData.Since == nil }

// Kind is the kind of a transition.
type Kind string

// The kinds. Only those of the first group are sent to anybody; the others are history.
const (
	ToFiring   Kind = "firing"   // also later, to those who were not notified yet
	ToReminder Kind = "reminder" // it still fires
	ToResolved Kind = "resolved"

	ToPending  Kind = "pending"
	ToInactive Kind = "inactive" // it pended, and the condition does not hold any more
	ToUnknown  Kind = "unknown"
	ToKnown    Kind = "known"
	ToSilenced Kind = "silenced"
	ToAudible  Kind = "audible" // the silence is over
	ToFlapping Kind = "flapping"
	ToSteady   Kind = "steady" // it does not flap any more, and still fires
)

// Transition is a step of one instance, and who is to be notified of it.
type Transition struct {
	// Names it: a notification that is sent again has the same.
	Serial  int64  `json:"serial"`
	Rule    string `json:"rule"`
	Subject string `json:"subject,omitempty"`
	// The serial of the transition that fired it: what belongs together.
	Episode int64 `json:"episode,omitempty"`

	Kind     Kind      `json:"kind"`
	At       time.Time `json:"at"`
	Severity Severity  `json:"severity"`
	Summary  string    `json:"summary"`
	// Since when it fires or fired.
	Since time.Time `json:"since"`
	// What made it so, if it was not the condition; or why it is unknown.
	Why string `json:"why,omitempty"`
	// The condition of what fires is unknown.
	Unknown  bool `json:"unknown,omitempty"`
	Flapping bool `json:"flapping,omitempty"`
	// The channels, in order.
	To []string `json:"to,omitempty"`
}

// DecodeState reads a state that was stored.
func DecodeState(data []byte) (State, error) {
	var s State
	if len(data) > maxState {
		return State{}, fmt.Errorf("read the states of alerts: %d bytes are too many", len(data))
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return State{}, fmt.Errorf("read the states of alerts: %w", err)
	}
	if s.Version != stateVersion {
		return State{}, fmt.Errorf("read the states of alerts: they are of version %d, and this program knows version %d", s.Version, stateVersion)
	}
	return s, nil
}

// Silence adds a silence, or replaces that of the same rule and subject.
func (s State) Silence(silence Silence) (State, error) {
	switch {
	case silence.Rule == "":
		return s, errors.New("a silence needs a rule")
	case silence.By == "" || silence.Why == "":
		return s, errors.New("a silence needs who set it, and why")
	case len(silence.Why) > maxReason || len(silence.By) > maxReason:
		return s, fmt.Errorf("who set a silence, and why, have at most %d bytes each", maxReason)
	case !silence.Until.After(silence.At):
		return s, errors.New("a silence must end in the future")
	}
	s = s.Unsilence(silence.Rule, silence.Subject)
	if len(s.Silences) >= maxSilences {
		return s, fmt.Errorf("there are %d silences: end one first", maxSilences)
	}
	s.Silences = append(s.Silences, silence)
	return s, nil
}

// Unsilence ends a silence.
func (s State) Unsilence(rule, subject string) State {
	s.Silences = slices.DeleteFunc(slices.Clone(s.Silences), func(other Silence) bool { return other.Rule == rule && other.Subject == subject })
	return s
}

// Undelivered says that a notification of an episode could not be delivered to a channel, and is not tried any more: the channel does
// not learn of the end of what it never knew of.
func (s State) Undelivered(rule, subject string, episode int64, channel string) State {
	i, there := s.Instances[rule][subject]
	receipt, notified := i.Notified[channel]
	if !there || !notified || i.Episode != episode {
		return s
	}
	receipt.Failed = true
	i.Notified = maps.Clone(i.Notified)
	i.Notified[channel] = receipt
	s.Instances = maps.Clone(s.Instances)
	s.Instances[rule] = maps.Clone(s.Instances[rule])
	s.Instances[rule][subject] = i
	return s
}

// shifted moves all times by which spans are measured, for the clock was set back: a span goes on as long as it would have. The ends of
// silences are times of day, and stay.
func (s State) shifted(by time.Duration) State {
	move := func(t *time.Time) *time.Time {
		if t == nil {
			return nil
		}
		moved := t.Add(by)
		return &moved
	}
	s.At = s.At.Add(by)
	s.Instances = maps.Clone(s.Instances)
	for rule, instances := range s.Instances {
		instances = maps.Clone(instances)
		for subject, i := range instances {
			i.Since, i.HeldSince, i.NotSince = i.Since.Add(by), move(i.HeldSince), move(i.NotSince)
			if i.NoData != nil {
				noData := *i.NoData
				noData.Since, i.NoData = move(noData.Since), &noData
			}
			i.Fired = slices.Clone(i.Fired)
			for n := range i.Fired {
				i.Fired[n] = i.Fired[n].Add(by)
			}
			i.Notified = maps.Clone(i.Notified)
			for channel, r := range i.Notified {
				i.Notified[channel] = Receipt{r.At.Add(by), r.Failed}
			}
			instances[subject] = i
		}
		s.Instances[rule] = instances
	}
	s.Unknown = maps.Clone(s.Unknown)
	for rule, noData := range s.Unknown {
		noData.Since = move(noData.Since)
		s.Unknown[rule] = noData
	}
	return s
}
