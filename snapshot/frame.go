package snapshot

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// A frame is one server-sent event, ready to be written to any number of subscribers.
type frame struct {
	plain    []byte
	deflated func() []byte // made once, when the first subscriber with gzip needs it
}

func newFrame(plain []byte, z *compressor) *frame {
	return &frame{plain: plain, deflated: sync.OnceValue(func() []byte { return z.deflated(plain) })}
}

func snapshotEvent(s *Snapshot) []byte {
	return fmt.Appendf(nil, "event: snapshot\nid: %d\ndata: %s\n\n", s.Revision, s.JSON)
}

func patchEvent(from, to uint64, patch []byte) []byte {
	return fmt.Appendf(nil, "event: patch\nid: %d\ndata: {\"from\":%d,\"to\":%d,\"patch\":%s}\n\n", to, from, to, patch)
}

func beatEvent(revision uint64, now time.Time) []byte {
	return fmt.Appendf(nil, "event: beat\ndata: {\"revision\":%d,\"now\":%q}\n\n", revision, formatTime(now))
}

func endEvent(reason EndReason) []byte {
	text, _ := json.Marshal(string(reason)) // a string always encodes
	return fmt.Appendf(nil, "event: end\ndata: {\"reason\":%s}\n\n", text)
}
