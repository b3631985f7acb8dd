package engine

import (
	"testing"
	"time"
)

func TestASumKnowsNoMoreThanItsParts(t *testing.T) {
	now := time.Now()
	before := now.Add(-time.Minute)
	delayed := Count{N: 3, Known: Delayed, At: before}
	tests := []struct {
		name string
		a, b Count
		want Count
	}{
		{"both exact", Exactly(2, now), Exactly(3, now), Exactly(5, now)},
		{"one is older", Exactly(2, now), delayed, Count{N: 5, Known: Delayed, At: before}},
		{"one is a lower bound", Exactly(2, now), LowerBound(3, now, "many"), LowerBound(5, now, "many")},
		{"one is not known", Exactly(2, now), Unknown(NotAllowed, "grant it"), LowerBound(2, now, "grant it")},
		{"neither is known", Unknown(NotYet, "later"), Unknown(Unrecorded, "never"), Unknown(Unrecorded, "never")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, got := range []Count{tt.a.Plus(tt.b), tt.b.Plus(tt.a)} {
				if got != tt.want {
					t.Errorf("%+v plus %+v is %+v, want %+v", tt.a, tt.b, got, tt.want)
				}
			}
		})
	}
}

func TestWhatIsNotKnownHasNoValue(t *testing.T) {
	for known := Unrecorded; known <= Exact; known++ {
		if has := (Count{N: 7, Known: known}).Value() != nil; has != (known >= AtLeast) {
			t.Errorf("%s: has a value: %v", known, has)
		}
	}
	if c := Unknown(Exact, "a mistake"); c.Value() != nil {
		t.Errorf("%+v has a value", c)
	}
}

func TestWhatIsMissingIsSaidOnce(t *testing.T) {
	caps := Caps{}
	for _, what := range Capabilities() {
		caps[what] = Support{Answer: Yes}
	}
	if missing := caps.Missing(); len(missing) != 0 {
		t.Errorf("missing: %q", missing)
	}
	caps[CanErrors], caps[CanResults], caps[CanEvents] = Support{Why: "No log."}, Support{Why: "No log."}, Support{Answer: NeedsGrant, Why: "Grant it."}
	if missing := caps.Missing(); len(missing) != 2 || missing[0] != "No log." || missing[1] != "Grant it." {
		t.Errorf("missing: %q", missing)
	}
}
