//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/agentos/agentos/test/api"
)

// loadFleet are agents of every kind of end. Only "doomed" is designed to fail for good; the workers that it loses are killed from
// outside, which its jobs are not to be blamed for.
func loadFleet() agents {
	const child = `>&2 printf '{"enqueue":{"agent":"child","args":{"parent":%s,"n":%s}}}\n' "$AGENTOS_JOB_ID"`
	const losses = 1000
	retried := []any{"max_losses", losses, "max_attempts", 50, "backoff", map[string]any{"initial": "200ms", "factor": 1, "max": "1s"}}
	return agents{
		"quick":  shell(`cat >/dev/null; echo done`, append(retried, "concurrency", 4)...),
		"flaky":  shell(`[ "$AGENTOS_ATTEMPT" -ge 2 ] || { echo first attempts fail >&2; exit 3; }`, append(retried, "concurrency", 2)...),
		"parent": shell(child+" 1; sleep 0.2; "+child+" 2", append(retried, "concurrency", 2)...),
		"child":  shell(`exit 0`, append(retried, "concurrency", 4)...),
		"slow":   shell(`for i in 1 2 3 4 5; do echo "step $i" >&2; sleep 0.4; done`, append(retried, "concurrency", 3)...),
		"doomed": shell(`echo no >&2; exit 9`, "max_losses", losses, "concurrency", 2, "max_attempts", 2, "backoff", map[string]any{"initial": "200ms", "factor": 1, "max": "1s"}),
	}
}

// loadKinds is the mix of the load; children come from their parents.
var loadKinds = []string{"quick", "flaky", "parent", "slow", "quick", "doomed", "parent", "quick"}

// load enqueues jobs at a steady pace and remembers what the server has promised to run.
type load struct {
	bed  *bed
	stop context.CancelFunc
	done chan struct{}

	mu       sync.Mutex
	promised map[int64]string // agent by job id
	refused  map[string]int   // clear answers other than 201
	dropped  int              // no answer: such a job may exist or not
}

func (b *bed) startLoad(every time.Duration, args any) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{bed: b, stop: cancel, done: make(chan struct{}), promised: map[int64]string{}, refused: map[string]int{}}
	go l.run(ctx, every, args) // ended by end
	b.t.Cleanup(l.end)
	return l
}

func (l *load) end() {
	l.stop()
	<-l.done
}

func (l *load) run(ctx context.Context, every time.Duration, args any) {
	defer close(l.done)
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			agent := loadKinds[n%len(loadKinds)]
			id, err := l.bed.enqueue(agent, args)
			l.note(agent, id, err)
		}
	}
}

func (l *load) note(agent string, id int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var answer *api.StatusError
	switch {
	case err == nil:
		l.promised[id] = agent
	case errors.As(err, &answer):
		l.refused[fmt.Sprintf("%d %s", answer.Status, http.StatusText(answer.Status))]++
	default:
		l.dropped++
	}
}

// ids lists the promised jobs.
func (l *load) ids() []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.promised))
}

// answers counts those that refused a job.
func (l *load) answers() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.refused)
}

func (l *load) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%d jobs promised, %d refused %v, %d without answer", len(l.promised), total(l.refused), l.refused, l.dropped)
}

func total(tally map[string]int) int {
	sum := 0
	for _, n := range tally {
		sum += n
	}
	return sum
}
