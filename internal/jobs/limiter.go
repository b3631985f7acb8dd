package jobs

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// limiter holds each agent to its concurrency in this process, over all queues and generations of the fleet.
type limiter struct {
	mu    sync.Mutex
	lanes map[string]*lane
}

type lane struct {
	limit   int
	held    int
	waiting []chan struct{} // closed when a slot is handed over; first come, first served
}

func newLimiter() *limiter { return &limiter{lanes: map[string]*lane{}} }

// setLimits changes the limits of the agents named. Attempts under way keep their slots.
func (l *limiter) setLimits(limits map[string]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, limit := range limits {
		lane := l.lane(name)
		lane.limit = limit
		lane.hand()
	}
}

// acquire waits for a slot of the agent or for ctx.
func (l *limiter) acquire(ctx context.Context, name string) error {
	l.mu.Lock()
	lane := l.lane(name)
	if lane.held < lane.limit && len(lane.waiting) == 0 {
		lane.held++
		l.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	lane.waiting = append(lane.waiting, turn)
	l.mu.Unlock()

	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(lane.waiting, turn); i >= 0 {
		lane.waiting = slices.Delete(lane.waiting, i, i+1)
	} else { // it was handed over at the same moment
		lane.held--
		lane.hand()
	}
	return context.Cause(ctx)
}

func (l *limiter) release(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lane := l.lane(name)
	lane.held--
	lane.hand()
}

// held returns how many slots are taken, by agent.
func (l *limiter) held() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := map[string]int{}
	for name, lane := range maps.All(l.lanes) {
		if lane.held > 0 {
			held[name] = lane.held
		}
	}
	return held
}

func (l *limiter) lane(name string) *lane {
	if l.lanes[name] == nil {
		l.lanes[name] = &lane{limit: 1}
	}
	return l.lanes[name]
}

func (l *lane) hand() {
	for l.held < l.limit && len(l.waiting) > 0 {
		close(l.waiting[0])
		l.waiting = l.waiting[1:]
		l.held++
	}
}
