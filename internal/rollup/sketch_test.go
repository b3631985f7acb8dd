package rollup

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAPackedHistogramIsWholeAndSmall(t *testing.T) {
	h := newHistogram()
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		h.add(int64(r.ExpFloat64() * 5000))
	}
	h.add(0)
	h.add(40_000_000)
	packed := h.pack()
	again := newHistogram()
	for range 2 { // as two parts of a day are added up
		if err := again.addPacked(&packed); err != nil {
			t.Fatal(err)
		}
	}
	twice := newHistogram()
	twice.addAll(&h)
	twice.addAll(&h)
	if diff := cmp.Diff(twice.percentiles(), again.percentiles()); diff != "" {
		t.Errorf("percentiles differ (-twice +packed):\n%s", diff)
	}
	if a, b := twice.sketch.GetCount(), again.sketch.GetCount(); a != b {
		t.Errorf("%v values went in, %v came out", a, b)
	}
	bins := 0
	h.sketch.GetPositiveValueStore().ForEach(func(int, float64) bool { bins++; return false })
	if most := 4 * bins; cap(packed.bins) > most {
		t.Errorf("%d bins take %d bytes, want at most %d", bins, cap(packed.bins), most)
	}
}
