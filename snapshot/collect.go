package snapshot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"
)

// A section is a Section and what the warmer knows of it. The warmer's lock guards it.
type section struct {
	Section

	value json.RawMessage // the last good one; nil = null
	asOf  time.Time       // when it was collected; zero = never
	took  time.Duration   // of the last attempt
	err   string          // of the last attempt; empty = it succeeded

	call    *call // the attempt that has not returned
	started time.Time
	judged  time.Time       // when the last attempt was started whose outcome is known
	due     time.Time       // next tick
	touched bool            // nudged since it was last started
	catchUp bool            // may start ahead of its turn, see scheduleCatchUp
	ahead   time.Duration   // how much the last start was
	charged float64         // what part of its cost the last attempt took; 1 unless it failed early
	cost    time.Duration   // moving average of what attempts typically take that do not time out
	recent  []time.Duration // what the last three of them took
	gap     time.Duration   // least time between two starts, by the budget
	hanging bool            // the last attempt timed out, or failed after a long wait

	collects, failures, timeouts, panics uint64
	total                                time.Duration
}

// A call is one attempt to collect a section.
type call struct {
	started   time.Time
	asOf      time.Time // of what it yielded
	batch     *batch
	completed bool // its outcome is known: it has returned or its deadline is over
}

// A batch is the calls that were started together and are to be published together.
type batch struct {
	waiting  int       // calls that have not completed
	deadline time.Time // when their delay is over
	fresh    bool      // some have completed and are not published yet
}

var (
	errNoAnswer = errors.New("no answer by the deadline")
	errGone     = errors.New("the source ended its goroutine") // by runtime.Goexit
)

// start collects sections as one batch. ctx ends with the run. w.mu is held.
func (w *warmer) start(ctx context.Context, sections []*section, now time.Time) {
	if len(sections) == 0 {
		return
	}
	b := &batch{waiting: len(sections), deadline: now.Add(w.opts.PublishDelay)}
	w.batches = append(w.batches, b)
	for _, s := range sections {
		if s.touched {
			s.touched = false
			w.nudged, w.touched = now, time.Time{}
		}
		if w.throttled(s) {
			w.probed, w.probeAt = now, now.Add(max(w.opts.Interval, w.probeGap))
		}
		s.call = &call{started: now, batch: b}
		s.ahead = max(0, s.turn().Sub(now))
		if !s.catchUp {
			s.ahead = 0 // it was asked for by a viewer or an operator
		}
		s.started, s.catchUp, s.charged = now, false, 1
		s.due = nextTick(s.due, s.Every, now)
		w.collect(ctx, s, s.call)
	}
}

// nextTick is the next time after now on the grid of ticks, so that sections of one cadence stay together.
func nextTick(due time.Time, every time.Duration, now time.Time) time.Time {
	if due.IsZero() || due.After(now) {
		return now.Add(every)
	}
	return now.Add(every - now.Sub(due)%every)
}

// collect runs one attempt in a goroutine of its own, which ends when the source returns. By the deadline the attempt
// is completed, whatever the source does.
func (w *warmer) collect(ctx context.Context, s *section, c *call) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.Deadline, errNoAnswer)
	expire := context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.complete(ctx, s, c, nil, nil)
	})
	go func() {
		defer cancel()
		value, asOf, err := json.RawMessage(nil), time.Time{}, errGone
		defer func() {
			expire()
			w.mu.Lock()
			defer w.mu.Unlock()
			if c.asOf = c.started; !asOf.IsZero() {
				c.asOf = later(earlier(c.started, asOf), earliest) // an older document would be refused
			}
			w.complete(ctx, s, c, value, err)
			s.call = nil // it may be called again: whoever sees it completed must see that too
			w.announce()
		}()
		value, asOf, err = attempt(ctx, s.Collect, s.MaxBytes)
	}()
}

// attempt calls a source and encodes what it returns. One that panics has failed.
func attempt(ctx context.Context, collect func(context.Context) (any, error), maxBytes int) (value json.RawMessage, asOf time.Time, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{p, debug.Stack()}
		}
	}()
	found, err := collect(ctx)
	if err != nil {
		return nil, asOf, err
	}
	if aged, some := found.(Aged); some {
		found, asOf = aged.Value, aged.AsOf
	}
	value, err = encodeValue(found, maxBytes)
	return value, asOf, err
}

// A panicError is a source's panic.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// complete records the outcome of an attempt, once. w.mu is held.
func (w *warmer) complete(ctx context.Context, s *section, c *call, value json.RawMessage, err error) {
	if c.completed {
		return
	}
	now := time.Now()
	c.completed = true
	c.batch.waiting--
	defer w.announce()
	if ctx.Err() != nil {
		if err = context.Cause(ctx); !errors.Is(err, errNoAnswer) {
			return // the run has ended: that says nothing of the source
		}
		err = fmt.Errorf("%w of %v", errNoAnswer, s.Deadline)
	}
	c.batch.fresh = true
	w.dirty = w.dirty || c.batch.waiting == 0 || !now.Before(c.batch.deadline)
	w.record(s, c, value, err, now)
	w.rebudget()
}

// record keeps what an attempt yielded. A failed one leaves the last good value. w.mu is held.
func (w *warmer) record(s *section, c *call, value json.RawMessage, err error, now time.Time) {
	s.judged, s.took = c.started, now.Sub(c.started)
	s.total += s.took
	s.collects++
	hung := errors.Is(err, errNoAnswer)
	// What fails after half its time has waited in vain too, for a lock or a server. That is no cost of the source's, and
	// counted as one it would slow the section long after the wait is over.
	waited := hung || err != nil && s.took >= s.Deadline/2
	if err != nil && !waited && s.took < s.cost {
		s.charged = float64(s.took) / float64(s.cost)
	}
	if !waited {
		s.cost = average(s.cost, s.typical(s.took))
	}
	if err != nil {
		s.failures++
		count(&s.timeouts, hung)
		count(&s.panics, errors.As(err, new(*panicError)))
	} else {
		s.asOf = c.asOf // no part of the value is older
		if !bytes.Equal(s.value, value) {
			s.value = value
		}
	}
	back := err == nil && s.err != ""
	w.report(s, err)
	w.mark(s, waited, now)
	switch {
	case back:
		w.backAt = now
		w.scheduleCatchUp(now)
	case err != nil && c.started.Before(w.backAt): // what it waited for has come back meanwhile
		w.scheduleCatchUp(now)
	}
}

// typical is the median of the last three costs: one attempt that had to wait for something rare, a lock or a disk, says
// little of the source, and would slow it for minutes. So would the first one, which finds everything cold: it alone
// says nothing.
func (s *section) typical(latest time.Duration) time.Duration {
	s.recent = append(s.recent, latest)
	switch len(s.recent) {
	case 1:
		return 0
	case 2:
		return min(s.recent[0], latest)
	case 4:
		s.recent = s.recent[1:]
	}
	return slices.Sorted(slices.Values(s.recent))[1]
}

// average follows a cost: a third of what is new, two thirds of what was.
func average(old, latest time.Duration) time.Duration {
	if old == 0 {
		return latest
	}
	return old + (latest-old)/3
}

func count(counter *uint64, yes bool) {
	if yes {
		*counter++
	}
}

// report keeps and logs the state of a section, once per change. w.mu is held.
func (w *warmer) report(s *section, err error) {
	old := s.err
	s.err = ""
	if err != nil {
		if s.err = err.Error(); s.err == "" {
			s.err = "failed without a reason"
		}
		s.err = clipError(s.err)
	}
	var panicked *panicError
	switch {
	case s.err == old:
	case errors.As(err, &panicked):
		w.opts.Log.Error("source panicked, the section's last good value stays", "section", s.Name,
			"panic", panicked.value, "stack", string(panicked.stack))
	case s.err != "":
		w.opts.Log.Warn("section fails, its last good value stays", "section", s.Name, "error", err.Error())
	default:
		w.opts.Log.Info("section works again", "section", s.Name)
	}
}

// maxErrorBytes bounds an error in the document, escaped as JSON; the log has all of it.
const maxErrorBytes = 400

// clipError cuts a text to what the document has room for.
func clipError(text string) string {
	encoded, _ := json.Marshal(text) // a string always encodes
	if len(encoded) <= maxErrorBytes {
		return text
	}
	runes := []rune(text[:min(len(text), maxErrorBytes)])
	for len(encoded) > maxErrorBytes-len("…") {
		runes = runes[:len(runes)-1-len(runes)/20]
		encoded, _ = json.Marshal(string(runes))
	}
	return string(runes) + "…"
}

// announce wakes Run and whoever waits for calls to end. w.mu is held.
func (w *warmer) announce() {
	close(w.changed)
	w.changed = make(chan struct{})
	w.stir()
}
