//go:build linux

package faults

import (
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestShutdownUnderLoad(t *testing.T) {
	inTurn(t, moments)
	var fleet agents
	b := newBed(t, nil, func(b *bed) {
		fleet = loadFleet()
		fleet["long"] = shell(untilThere, "env", map[string]string{"GO": filepath.Join(b.dir, "go")})
	})
	b.writeFleet(fleet)
	b.start()
	w := b.watch("j. SIGTERM under load, and a second one")
	l := b.startLoad(150*time.Millisecond, nil)
	long := b.mustEnqueue("long", nil)
	b.untilState(long, "running", 20*time.Second)
	throughout(t, calm(), "under load", b.server.alive)

	w.breaks()
	b.down.Store(true)
	b.server.signal(t, syscall.SIGTERM)
	signalled := time.Now()
	status := b.server.wait(t, 30*time.Second)
	drained := time.Since(signalled)
	if status != 0 || drained > pick(10500*time.Millisecond, 15*time.Second) {
		t.Errorf("the server ended with status %d after %v; want 0 within about 10 s", status, drained)
	}
	if left := marked(b.mark); len(left) > 0 {
		t.Errorf("%d processes are left, such as %v", len(left), left[0])
	}
	if err := b.none("runs left open", `select agent || ' ' || job_id || ' is ' || outcome from run where ended_ms is null`); err != nil {
		t.Error(err)
	}
	b.start()
	eventually(t, 15*time.Second, "the job that was stopped is run again", func() error { return b.runAgain([]int64{long}) })
	throughout(t, calm(), "under load", b.server.alive)

	b.down.Store(true)
	b.server.signal(t, syscall.SIGTERM)
	throughout(t, 500*time.Millisecond, "while draining", b.server.alive)
	b.server.signal(t, syscall.SIGTERM)
	again := time.Now()
	if status := b.server.wait(t, pick(2*time.Second, 10*time.Second)); status == 0 {
		t.Errorf("the second signal made the server end with status 0, though it gave up its drain")
	}
	left := time.Since(again)
	eventually(t, pick(2*time.Second, 10*time.Second), "no process is left", func() error {
		if list := marked(b.mark); len(list) > 0 {
			return fmt.Errorf("%d still there, such as %v", len(list), list[0])
		}
		return nil
	})
	w.mends()
	recovery := b.start()
	w.untilHealthy(10 * time.Second)
	b.untilState(long, "running", 15*time.Second)
	b.touch("go")
	b.finish(w, l, recovery, fmt.Sprintf("ended after %s; after the second signal %d ms", seconds(drained), left.Milliseconds()))
}
