//go:build linux

package faults

import (
	"flag"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// turns lets so many faults of the short run happen at a time, and of those that wait the longest first: what begins last is then
// over soon. Go's own limit picks any of them, and the whole run waits for the longest if that comes last.
type turns struct {
	mu      sync.Mutex
	free    int
	open    bool // all that want to run have said so
	waiting []*turn
}

type turn struct {
	length time.Duration // about
	comes  chan struct{}
}

// assembly is how long the first one waits for the others, which all come at once: when the tests that run alone are over.
const assembly = time.Second

var order turns

// begin takes over the limit of -parallel.
func (o *turns) begin() error {
	flag.Parse()
	limit := flag.Lookup("test.parallel")
	var err error
	if o.free, err = strconv.Atoi(limit.Value.String()); err != nil {
		return err
	}
	return limit.Value.Set("1000")
}

// take waits for a turn.
func (o *turns) take(length time.Duration) {
	mine := &turn{length, make(chan struct{})}
	o.mu.Lock()
	if !o.open && len(o.waiting) == 0 {
		time.AfterFunc(assembly, func() {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.open = true
			o.grant()
		})
	}
	o.waiting = append(o.waiting, mine)
	o.grant()
	o.mu.Unlock()
	<-mine.comes
}

func (o *turns) release() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.free++
	o.grant()
}

func (o *turns) grant() {
	slices.SortStableFunc(o.waiting, func(a, b *turn) int { return int(b.length - a.length) })
	for o.open && o.free > 0 && len(o.waiting) > 0 {
		o.free--
		close(o.waiting[0].comes)
		o.waiting = o.waiting[1:]
	}
}

// What faults take in the short run, about.
const (
	moments = 20 * time.Second
	aMinute = time.Minute
	minutes = 4 * time.Minute
	soaking = 6 * time.Minute
)

// inTurn lets faults run several at a time in the short form; in the full one each has the machine for itself, for clean
// numbers.
func inTurn(t *testing.T, length time.Duration) {
	t.Helper()
	if !testing.Short() {
		return
	}
	t.Parallel()
	order.take(length)
	began := time.Now()
	t.Cleanup(func() {
		t.Logf("its turn took %s", seconds(time.Since(began)))
		order.release()
	})
}

// inTurns is for a test whose parts take turns.
func inTurns(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Parallel()
	}
}
