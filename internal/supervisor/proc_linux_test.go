package supervisor

import "testing"

func TestTheParentIsFoundWhateverTheName(t *testing.T) {
	for stat, want := range map[string]int{
		"12 (sh) S 34 12 12 0": 34, "12 (a) b) (c) R 7 1": 7, "12 (sh) Z 34 12": 0, "12 (sh) X 34 12": 0, "": 0, "12 (sh)": 0, "12 (sh) S": 0,
		"12 (sh) S 5": 5, "12 (sh) S x": 0,
	} {
		if got, ok := parentOf([]byte(stat)); got != want || ok != (want > 0) {
			t.Errorf("%q: %d, %v", stat, got, ok)
		}
	}
}
