package snapshot

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// hangPatience is how long one waits for what hung when it was last called: long enough to see that it is well again,
// short enough that nobody is held up.
const hangPatience = 25 * time.Millisecond

// A caller makes calls of one kind to what may hang: one at a time, each in a goroutine of its own, which ends when the
// call returns. What hung the last time is called all the same, but hardly waited for. Safe for concurrent use.
type caller struct {
	slot  chan struct{} // holds one while a call has not returned
	hangs atomic.Bool   // the last call was not answered in time
}

func newCaller() *caller { return &caller{slot: make(chan struct{}, 1)} }

// call makes a call with a deadline. It waits for an earlier one first; neither may take longer than the deadline. Only
// if it returns nil is what the call has written its caller's to read: else the call may still be under way.
func (c *caller) call(ctx context.Context, deadline time.Duration, do func(context.Context) error) error {
	patience := deadline
	if c.hangs.Load() {
		patience = min(patience, hangPatience)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case c.slot <- struct{}{}:
	case <-timer.C:
		return c.tooLate(deadline)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	timer.Reset(patience)
	returned := make(chan error, 1)
	go func() {
		began := time.Now()
		limited, cancel := context.WithTimeout(ctx, deadline)
		defer cancel()
		err := protect(func() error { return do(limited) })
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

// tooLate notes that there was no answer. Its text is the same however long was waited this time.
func (c *caller) tooLate(deadline time.Duration) error {
	c.hangs.Store(true)
	return fmt.Errorf("no answer within %v", deadline)
}

// protect turns a panic into an error.
func protect(call func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return call()
}
