package main

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSizesAreReadAsTheyAreWritten(t *testing.T) {
	for text, want := range map[string][]int{
		"10k":          {10_000},
		"10M 1m, 250":  {250, 1_000_000, 10_000_000},
		" 5k 5K 5000 ": {5_000},
	} {
		got, err := parseSizes(text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", " ", "k", "10g", "-1", "0", "1.5m"} {
		if got, err := parseSizes(text); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

func TestPlanFillsWhatItsPartsWant(t *testing.T) {
	for _, c := range []struct {
		args []string
		want []int
	}{
		{nil, []int{10_000, 1_000_000, 5_000_000, 10_000_000}},
		{[]string{"-parts", "e"}, []int{1_000_000, 10_000_000}},
		{[]string{"-parts", "b, c"}, nil},
		{[]string{"-short", "-parts", "a d e"}, []int{10_000, 20_000}},
		{[]string{"-parts", "a d", "-sizes", "50k 20k"}, []int{20_000, 50_000}},
	} {
		p, err := parsePlan(c.args)
		if err != nil {
			t.Errorf("%v: %v", c.args, err)
		}
		if diff := cmp.Diff(c.want, p.fillings()); diff != "" {
			t.Errorf("%v: %s", c.args, diff)
		}
	}
}

func TestPlanRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, args := range [][]string{{"-parts", "f"}, {"-parts", ""}, {"more"}, {"-sizes", "many"}, {"-viewers", "few"}, {"-window", "1s"}} {
		if _, err := parsePlan(args); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}
