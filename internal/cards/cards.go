// Package cards keeps what was collected last of the sections that the agents' file declares: the cards of the dashboard that are the
// user's own. Each is collected in the background at its own pace, so that one that hangs delays neither another nor the document.
package cards

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/document"
)

// A Card is one section and how it is collected.
type Card struct {
	Name, Title, Place, Link string
	Show                     document.OwnShow
	Role                     document.OwnRole // who may see the value; empty: everybody

	// Definition changes with whatever the value depends on; it is never shown. Another one begins anew.
	Definition string
	// Mark is the same without any secret, in short, for the document: a leader takes over only values of its own mark.
	Mark string

	Every, Timeout time.Duration

	// Collect returns the value. It is never called twice at the same time for one definition. One that ignores its context is shown as
	// failed, and is not called again before it has returned. It may panic: that is a failure like any other.
	Collect func(ctx context.Context) (document.OwnValue, error)
}

// Options of a Keeper.
type Options struct {
	// Lead reports whether this process collects; the others show what the leader has published.
	Lead func() bool
	// Shown returns the document that is shown at present, with whose values a new leader begins; nil is none.
	Shown func() *document.Document
	// Changed is called when a card got its first value, failed first, works again or has another level.
	Changed func()
	Log     *slog.Logger
}

const (
	// leadEvery is how often a process that does not lead looks whether it does.
	leadEvery = time.Second
	// grace is how long a collection may take to end by itself and to say why it failed, after its time is over; and once more after it
	// was cancelled.
	grace = 250 * time.Millisecond
	// mostBytes is how large a value may be: one that is twice as large as a section of the file may have is a mistake of its collector.
	mostBytes = 8 << 10
	// stopTimeout is how long Run waits at its end for collections that ignore their context.
	stopTimeout = time.Second
)

// A Keeper collects cards and keeps their last good values. All methods are safe for concurrent use.
type Keeper struct {
	opts Options
	wake chan struct{}
	busy sync.WaitGroup // collections under way

	mu    sync.Mutex
	cards []*kept
}

// kept is a card with what is known of it. The keeper's lock guards it.
type kept struct {
	Card
	value *document.OwnValue // the last good one; nil: none
	asOf  time.Time
	took  *float64
	err   string // of the last attempt; empty: it succeeded, or there was none
	since time.Time
	due   time.Time
	busy  bool // an attempt has not returned
	drop  context.CancelFunc
}

// New makes a keeper without cards.
func New(opts Options) *Keeper { return &Keeper{opts: opts, wake: make(chan struct{}, 1)} }

// Set replaces the cards. One whose definition is as before keeps its value and its turn; the others are due at once.
func (k *Keeper) Set(cards []Card) {
	k.mu.Lock()
	defer k.mu.Unlock()
	before := map[string]*kept{}
	for _, c := range k.cards {
		before[c.Name] = c
	}
	k.cards = nil
	for _, card := range cards {
		c := before[card.Name]
		if c != nil && c.Definition == card.Definition {
			delete(before, card.Name)
			c.Card = card
		} else {
			c = &kept{Card: card}
		}
		k.cards = append(k.cards, c)
	}
	for _, c := range before {
		c.cancel()
	}
	k.stir()
}

func (c *kept) cancel() {
	if c.drop != nil {
		c.drop()
	}
}

// stir wakes Run.
func (k *Keeper) stir() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Own returns the cards as they are, at once.
func (k *Keeper) Own() document.Own {
	k.mu.Lock()
	defer k.mu.Unlock()
	own := document.Own{Items: make(map[string]document.OwnSection, len(k.cards))}
	for i, c := range k.cards {
		own.Items[c.Name] = c.describe(i)
	}
	return own
}

func (c *kept) describe(order int) document.OwnSection {
	s := document.OwnSection{
		Order: order, Title: c.Title, Place: c.Place, Show: c.Show, Link: c.Link, Role: c.Role, EveryS: c.Every.Seconds(), Definition: c.Mark,
		Value: c.value, AsOf: timeOf(c.asOf), TookMS: c.took, FailingSince: timeOf(c.since),
	}
	if c.err != "" {
		s.Error = new(c.err)
	}
	if c.Role != "" { // every viewer gets the document
		s.Value = nil
		if s.Error != nil {
			s.Error = new("The last attempt failed.")
		}
	}
	return s
}

func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(t.UTC().Truncate(time.Millisecond))
}

// Run collects the cards, while this process leads, until ctx ends, and then waits briefly for what is under way.
func (k *Keeper) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for led := false; ctx.Err() == nil; {
		lead := k.opts.Lead()
		if lead && !led {
			k.takeOver()
		}
		led = lead
		next := leadEvery
		if lead {
			next = min(next, k.start(ctx))
		}
		timer.Reset(next)
		select {
		case <-timer.C:
		case <-k.wake:
		case <-ctx.Done():
		}
	}
	over := make(chan struct{})
	go func() { k.busy.Wait(); close(over) }()
	stop := time.NewTimer(stopTimeout)
	defer stop.Stop()
	select {
	case <-over:
	case <-stop.C:
	}
}

// takeOver begins with the values that are shown, where they are newer and of the same mark, and makes every card due: the values
// have their age, and whether this process can collect them too shows at once.
func (k *Keeper) takeOver() {
	var shown map[string]document.OwnSection
	if doc := k.opts.Shown(); doc != nil && doc.Own != nil {
		shown = doc.Own.Items
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range k.cards {
		c.due = time.Time{}
		if s, some := shown[c.Name]; some && s.Definition == c.Mark && s.Value != nil && s.AsOf != nil && s.AsOf.After(c.asOf) {
			c.value, c.asOf = s.Value, *s.AsOf
		}
	}
}

// start starts all cards that are due, and returns when the next one is.
func (k *Keeper) start(ctx context.Context) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, next := time.Now(), leadEvery
	for _, c := range k.cards {
		if c.busy {
			continue // its end wakes Run
		}
		if now.Before(c.due) {
			next = min(next, c.due.Sub(now))
			continue
		}
		c.due, c.busy = now.Add(c.Every), true
		life, cancel := context.WithTimeout(ctx, c.Timeout+grace)
		c.drop = cancel
		k.busy.Go(func() {
			defer cancel()
			k.collect(life, c, now)
		})
	}
	return next
}

// collect runs one attempt. What has not returned soon after its time is over has failed, and is waited for.
func (k *Keeper) collect(ctx context.Context, c *kept, started time.Time) {
	k.mu.Lock()
	card := c.Card
	k.mu.Unlock()
	type outcome struct {
		value document.OwnValue
		err   error
	}
	returned := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			if p := recover(); p != nil {
				k.opts.Log.Error("a section of the agents' file panicked", "section", card.Name, "panic", p, "stack", string(debug.Stack()))
				o.err = fmt.Errorf("it panicked: %v", p)
			}
			returned <- o
		}()
		o.err = errors.New("it ended without an answer") // by runtime.Goexit
		o.value, o.err = card.Collect(ctx)
	}()
	var o outcome
	select {
	case o = <-returned:
		k.record(ctx, c, started, o.value, o.err)
	case <-ctx.Done():
		late := time.NewTimer(grace)
		defer late.Stop()
		select {
		case o = <-returned:
			k.record(ctx, c, started, o.value, o.err)
		case <-late.C:
			k.record(ctx, c, started, document.OwnValue{}, context.DeadlineExceeded)
			<-returned
		}
	}
	k.mu.Lock()
	c.busy = false
	k.mu.Unlock()
	k.stir()
}

// record keeps what an attempt came to. A failed one leaves the last good value.
func (k *Keeper) record(ctx context.Context, c *kept, started time.Time, value document.OwnValue, err error) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return // the card or the run has ended: that says nothing of the source
	}
	if err == nil {
		err = check(value)
	}
	k.mu.Lock()
	took := float64(time.Since(started).Microseconds()) / 1000
	c.took = &took
	first, failed, level := c.value == nil, c.err != "", document.OwnLevel("")
	if c.value != nil {
		level = c.value.Level
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %v", c.Timeout)
	}
	if err != nil {
		if c.err = err.Error(); !failed {
			c.since = started
		}
	} else {
		c.value, c.asOf, c.err, c.since = &value, started, "", time.Time{}
	}
	name := c.Name
	k.mu.Unlock()

	switch {
	case err != nil && !failed:
		k.opts.Log.Warn("a section of the agents' file cannot be collected", "section", name, "error", err)
	case err == nil && failed:
		k.opts.Log.Info("a section of the agents' file is collected again", "section", name)
	case err == nil && (first || value.Level != level):
	default:
		return
	}
	k.opts.Changed()
}

// check reports why a value cannot be in the document.
func check(value document.OwnValue) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("the value cannot be shown: %w", err)
	}
	if len(text) > mostBytes {
		return fmt.Errorf("the value has %d bytes, at most %d are shown", len(text), mostBytes)
	}
	return nil
}
