package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// median is the middle of the values; zero without any.
func median[T cmp.Ordered](values []T) T {
	return quantile(slices.Sorted(slices.Values(values)), 0.5)
}

// quantile is the smallest of the sorted values that q of them do not exceed; zero without any.
func quantile[T any](sorted []T, q float64) (none T) {
	if len(sorted) == 0 {
		return none
	}
	return sorted[max(0, min(len(sorted), int(math.Ceil(q*float64(len(sorted)))))-1)]
}

// medianVisit has the median of each figure. A page that did not become complete counts as the slowest.
func medianVisit(list []visit) visit {
	pick := func(of func(visit) float64) float64 {
		var values []float64
		for _, v := range list {
			values = append(values, of(v))
		}
		return median(values)
	}
	whole := func(of func(visit) int) int { return int(pick(func(v visit) float64 { return float64(of(v)) })) }
	took := func(of func(visit) float64) float64 {
		ms := pick(func(v visit) float64 { return orNever(of(v)) })
		if math.IsInf(ms, 1) {
			return 0
		}
		return ms
	}
	return visit{
		MS:       took(func(v visit) float64 { return v.MS }),
		Live:     took(func(v visit) float64 { return v.Live }),
		Requests: whole(func(v visit) int { return v.Requests }),
		API:      whole(func(v visit) int { return v.API }),
		Bytes:    whole(func(v visit) int { return v.Bytes }),
		all:      list,
	}
}

// complete is when the page was, with the extremes.
func (v visit) complete() string {
	var times []float64
	for _, one := range v.all {
		times = append(times, orNever(one.MS))
	}
	return spread(times, milli)
}

// orNever makes a page that did not become complete slower than any that did.
func orNever(ms float64) float64 {
	if ms == 0 {
		return math.Inf(1)
	}
	return ms
}

// spread is a median with the smallest and the largest value.
func spread[T cmp.Ordered](values []T, form func(T) string) string {
	if len(values) == 0 {
		return notMeasured
	}
	return fmt.Sprintf("%s (%s–%s)", form(median(values)), form(slices.Min(values)), form(slices.Max(values)))
}

// notMeasured stands where there is no figure.
const notMeasured = "—"

// count writes 10000 as 10k and 1000000 as 1M, and anything else in full.
func count(n int) string {
	switch {
	case n >= 1_000_000 && n%100_000 == 0:
		return strconv.FormatFloat(float64(n)/1e6, 'f', -1, 64) + "M"
	case n >= 1_000 && n%1_000 == 0:
		return strconv.Itoa(n/1000) + "k"
	}
	return strconv.Itoa(n)
}

// took writes a time with as many digits as it deserves.
func took(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case d == 0:
		return "0"
	case ms < 1:
		return fmt.Sprintf("%.0f µs", ms*1000)
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.0f ms", ms)
	default:
		return fmt.Sprintf("%.1f s", ms/1000)
	}
}

// micro writes a short time in microseconds.
func micro(d time.Duration) string {
	return fmt.Sprintf("%.1f µs", float64(d)/float64(time.Microsecond))
}

// milli writes a page's time, which is 0 or infinite when it did not become complete.
func milli(ms float64) string {
	if ms == 0 || math.IsInf(ms, 1) {
		return "over " + took(pageTimeout)
	}
	return took(time.Duration(ms * float64(time.Millisecond)))
}

// size writes bytes.
func size[N int | int64 | float64](bytes N) string {
	n := float64(bytes)
	switch {
	case n < 1000:
		return fmt.Sprintf("%.0f B", n)
	case n < 1e6:
		return fmt.Sprintf("%.1f KB", n/1e3)
	default:
		return fmt.Sprintf("%.1f MB", n/1e6)
	}
}

// whole writes a number without a fraction.
func whole(n float64) string { return strconv.FormatFloat(math.Round(n), 'f', 0, 64) }
