//go:build linux

package faults

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"
)

// The phases of a fault.
const (
	before = iota
	during
	after
	phases
)

// sample is one answer a viewer got. Status 0 is no answer.
type sample struct {
	status int
	rung   string
	age    time.Duration
	took   time.Duration
}

// samples are the answers of one phase.
type samples []sample

// percentile is over the answers, in milliseconds; a dash without any.
func (s samples) percentile(p float64) string {
	var took []time.Duration
	for _, one := range s {
		if one.status != 0 {
			took = append(took, one.took)
		}
	}
	if len(took) == 0 {
		return "-"
	}
	slices.Sort(took)
	at := took[min(len(took)-1, int(p*float64(len(took))))]
	return fmt.Sprintf("%.1f", float64(at.Microseconds())/1000)
}

func (s samples) latencies() string { return s.percentile(0.50) + "/" + s.percentile(0.99) }

// oldest is the greatest age that was shown.
func (s samples) oldest() time.Duration {
	var age time.Duration
	for _, one := range s {
		age = max(age, one.age)
	}
	return age
}

// summary counts the answers by status and rung: "200 memory ×51, no answer ×3".
func (s samples) summary() string {
	tally := map[string]int{}
	for _, one := range s {
		if one.status == 0 {
			tally["no answer"]++
		} else {
			tally[strings.TrimSpace(fmt.Sprintf("%d %s", one.status, one.rung))]++
		}
	}
	keys := make([]string, 0, len(tally))
	for key := range tally {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	for i, key := range keys {
		keys[i] = fmt.Sprintf("%s ×%d", key, tally[key])
	}
	return strings.Join(keys, ", ")
}
