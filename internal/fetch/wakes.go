package fetch

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/riverqueue/river/riverdriver"

	"github.com/agentos/agentos/internal/engine/river"
)

// wakes are notifications of our own for River's client.
type wakes struct {
	mu      sync.Mutex
	list    []riverdriver.Notification
	waiting func() // ends a wait for notifications
}

// add lets River look at a queue.
func (w *wakes) add(queue string) { w.send(river.InsertTopic, river.InsertPayload(queue)) }

// control notifies River that a queue, or "*" for all, is paused or resumed.
func (w *wakes) control(action, queue string) {
	w.send(river.ControlTopic, river.ControlPayload(action, queue))
}

func (w *wakes) send(topic, payload string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := riverdriver.Notification{Topic: topic, Payload: payload}
	if topic == river.InsertTopic && slices.Contains(w.list, n) {
		return
	}
	w.list = append(w.list, n)
	if w.waiting != nil {
		w.waiting()
	}
}

// take returns the first of them; nil when there is none.
func (w *wakes) take() *riverdriver.Notification {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.list) == 0 {
		return nil
	}
	first := w.list[0]
	w.list = w.list[1:]
	return &first
}

// begin makes cancel end the wait that begins, and returns what ends that. With something to take it is cancelled at once.
func (w *wakes) begin(cancel func()) (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = cancel
	if len(w.list) > 0 {
		cancel()
	}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.waiting = nil
	}
}

// listener receives the notifications of the database and our wakes. River takes it for always connected: what breaks is repaired here,
// within a second or so of the database's return, where River would wait longer each time, and our wakes come meanwhile too.
type listener struct {
	riverdriver.Listener
	wakes     *wakes
	log       func(error) // called with trouble, and with nil at its end
	reconnect func()      // called after a gap, in which something may have been missed

	mu     sync.Mutex
	topics []string
	up     bool
	tried  time.Time
}

// RelistenAfter is how long to wait before a broken connection is replaced.
const RelistenAfter = time.Second

// Listening is the listener's name in the worker's health.
const Listening = "listen for notifications of the queue"

// reconnectTimeout bounds a try to connect again, which holds up our wakes.
const reconnectTimeout = 2 * time.Second

func (l *listener) Connect(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.Listener.Connect(ctx)
	l.up = err == nil
	return err
}

func (l *listener) Close(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.topics = nil
	if !l.up {
		return nil
	}
	l.up = false
	return l.Listener.Close(ctx)
}

func (l *listener) Listen(ctx context.Context, topic string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.topics = with(l.topics, topic)
	if l.up {
		l.judge(ctx, l.Listener.Listen(ctx, topic))
	}
	return ctx.Err()
}

func (l *listener) Unlisten(ctx context.Context, topic string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.topics = slices.DeleteFunc(l.topics, func(t string) bool { return t == topic })
	if l.up {
		l.judge(ctx, l.Listener.Unlisten(ctx, topic))
	}
	return nil
}

func (l *listener) Ping(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.up {
		l.judge(ctx, l.Listener.Ping(ctx))
	}
	return ctx.Err()
}

// judge gives the connection up that failed.
func (l *listener) judge(ctx context.Context, err error) {
	if err == nil {
		return
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = l.Listener.Close(closing) // it is broken
	l.up = false
	l.log(err)
}

// repair connects again, not more often than once a second.
func (l *listener) repair(ctx context.Context) {
	if time.Since(l.tried) < RelistenAfter {
		return
	}
	l.tried = time.Now()
	ctx, cancel := context.WithTimeout(ctx, reconnectTimeout)
	defer cancel()
	if err := l.Listener.Connect(ctx); err != nil {
		l.log(err)
		return
	}
	l.up = true
	for _, topic := range l.topics {
		if l.judge(ctx, l.Listener.Listen(ctx, topic)); !l.up {
			return
		}
	}
	l.log(nil)
	l.reconnect()
}

// WaitForNotification returns the next notification. Its only error is that of ctx.
func (l *listener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if woken := l.wakes.take(); woken != nil {
			return woken, nil
		}
		if received := l.wait(ctx); received != nil {
			return received, nil
		}
	}
}

// wait waits for a notification, a wake or the end of ctx. Nil: look again.
func (l *listener) wait(ctx context.Context) *riverdriver.Notification {
	if !l.up {
		l.repair(ctx)
	}
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	defer l.wakes.begin(cancel)()
	if !l.up {
		select {
		case <-waiting.Done():
		case <-time.After(RelistenAfter):
		}
		return nil
	}
	received, err := l.Listener.WaitForNotification(waiting)
	if err == nil {
		return received
	}
	if waiting.Err() == nil || !errors.Is(err, context.Canceled) {
		l.judge(ctx, err)
	}
	return nil
}
