package attach

import (
	"sync"
	"time"
)

// What each question may use of one connection's time, so that all together stay below 1.5 s a minute (2.5 %), however many
// jobs wait and run. A question that costs more is asked less often, and its answer shown with its age.
const (
	shareEnded    = 0.009 // what ended since the last time: the only one whose cost grows with the flow
	shareWaiting  = 0.005 // how many wait, by state and queue
	shareKinds    = 0.003 // how many wait, by kind
	shareRunning  = 0.004 // which run
	shareFailures = 0.001
	shareLogs     = 0.001
	shareCreated  = 0.001

	// shareFilling comes on top, until all that ended before the first start is read.
	shareFilling = 0.2
)

// paced is an answer that is asked for anew when its price allows.
type paced[T any] struct {
	mu    sync.Mutex // held while asking, so that those who want it together ask once
	value T
	at    time.Time // when the question was asked; zero before the first answer
	err   error     // of the last time it was asked
	next  time.Time
}

// retryWithin bounds how long a question that failed is not asked again, whatever its failing cost.
const retryWithin = time.Minute

// get returns the answer and when it was asked for. It asks anew if the answer is older than fresh and the share of time that
// the question may use allows it. While it fails the error is returned, with the last answer there was.
func (p *paced[T]) get(fresh time.Duration, share float64, ask func() (T, error)) (T, time.Time, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Before(p.next) || p.err == nil && now.Sub(p.at) < fresh {
		return p.value, p.at, p.err
	}
	value, err := ask()
	wait := time.Duration(float64(time.Since(now)) / share)
	if p.err = err; err != nil {
		wait = min(wait, retryWithin)
	} else {
		p.value, p.at = value, now
	}
	p.next = now.Add(wait)
	return p.value, p.at, err
}

// drop makes the next one who wants the answer ask, whatever it costs.
func (p *paced[T]) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.next = time.Time{}, time.Time{}
}
