package snapshot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/agentos/agentos/snapshot/internal/jsonpatch"
	"github.com/agentos/agentos/snapshot/internal/layout"
)

// warmerOptions are those of the Options that concern the warmer; Name is Options.Process.
type warmerOptions struct {
	Interval     time.Duration
	PublishDelay time.Duration
	Budget       float64
	Name         string
	Log          *slog.Logger
}

const (
	// publishGap keeps publishes at four a second, whatever happens.
	publishGap = 250 * time.Millisecond

	// nudgeDebounce lets nudges that belong together, as those of one transaction, share one collection.
	nudgeDebounce = 5 * time.Millisecond

	// stopTimeout is how long Run waits at its end for sources that ignore their context.
	stopTimeout = time.Second
)

func (o warmerOptions) withDefaults() warmerOptions {
	o.Interval = orDefault(o.Interval, 5*time.Second)
	o.PublishDelay = orDefault(o.PublishDelay, 500*time.Millisecond)
	if o.Budget == 0 {
		o.Budget = 0.1
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// A warmer keeps a cache's document new: it collects the sections, each in its own goroutine with its own deadline, and
// publishes what is there. All methods are safe for concurrent use.
type warmer struct {
	cache  *cache
	opts   warmerOptions
	layout *layout.Layout
	gap    time.Duration // least time between two publishes
	wake   chan struct{} // wakes Run

	mu        sync.Mutex // guards what follows; never held while a source or a tier is called
	running   bool
	born      time.Time
	begun     time.Time // the last run
	sections  []*section
	batches   []*batch      // with calls that have not ended
	changed   chan struct{} // closed, and replaced, whenever a call ends
	dirty     bool          // something is to be published as soon as the gap allows
	attempted time.Time     // the last publish, refused ones included
	published time.Time
	refusal   string
	touched   time.Time // the first nudge that no collection has followed yet
	nudged    time.Time // the last collection that followed a nudge
	probed    time.Time // when one of the sections that time out was tried last
	probeAt   time.Time // when the budget lets the next of them be tried
	probeGap  time.Duration
	backAt    time.Time // when a section that had failed last worked again
	catchUpAt time.Time // when failed sections were last to be tried ahead of their turns
	publishes uint64
	refused   uint64
}

// newWarmer makes a warmer for the cache, and gives the cache its way to rebuild. The order of the sections is the order of
// the document. The error names all that is wrong with the sections.
func newWarmer(cache *cache, sections []Section, opts warmerOptions) (*warmer, error) {
	opts = opts.withDefaults()
	checked, err := checkSections(sections, opts.Interval)
	if err != nil {
		return nil, fmt.Errorf("new warmer: %w", err)
	}
	var paths []string
	for _, s := range checked {
		paths = append(paths, s.Path)
	}
	arranged, err := layout.New(paths)
	if err != nil {
		return nil, fmt.Errorf("new warmer: %w", err)
	}
	w := &warmer{
		cache: cache, opts: opts, layout: arranged,
		gap: min(publishGap, opts.Interval), wake: make(chan struct{}, 1),
		born: time.Now(), changed: make(chan struct{}),
	}
	for _, s := range checked {
		w.sections = append(w.sections, &section{Section: s})
	}
	cache.collectBy(arranged.Paths, w.Rebuild)
	return w, nil
}

// Run collects and publishes until ctx ends, and then waits briefly for the sources under way. It starts from the values
// of the cache's current document where they are newer than its own. It returns an error only if it already runs.
func (w *warmer) Run(ctx context.Context) error {
	if err := w.begin(time.Now()); err != nil {
		return err
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		timer.Reset(time.Until(w.step(ctx, time.Now())))
		select {
		case <-timer.C:
		case <-w.wake:
		case <-ctx.Done():
		}
	}
	w.finish()
	return nil
}

// Nudge says that something has changed in the sections of these names, or anywhere when none is given: they are
// collected and published within about 10 ms when all was quiet, and within a quarter of a second when nudges follow
// each other, unless the budget says that a costly section must wait. Unknown names are ignored. It does not block.
func (w *warmer) Nudge(sections ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sections {
		if len(sections) == 0 || slices.Contains(sections, s.Name) {
			s.touched = true
			if w.touched.IsZero() {
				w.touched = time.Now()
			}
		}
	}
	w.stir()
}

// Refresh collects all sections now, whatever the budget says, and publishes. Sections that are being collected already
// are joined. It needs no Run. The error says that no section could be collected, or that ctx ended before one was.
func (w *warmer) Refresh(ctx context.Context) error {
	return w.refresh(ctx, func(*section, time.Time) bool { return true })
}

// Rebuild is Refresh for the ladder, which may ask once a second: it keeps to the budget.
func (w *warmer) Rebuild(ctx context.Context) error { return w.refresh(ctx, w.affordable) }

func (w *warmer) refresh(ctx context.Context, wanted func(*section, time.Time) bool) error {
	started := time.Now()
	w.mu.Lock()
	w.seed()
	var idle []*section
	for _, s := range w.sections {
		if s.call == nil && wanted(s, started) {
			idle = append(idle, s)
		}
	}
	w.start(context.WithoutCancel(ctx), idle, started) // shared with others: one who leaves does not end it
	w.mu.Unlock()

	delay := time.NewTimer(w.opts.PublishDelay)
	defer delay.Stop()
	for delayOver := false; ; {
		over, changed, err := w.conclude(started, delayOver)
		if over {
			return err
		}
		select {
		case <-changed:
		case <-delay.C:
			delayOver = true
		case <-ctx.Done():
			return fmt.Errorf("collect: %w", context.Cause(ctx))
		}
	}
}

// conclude ends a refresh when every section has answered, or when the delay is over and at least one has.
func (w *warmer) conclude(started time.Time, delayOver bool) (over bool, changed <-chan struct{}, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	waiting, good, failure := 0, 0, ""
	for _, s := range w.sections {
		switch {
		case s.call != nil && !s.call.completed:
			waiting++
		case s.err != "":
			failure = s.Name + ": " + s.err
		case s.collects > 0:
			good++
		}
	}
	switch {
	case waiting > 0 && (good == 0 || !delayOver):
		return false, w.changed, nil
	case good == 0:
		return true, nil, fmt.Errorf("no section could be collected, the last one: %s", failure)
	case w.unpublished() || w.published.Before(started):
		return true, nil, w.publish(time.Now())
	}
	return true, nil, nil
}

// Stats returns the counts so far.
func (w *warmer) Stats() warmerStats {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	stats := warmerStats{
		Publishes: w.publishes, Refused: w.refused, Error: w.refusal, Published: w.published,
		Sections: make(map[string]SectionStats, len(w.sections)),
	}
	for _, s := range w.sections {
		m := w.describe(s, now)
		stats.Sections[s.Name] = SectionStats{
			SectionMeta: m,
			Collects:    s.collects, Failures: s.failures, Timeouts: s.timeouts, Panics: s.panics,
			TotalTook: s.total, Bytes: len(s.value), Running: s.call != nil,
		}
	}
	return stats
}

// begin prepares a run: all sections are due.
func (w *warmer) begin(now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running {
		return errors.New("the warmer already runs")
	}
	w.running, w.begun = true, now
	w.seed()
	for _, s := range w.sections {
		s.due = now
	}
	return nil
}

// seed takes over the values of the cache's document that are newer than the warmer's own, with the time of their
// collection and what has failed since: those of an earlier process, or of the one that collected before this one took
// over. w.mu is held.
func (w *warmer) seed() {
	doc := w.cache.Current()
	if doc == nil {
		return
	}
	for i, s := range w.sections {
		found := doc.Sections[s.Name]
		value, ok := jsonpatch.Lookup(doc.JSON, w.layout.Paths[i])
		if ok && jsonpatch.IsObject(value) && found.AsOf.After(s.asOf) {
			s.value, s.asOf, s.err = value, found.AsOf, found.Error
		}
	}
}

// publish publishes all values as they are. w.mu is held.
func (w *warmer) publish(now time.Time) error {
	w.attempted, w.dirty = now, false
	for _, b := range w.batches {
		b.fresh = false
	}
	d := draft{
		layout: w.layout, at: now.Round(0), interval: w.opts.Interval, publisher: w.opts.Name, // Round: a suspended host's time counts too
		sections: make(map[string]SectionMeta, len(w.sections)),
	}
	some := false
	for _, s := range w.sections {
		d.values = append(d.values, s.value)
		d.sections[s.Name] = w.describe(s, now)
		some = some || !s.asOf.IsZero()
	}
	if !some {
		return errors.New("no section has a value yet")
	}
	_, err := w.cache.publish(d)
	switch {
	case errors.Is(err, errNotAllowed):
		return err
	case err != nil:
		w.refuse(err)
		return err
	}
	if w.refusal != "" {
		w.opts.Log.Info("documents are published again")
	}
	w.published, w.refusal = now, ""
	w.publishes++
	return nil
}

// Republish publishes once more what was published before, as a new revision.
func (w *warmer) Republish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.publishes > 0 {
		w.dirty = true
		w.stir()
	}
}

// refuse records that the cache did not take a document. The last one stays. w.mu is held.
func (w *warmer) refuse(err error) {
	w.refused++
	if w.refusal == "" {
		w.opts.Log.Error("document not published, the last one stays", "error", err)
	}
	w.refusal = err.Error()
}

// ProbeAll tries all sections at once, whatever the budget says, while the warmer runs. It does not wait for them.
func (w *warmer) ProbeAll(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.running {
		return
	}
	var idle []*section
	for _, s := range w.sections {
		if s.call == nil {
			idle = append(idle, s)
		}
	}
	w.start(ctx, idle, time.Now())
}

// AllSourcesFailing reports whether every metered section has failed since the run began, or has been without an answer for half its
// time, so that another process may do better. That a section is being tried again says nothing.
func (w *warmer) AllSourcesFailing() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, some := time.Now(), false
	for _, s := range w.sections {
		if s.Unmetered {
			continue
		}
		failed := s.err != "" && !s.judged.Before(w.begun)
		waits := s.call != nil && !s.call.completed && now.Sub(s.call.started) >= s.Deadline/2
		if !failed && !waits {
			return false
		}
		some = true
	}
	return some
}

// finish ends a run: the sources' contexts have ended, and those who honour that are waited for.
func (w *warmer) finish() {
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	for changed := w.calling(); changed != nil; changed = w.calling() {
		select {
		case <-changed:
			continue
		case <-timer.C:
		}
		break
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = false
}

// calling is closed when the next call ends; nil = none is under way.
func (w *warmer) calling() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sections {
		if s.call != nil {
			return w.changed
		}
	}
	return nil
}

// stir wakes Run. w.mu is held.
func (w *warmer) stir() {
	select {
	case w.wake <- struct{}{}:
	default: // it is awake already
	}
}
