package jobs

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

func TestLimiterKeepsTheLimitAndTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter()
		l.setLimits(map[string]int{"a": 2})
		var mu sync.Mutex
		var order []int
		for i := range 6 {
			go func() {
				if err := l.acquire(t.Context(), "a"); err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
			}()
			synctest.Wait()
		}
		check := func(held int) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if l.held()["a"] != held {
				t.Errorf("%d slots are held, want %d", l.held()["a"], held)
			}
			for i, n := range order {
				if i != n {
					t.Errorf("order %v", order)
				}
			}
		}
		check(2)
		l.release("a")
		check(2)
		l.setLimits(map[string]int{"a": 3})
		check(3)
		l.setLimits(map[string]int{"a": 1})
		l.release("a")
		l.release("a")
		check(1)
		for _, held := range []int{1, 1, 0} {
			l.release("a")
			check(held)
		}
		if len(order) != 6 {
			t.Errorf("%d of 6 got their turn", len(order))
		}
	})
}

func TestLimiterGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter()
		if err := l.acquire(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		cause := errors.New("cause")
		ctx, cancel := context.WithCancelCause(t.Context())
		got := make(chan error, 1)
		go func() { got <- l.acquire(ctx, "a") }()
		synctest.Wait()
		cancel(cause)
		if err := <-got; !errors.Is(err, cause) {
			t.Errorf("error %v", err)
		}
		l.release("a")
		if err := l.acquire(t.Context(), "a"); err != nil || l.held()["a"] != 1 {
			t.Errorf("held %v, %v", l.held(), err)
		}
	})
}
