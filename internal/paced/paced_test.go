package paced

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agentos/agentos/internal/engine"
)

const askTimeout = 10 * time.Second

// TestAQuestionKeepsToItsShare asks as often as it may for ten minutes: a question may use a hundredth of the time.
func TestAQuestionKeepsToItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		by := NewRefresher(askTimeout)
		defer by.Close()
		const cost = 800 * time.Millisecond
		var p Answer[int]
		asked := 0
		began := time.Now()
		for time.Since(began) < 10*time.Minute {
			_, at, err := p.Get(t.Context(), by, time.Second, 0.01, func(context.Context) (int, error) {
				asked++
				time.Sleep(cost)
				return asked, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if age := time.Since(at); age > 82*time.Second {
				t.Errorf("the answer is %v old", age)
			}
			time.Sleep(time.Second)
		}
		if used := time.Duration(asked) * cost; used > 6*time.Second+2*cost || // one more at the beginning: what it costs is not known then
			used < 5*time.Second {
			t.Errorf("it was asked %d times in ten minutes, which took %v, want about 6 s", asked, used)
		}
	})
}

func TestACheapQuestionIsAskedEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		by := NewRefresher(askTimeout)
		defer by.Close()
		var p Answer[int]
		asked := 0
		for range 10 {
			for range 3 { // the sections of one collection share it
				got, _, err := p.Get(t.Context(), by, time.Second, 0.01, func(context.Context) (int, error) { asked++; return asked, nil })
				if err != nil || got != asked {
					t.Errorf("%d, %v", got, err)
				}
			}
			time.Sleep(5 * time.Second)
		}
		if asked != 10 {
			t.Errorf("it was asked %d times, want 10", asked)
		}
	})
}

func TestASlowQuestionHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		by := NewRefresher(askTimeout)
		var p Answer[int]
		var n atomic.Int64
		ask := func(context.Context) (int, error) { time.Sleep(5 * time.Second); return int(n.Add(1)), nil }
		began := time.Now()
		if _, _, err := p.Get(t.Context(), by, time.Second, 0.5, ask); !errors.Is(err, engine.ErrUnavailable) || time.Since(began) > waitFor {
			t.Errorf("before the first answer: %v after %v", err, time.Since(began))
		}
		time.Sleep(time.Minute)
		first := time.Now()
		got, at, err := p.Get(t.Context(), by, time.Second, 0.5, ask)
		if err != nil || got != 1 || time.Since(first) != waitFor || time.Since(at) < time.Minute {
			t.Errorf("while it is asked again: %d of %v, %v", got, at, err)
		}
		by.Close()
	})
}

func TestAQuestionThatFailsIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		by := NewRefresher(askTimeout)
		defer by.Close()
		var p Answer[int]
		down := true
		ask := func(context.Context) (int, error) {
			if down {
				time.Sleep(500 * time.Millisecond)
				return 0, errors.New("down")
			}
			return 7, nil
		}
		if _, _, err := p.Get(t.Context(), by, time.Second, 0.001, ask); err == nil {
			t.Error("no error")
		}
		down = false
		time.Sleep(retryWithin)
		if got, _, err := p.Get(t.Context(), by, time.Second, 0.001, ask); err != nil || got != 7 {
			t.Errorf("%d, %v", got, err)
		}
	})
}

// What may be old is not waited for once it is there.
func TestAnAnswerThatMayBeOldIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		by := NewRefresher(askTimeout)
		defer by.Close()
		var p Answer[int]
		n := 0
		ask := func(ctx context.Context) (int, error) {
			n++
			time.Sleep(500 * time.Millisecond) // of the bubble's own time
			return n, nil
		}
		began := time.Now()
		if got, _, err := p.Soon(t.Context(), by, time.Second, 1, ask); got != 1 || err != nil || time.Since(began) != 500*time.Millisecond {
			t.Errorf("the first answer is %d, %v, after %v", got, err, time.Since(began))
		}
		time.Sleep(10 * time.Second)
		began = time.Now()
		if got, _, err := p.Soon(t.Context(), by, time.Second, 1, ask); got != 1 || err != nil || time.Since(began) != 0 {
			t.Errorf("the old answer is %d, %v, after %v", got, err, time.Since(began))
		}
		time.Sleep(time.Second)
		if got := p.Last(); got != 2 {
			t.Errorf("the new answer is %d", got)
		}
	})
}

// A section asks an engine that hangs more than once within its deadline.
func TestWhoAsksAgainDoesNotWaitAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		by := NewRefresher(askTimeout)
		defer by.Close()
		const fresh = 5 * time.Second
		var question Answer[int]
		answered := func(context.Context) (int, error) { return 1, nil }
		hangs := func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }
		if got, _, err := question.Get(t.Context(), by, fresh, 0, answered); got != 1 || err != nil {
			t.Fatalf("answered %d (%v), want 1", got, err)
		}
		time.Sleep(fresh)

		began := time.Now()
		for range 3 {
			if got, _, err := question.Get(t.Context(), by, fresh, 0, hangs); got != 1 || err != nil {
				t.Errorf("while the question hangs the answer is %d (%v), want the last one", got, err)
			}
		}
		if took := time.Since(began); took != waitFor {
			t.Errorf("three who asked waited for %v, want %v", took, waitFor)
		}
		time.Sleep(askTimeout)
		if _, err := question.Tried(); question.Last() != 1 || err == nil {
			t.Errorf("after the question has failed the answer is %d (%v), want the last one with the error", question.Last(), err)
		}
	})
}
