//go:build linux

package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"sync"
	"time"

	"github.com/agentos/agentos/test/api"
	"github.com/agentos/agentos/test/cluster"
)

// follower is a viewer of the stream: it keeps the document by the patches it gets and connects again when it must.
type follower struct {
	bed    *bed
	client *http.Client
	stop   context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex
	revision uint64
	starts   int64 // of servers, when the connection began
	value    any   // the document
	wrongs   []string
	events   map[string]int
}

func (b *bed) newFollower() *follower {
	ctx, cancel := context.WithCancel(context.Background())
	f := &follower{
		bed: b, stop: cancel, done: make(chan struct{}), events: map[string]int{},
		client: &http.Client{Transport: &http.Transport{}},
	}
	go f.follow(ctx) // ended by close
	return f
}

func (f *follower) close() {
	f.stop()
	<-f.done
	f.client.CloseIdleConnections()
}

// follow stays connected, with a pause after each connection.
func (f *follower) follow(ctx context.Context) {
	defer close(f.done)
	for {
		err := f.connect(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
		if errors.As(err, new(*api.StatusError)) && !f.bed.down.Load() {
			f.wrong("%v", err)
		}
	}
}

func (f *follower) connect(ctx context.Context) error {
	server := f.bed.api()
	server.Client = f.client
	f.mu.Lock()
	after := f.revision
	f.mu.Unlock()
	return server.Stream(ctx, after, func(event, data string) error {
		err := f.take(event, data)
		if err != nil {
			f.wrong("%s: %v: %.200s", event, err, data)
			f.forget()
		}
		return err
	})
}

func (f *follower) take(event, data string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events[event]++
	switch event {
	case "snapshot":
		var d cluster.Document
		var value any
		if err := errors.Join(json.Unmarshal([]byte(data), &d), json.Unmarshal([]byte(data), &value)); err != nil {
			return err
		}
		starts := f.bed.starts.Load()
		if d.Meta.Revision < f.revision && starts == f.starts { // see viewer.judge
			return fmt.Errorf("revision %d after %d", d.Meta.Revision, f.revision)
		}
		f.revision, f.value, f.starts = d.Meta.Revision, value, starts
	case "patch":
		var p struct {
			From, To uint64
			Patch    any
		}
		if err := json.Unmarshal([]byte(data), &p); err != nil {
			return err
		}
		if p.From != f.revision || p.To <= p.From {
			return fmt.Errorf("a patch from %d to %d for revision %d", p.From, p.To, f.revision)
		}
		f.revision, f.value = p.To, merge(f.value, p.Patch)
	}
	return nil
}

// forget makes the next connection begin again.
func (f *follower) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.revision, f.value = 0, nil
}

func (f *follower) wrong(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.wrongs) < 20 {
		f.wrongs = append(f.wrongs, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
	}
}

func (f *follower) complaints() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.wrongs...)
}

// agrees is an error unless the followed document equals the one that is served, at the same revision.
func (f *follower) agrees() error {
	var served any
	if err := f.bed.call("GET", "/api/admin/ssot", nil, &served); err != nil {
		return err
	}
	revision := served.(map[string]any)["meta"].(map[string]any)["revision"]
	f.mu.Lock()
	defer f.mu.Unlock()
	if revision != float64(f.revision) {
		return fmt.Errorf("the stream is at revision %d, the document at %.0f", f.revision, revision)
	}
	if mine, theirs := withoutNulls(f.value), withoutNulls(served); !reflect.DeepEqual(mine, theirs) {
		return fmt.Errorf("revision %d differs: by stream %.3000v, served %.3000v", f.revision, mine, theirs)
	}
	return nil
}

// merge applies a merge patch (RFC 7396).
func merge(target, patch any) any {
	changes, isObject := patch.(map[string]any)
	if !isObject {
		return patch
	}
	object, isObject := target.(map[string]any)
	if !isObject {
		object = map[string]any{}
	}
	for key, value := range changes {
		if value == nil {
			delete(object, key)
		} else {
			object[key] = merge(object[key], value)
		}
	}
	return object
}

// withoutNulls drops null members, which a merge patch cannot distinguish from absent ones.
func withoutNulls(value any) any {
	object, isObject := value.(map[string]any)
	if !isObject {
		return value
	}
	kept := map[string]any{}
	for key, member := range object {
		if member != nil {
			kept[key] = withoutNulls(member)
		}
	}
	return kept
}
