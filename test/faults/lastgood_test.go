//go:build linux

package faults

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"syscall"
	"testing"
	"time"
)

// spoil changes a good last-good file into a bad one; nil stands for a folder in its place.
type spoil struct {
	name   string
	change func(good []byte) []byte
}

var (
	anyTimestamp = regexp.MustCompile(`"timestamp":"[^"]*"`)
	anyRevision  = regexp.MustCompile(`"revision":[0-9]+`)
	anyVersion   = regexp.MustCompile(`"version":4\b`)
)

var spoils = []spoil{
	{"cut in half", func(good []byte) []byte { return good[:len(good)/2] }},
	{"garbage", func([]byte) []byte { return bytes.Repeat([]byte{0xff, 0, '{'}, 5000) }},
	{"wrong version", func(good []byte) []byte { return anyVersion.ReplaceAll(good, []byte(`"version":3`)) }},
	{"from the future", func(good []byte) []byte {
		later := time.Now().Add(time.Hour).UTC()
		good = anyTimestamp.ReplaceAll(good, fmt.Appendf(nil, `"timestamp":%q`, later.Format(time.RFC3339Nano)))
		return anyRevision.ReplaceAll(good, fmt.Appendf(nil, `"revision":%d`, later.UnixMilli()))
	}},
	{"empty", func([]byte) []byte { return []byte{} }},
	{"huge", func([]byte) []byte { return bytes.Repeat([]byte(" "), 64<<20) }},
	{"a folder", nil},
}

func TestSpoiltLastGoodFile(t *testing.T) {
	inTurn(t, aMinute)
	b := newBed(t, loadFleet())
	b.start()
	w := b.watch("f. last-good file spoilt, at start and while running")
	l := b.startLoad(300*time.Millisecond, nil)
	eventually(t, 30*time.Second, "a last good file is there", b.lastGoodIsWhole)
	w.breaks()
	var slowest time.Duration
	for _, spoil := range spoils {
		good, err := os.ReadFile(b.lastGood())
		b.must(err)

		b.down.Store(true)
		b.server.signal(t, syscall.SIGTERM)
		if status := b.server.wait(t, 20*time.Second); status != 0 {
			t.Fatalf("the server ended with status %d", status)
		}
		b.spoil(spoil, good)
		slowest = max(slowest, b.start())
		w.untilHealthy(10 * time.Second)
		b.rewritten(spoil)

		b.spoil(spoil, good)
		throughout(t, time.Second, "with a spoilt file: "+spoil.name, b.server.alive)
		w.untilHealthy(10 * time.Second)
		slowest = max(slowest, b.rewritten(spoil))
	}
	w.mends()
	b.finish(w, l, slowest, fmt.Sprintf("%d kinds of damage", len(spoils)))
}

func (b *bed) spoil(s spoil, good []byte) {
	b.t.Helper()
	b.must(os.RemoveAll(b.lastGood()))
	if s.change == nil {
		b.must(os.Mkdir(b.lastGood(), 0o755))
		return
	}
	bad := s.change(good)
	if bytes.Equal(good, bad) {
		b.t.Fatalf("%s: nothing was spoilt", s.name)
	}
	b.must(os.WriteFile(b.lastGood(), bad, 0o600))
}

// rewritten waits until the server has replaced a spoilt file. A folder is somebody else's: it is taken away first.
func (b *bed) rewritten(s spoil) time.Duration {
	b.t.Helper()
	if s.change == nil {
		b.must(os.RemoveAll(b.lastGood()))
	}
	return eventually(b.t, 15*time.Second, "the last good file is rewritten after: "+s.name, b.lastGoodIsWhole)
}
