// Package bounded calls what may hang, fail or panic, so that the caller does not.
package bounded

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// hangTimeout is how long one waits for what hung when it was last called: long enough to see that it is well again,
// short enough that nobody is held up.
const hangTimeout = 25 * time.Millisecond

// A Caller makes calls of one kind to what may hang: one at a time, each in a goroutine of its own, which ends when the
// call returns. What hung the last time is called all the same, but hardly waited for. Safe for concurrent use.
type Caller struct {
	slot  chan struct{} // holds one while a call has not returned
	hangs atomic.Bool   // the last call was not answered in time
}

// NewCaller makes a caller that has not called yet.
func NewCaller() *Caller { return &Caller{slot: make(chan struct{}, 1)} }

// Call makes a call with a deadline. It waits for an earlier one first; neither may take longer than the deadline. Only
// if it returns nil is what the call has written its caller's to read: else the call may still be under way.
func (c *Caller) Call(ctx context.Context, deadline time.Duration, do func(context.Context) error) error {
	timeout := deadline
	if c.hangs.Load() {
		timeout = min(timeout, hangTimeout)
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case c.slot <- struct{}{}:
	case <-timer.C:
		return c.tooLate(deadline)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	timer.Reset(timeout)
	returned := make(chan error, 1)
	go func() {
		began := time.Now()
		limited, cancel := context.WithTimeout(ctx, deadline)
		defer cancel()
		err := Protect(func() error { return do(limited) })
		c.hangs.Store(time.Since(began) >= deadline)
		<-c.slot
		returned <- err
	}()
	select {
	case err := <-returned:
		return err
	case <-timer.C:
		return c.tooLate(deadline)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Hangs reports whether the last call was not answered in time: the next one is hardly waited for.
func (c *Caller) Hangs() bool { return c.hangs.Load() }

// NoteHang records whether what is called hangs, as a call of another kind has found it.
func (c *Caller) NoteHang(hangs bool) { c.hangs.Store(hangs) }

// tooLate notes that there was no answer. Its text is the same however long was waited this time.
func (c *Caller) tooLate(deadline time.Duration) error {
	c.hangs.Store(true)
	return fmt.Errorf("no answer within %v", deadline)
}

// Protect turns a panic into an error.
func Protect(call func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return call()
}

// Pause waits for d, or until ctx ends.
func Pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
