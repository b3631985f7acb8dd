package jobs

import (
	"context"
	"sync"
)

// activeSet knows the jobs this process has in its hands, from the moment River hands them over.
type activeSet struct {
	mu       sync.Mutex
	jobs     map[int64]*hold
	running  int // those whose process runs
	draining bool
}

type hold struct{ cancel context.CancelCauseFunc }

func newActiveSet() *activeSet { return &activeSet{jobs: map[int64]*hold{}} }

// add takes a job in hand and returns what lets go of it.
func (a *activeSet) add(job int64, cancel context.CancelCauseFunc) (letGo func()) {
	h := &hold{cancel: cancel}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.jobs[job] = h
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.jobs[job] == h { // and not the next attempt's
			delete(a.jobs, job)
		}
	}
}

func (a *activeSet) has(job int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.jobs[job] != nil
}

// cancel ends the attempt at a job, if it is in this process.
func (a *activeSet) cancel(job int64, cause error) {
	a.mu.Lock()
	h := a.jobs[job]
	a.mu.Unlock()
	if h != nil {
		h.cancel(cause)
	}
}

func (a *activeSet) ids() []int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	ids := make([]int64, 0, len(a.jobs))
	for id := range a.jobs {
		ids = append(ids, id)
	}
	return ids
}

func (a *activeSet) began() { a.addRunning(1) }
func (a *activeSet) over()  { a.addRunning(-1) }

func (a *activeSet) addRunning(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running += n
}

// count returns how many attempts have their process running.
func (a *activeSet) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.running
}

func (a *activeSet) drain() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.draining = true
}

func (a *activeSet) isDraining() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.draining
}
