package observe

import (
	"context"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/engine"
)

const (
	// waitFor is how long after a question was asked one waits for its answer, before taking the last one there was. A section asks
	// several questions of an engine that hangs, and has to show what is known before its own deadline.
	waitFor = time.Second
	// askTimeout bounds a question.
	askTimeout = 10 * time.Second
)

// background runs questions beyond those who wanted to know.
type background struct {
	life context.Context
	end  context.CancelFunc
	busy sync.WaitGroup
}

func newBackground() *background {
	b := &background{}
	b.life, b.end = context.WithCancel(context.Background())
	return b
}

func (b *background) close() {
	b.end()
	b.busy.Wait()
}

// answer is what came of a question.
type answer[T any] struct {
	value T
	at    time.Time     // when it was asked; zero: never answered
	took  time.Duration // of the last time it was asked, as err
	err   error         // in which case the value is that of the last time it was answered
}

// asked is a question that is asked again when its answer is not fresh any more, by one goroutine at a time.
type asked[T any] struct {
	mu     sync.Mutex
	last   answer[T]
	tried  time.Time     // when it was asked last, well or not
	asking chan struct{} // closed when the answer is there; nil while nobody asks
}

// get returns the answer. While that takes long it is the last one there was.
func (a *asked[T]) get(ctx context.Context, by *background, fresh time.Duration, ask func(context.Context) (T, error)) answer[T] {
	a.mu.Lock()
	if a.asking == nil && time.Since(a.tried) < fresh {
		defer a.mu.Unlock()
		return a.last
	}
	if a.asking == nil {
		a.asking, a.tried = make(chan struct{}), time.Now()
		by.busy.Go(func() { a.ask(by.life, ask) })
	}
	asking, left := a.asking, time.Until(a.tried.Add(waitFor))
	a.mu.Unlock()

	timeout := time.NewTimer(left)
	defer timeout.Stop()
	select {
	case <-asking:
	case <-ctx.Done():
	case <-timeout.C:
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.last.at.IsZero() && a.last.err == nil {
		return answer[T]{err: engine.ErrorOf(engine.ErrUnavailable, "the first answer takes long")}
	}
	return a.last
}

func (a *asked[T]) ask(ctx context.Context, ask func(context.Context) (T, error)) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	value, err := ask(ctx)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last.took, a.last.err = time.Since(began), err
	if err == nil {
		a.last.value, a.last.at = value, began
	}
	close(a.asking)
	a.asking = nil
}

// now is the answer as it is, without asking.
func (a *asked[T]) now() answer[T] {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last
}
