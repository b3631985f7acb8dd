package cluster

import (
	"slices"
	"sync"
	"time"
)

// Sample is one answer that a viewer got. Status 0 is no answer.
type Sample struct {
	At      time.Time // when it was asked for
	Status  int
	Rung    string        // of the ladder
	Age     time.Duration // as shown
	TrueAge time.Duration // at least, by the flow of jobs; 0 without one
	Took    time.Duration
	Away    bool // the server was stopped, killed or paused by us
}

// Samples are answers.
type Samples []Sample

// Percentile is over the answers that were to be expected; 0 without any.
func (s Samples) Percentile(p float64) time.Duration {
	var took []time.Duration
	for _, one := range s {
		if one.Status != 0 && !one.Away {
			took = append(took, one.Took)
		}
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[min(len(took)-1, int(p*float64(len(took))))]
}

// Oldest is the greatest age that was shown.
func (s Samples) Oldest() time.Duration {
	var age time.Duration
	for _, one := range s {
		age = max(age, one.Age)
	}
	return age
}

// record keeps samples.
type record struct {
	mu   sync.Mutex
	list Samples
}

func (r *record) add(s Sample) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, s)
}

// Samples are the answers of a span of time.
func (r *record) Samples(from, to time.Time) Samples {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list Samples
	for _, s := range r.list {
		if !s.At.Before(from) && s.At.Before(to) {
			list = append(list, s)
		}
	}
	return list
}

// Forget drops the answers from before a moment.
func (r *record) Forget(before time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = slices.DeleteFunc(r.list, func(s Sample) bool { return s.At.Before(before) })
}
