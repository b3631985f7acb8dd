package rollup

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/mapping"
	"github.com/DataDog/sketches-go/ddsketch/store"

	"github.com/agentos/agentos/internal/engine"
)

// sketchAccuracy is the relative error of percentiles.
const sketchAccuracy = 0.01

// histogram is a mergeable distribution of milliseconds with its exact maximum.
type histogram struct {
	sketch *ddsketch.DDSketch
	max    int64
}

// indexes maps values to bins; it is immutable.
var indexes = sync.OnceValue(func() mapping.IndexMapping {
	m, err := mapping.NewLogarithmicMapping(sketchAccuracy)
	if err != nil {
		panic(err) // the accuracy is a constant
	}
	return m
})

func newHistogram() histogram {
	return histogram{sketch: ddsketch.NewDDSketchFromStoreProvider(indexes(), store.DenseStoreConstructor)}
}

func (h *histogram) add(ms int64) {
	ms = max(ms, 0)
	if h.sketch.Add(float64(ms)) == nil {
		h.max = max(h.max, ms)
	}
}

// merge adds a stored histogram.
func (h *histogram) merge(stored []byte, maximum int64) error {
	if err := h.sketch.DecodeAndMergeWith(stored); err != nil {
		return fmt.Errorf("read a histogram: %w", err)
	}
	h.max = max(h.max, maximum)
	return nil
}

func (h *histogram) bytes() []byte {
	var b []byte
	h.sketch.Encode(&b, false)
	return b
}

func (h *histogram) percentiles() engine.Percentiles {
	if h.sketch == nil || h.sketch.IsEmpty() {
		return engine.Percentiles{}
	}
	maximum := float64(h.max)
	return engine.Percentiles{P50MS: h.quantile(0.5), P95MS: h.quantile(0.95), P99MS: h.quantile(0.99), MaxMS: &maximum}
}

// quantile is nil when nothing was measured.
func (h *histogram) quantile(q float64) *float64 {
	if h.sketch == nil || h.sketch.IsEmpty() {
		return nil
	}
	value, err := h.sketch.GetValueAtQuantile(q)
	if err != nil {
		return nil
	}
	value = min(math.Round(value*10)/10, float64(h.max))
	return &value
}

// addAll adds another histogram. All have the same bins, so that it cannot fail.
func (h *histogram) addAll(other *histogram) {
	if err := h.sketch.MergeWith(other.sketch); err == nil {
		h.max = max(h.max, other.max)
	}
}

// packedHistogram is what a histogram holds, in as little memory as that takes: a sketch has room for all bins between its smallest and
// its largest value, few of which are used.
type packedHistogram struct {
	zero float64
	bins []byte // of each bin, as varints, how far it is from the one before, and its count
	max  int64
}

func (h *histogram) pack() packedHistogram {
	p := packedHistogram{zero: h.sketch.GetZeroCount(), max: h.max}
	before := 0
	h.sketch.GetPositiveValueStore().ForEach(func(index int, count float64) bool {
		p.bins = binary.AppendVarint(p.bins, int64(index-before))
		p.bins = binary.AppendUvarint(p.bins, uint64(count))
		before = index
		return false
	})
	p.bins = slices.Clone(p.bins[:len(p.bins):len(p.bins)])
	return p
}

func (h *histogram) addPacked(p *packedHistogram) error {
	h.max = max(h.max, p.max)
	into := h.sketch.GetPositiveValueStore()
	index := 0
	for bins := p.bins; len(bins) > 0; {
		step, n := binary.Varint(bins)
		count, m := binary.Uvarint(bins[n:])
		index += int(step)
		into.AddWithCount(index, float64(count))
		bins = bins[n+m:]
	}
	if p.zero == 0 {
		return nil
	}
	return h.sketch.AddWithCount(0, p.zero)
}
