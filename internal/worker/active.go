package worker

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river/rivertype"

	"github.com/agentos/agentos/internal/engine/river"
)

// activeSet holds the attempts of this process, from the moment that River hands their jobs over.
type activeSet struct {
	mu       sync.Mutex
	jobs     map[int64]*hold
	running  atomic.Int64 // those whose process runs
	draining atomic.Bool
}

// hold is one attempt of this process.
type hold struct {
	cancel         context.CancelCauseFunc
	job            int64
	attempt        int
	client         string
	survivesCutOff bool // also when this worker is cut off from the database
	since          time.Time
}

func newActiveSet() *activeSet { return &activeSet{jobs: map[int64]*hold{}} }

// add registers an attempt at a job and returns what releases it. An earlier attempt that is still registered has lost the job.
func (a *activeSet) add(job *rivertype.JobRow, survivesCutOff bool, cancel context.CancelCauseFunc) (release func()) {
	h := &hold{cancel: cancel, job: job.ID, attempt: job.Attempt, survivesCutOff: survivesCutOff, since: time.Now()}
	if n := len(job.AttemptedBy); n > 0 {
		h.client = job.AttemptedBy[n-1]
	}
	a.mu.Lock()
	before := a.jobs[job.ID]
	a.jobs[job.ID] = h
	a.mu.Unlock()
	if before != nil {
		before.cancel(river.ErrSuperseded)
	}
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.jobs[job.ID] == h { // and not the next attempt's
			delete(a.jobs, job.ID)
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

// held returns the attempts, by job.
func (a *activeSet) held() map[int64]*hold {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.jobs)
}
