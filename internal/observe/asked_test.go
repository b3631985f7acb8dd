package observe

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A section asks an engine that hangs more than once within its deadline.
func TestWhoAsksAgainDoesNotWaitAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		by := newBackground()
		defer by.close()
		const fresh = 5 * time.Second
		var question asked[int]
		answered := func(context.Context) (int, error) { return 1, nil }
		hangs := func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }
		if a := question.get(t.Context(), by, fresh, answered); a.value != 1 || a.err != nil {
			t.Fatalf("answered %d (%v), want 1", a.value, a.err)
		}
		time.Sleep(fresh)

		began := time.Now()
		for range 3 {
			if a := question.get(t.Context(), by, fresh, hangs); a.value != 1 || a.err != nil {
				t.Errorf("while the question hangs the answer is %d (%v), want the last one", a.value, a.err)
			}
		}
		if took := time.Since(began); took != waitFor {
			t.Errorf("three who asked waited for %v, want %v", took, waitFor)
		}
		time.Sleep(askTimeout)
		if a := question.now(); a.value != 1 || a.err == nil {
			t.Errorf("after the question has failed the answer is %d (%v), want the last one with the error", a.value, a.err)
		}
	})
}
