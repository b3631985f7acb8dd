package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/agentos/agentos/test/api"
)

// Follower is a viewer of one server's stream. It connects again whenever the stream ends, and checks that revisions
// only grow and that each patch fits what it has.
type Follower struct {
	*complaints
	member *Member
	client *http.Client
	stop   context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex
	revision uint64 // what it has; 0 for nothing
	highest  uint64 // what it ever had
	events   int
	onEvent  func(event string, data []byte)
}

// Follow begins to follow a server's stream. onEvent is called with each event, may be nil, and returns soon.
func (m *Member) Follow(onEvent func(event string, data []byte)) *Follower {
	ctx, stop := context.WithCancel(context.Background())
	f := &Follower{
		complaints: &complaints{who: "a viewer of the stream of " + m.Name},
		member:     m, stop: stop, done: make(chan struct{}), onEvent: onEvent,
		client: &http.Client{Transport: &http.Transport{}},
	}
	go f.follow(ctx) // ended by Close
	return f
}

// Close ends the follower.
func (f *Follower) Close() {
	f.stop()
	<-f.done
	f.client.CloseIdleConnections()
}

// Seen is the revision it has and how many events came in all.
func (f *Follower) Seen() (revision uint64, events int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.revision, f.events
}

func (f *Follower) follow(ctx context.Context) {
	defer close(f.done)
	for {
		away := f.member.Away()
		err := f.connect(ctx)
		if errors.As(err, new(*api.StatusError)) && !away && !f.member.Away() && !f.member.cold.Load() {
			f.wrong("%v", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (f *Follower) connect(ctx context.Context) error {
	server := f.member.api()
	server.Client = f.client
	f.mu.Lock()
	after := f.revision
	f.mu.Unlock()
	return server.Stream(ctx, after, func(event, data string) error {
		if err := f.take(event, data); err != nil {
			f.wrong("%s: %v: %.200s", event, err, data)
			return err
		}
		if f.onEvent != nil {
			f.onEvent(event, []byte(data))
		}
		return nil
	})
}

func (f *Follower) take(event, data string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events++
	next := f.revision
	switch event {
	case "snapshot":
		d, err := parseDocument([]byte(data))
		if err != nil {
			return err
		}
		next = d.Meta.Revision
	case "patch":
		var p struct{ From, To uint64 }
		if err := json.Unmarshal([]byte(data), &p); err != nil {
			return err
		}
		if p.From != f.revision || p.To <= p.From {
			return fmt.Errorf("a patch from %d to %d for revision %d", p.From, p.To, f.revision)
		}
		next = p.To
	}
	before := f.highest
	f.revision, f.highest = next, max(next, f.highest)
	if next < before {
		return fmt.Errorf("revision %d after %d", next, before)
	}
	return nil
}
