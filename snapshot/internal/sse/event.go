// Package sse writes server-sent events that were made, and compressed, once for any number of subscribers.
package sse

import (
	"encoding/json"
	"fmt"
	"sync"
)

// An Event is one server-sent event, ready to be written to any number of subscribers.
type Event struct {
	plain    []byte
	deflated func() []byte // made once, when the first subscriber with gzip needs it
}

func newEvent(z *Compressor, format string, args ...any) *Event {
	plain := fmt.Appendf(nil, format, args...)
	return &Event{plain: plain, deflated: sync.OnceValue(func() []byte { return z.deflated(plain) })}
}

// Size is the event's size before compression.
func (e *Event) Size() int { return len(e.plain) }

// Snapshot is the event of a whole document.
func Snapshot(z *Compressor, revision uint64, doc []byte) *Event {
	return newEvent(z, "event: snapshot\nid: %d\ndata: %s\n\n", revision, doc)
}

// Patch is the event of the merge patch from one revision to the next.
func Patch(z *Compressor, from, to uint64, patch []byte) *Event {
	return newEvent(z, "event: patch\nid: %d\ndata: {\"from\":%d,\"to\":%d,\"patch\":%s}\n\n", to, from, to, patch)
}

// Beat says that the connection lives.
func Beat(z *Compressor, revision uint64, now string) *Event {
	return newEvent(z, "event: beat\ndata: {\"revision\":%d,\"now\":%q}\n\n", revision, now)
}

// End says why the stream ends.
func End(z *Compressor, reason string) *Event {
	text, _ := json.Marshal(reason) // a string always encodes
	return newEvent(z, "event: end\ndata: {\"reason\":%s}\n\n", text)
}
