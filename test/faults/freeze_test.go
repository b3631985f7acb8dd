//go:build linux

package faults

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// untilGone runs until a file is there, as many seconds as it takes.
const untilThere = `while [ ! -e "$GO" ]; do sleep 0.1; done`

func TestFrozenServer(t *testing.T) {
	inTurn(t, moments)
	fleet := loadFleet()
	b := newBed(t, fleet, guarded)
	b.start()
	w := b.watch("g1. server frozen (SIGSTOP)")
	l := b.startLoad(250*time.Millisecond, nil)
	throughout(t, calm(), "under load", b.server.alive)

	b.freeze()
	w.breaks()
	throughout(t, pick(25*time.Second, 16*time.Second), "frozen", b.server.alive)
	w.mends()
	b.thaw()
	recovery := w.untilHealthy(10 * time.Second)
	throughout(t, calm(), "after the thaw", b.server.alive)
	l.end()
	b.drain(time.Minute)
	if err := b.none("runs that were given up though their server lives", `select 'run ' || id || ' of ' || agent || ': ' || error from run where outcome = 'lost'`); err != nil {
		t.Error(err)
	}
	b.finish(w, l, recovery, "")
}

// freeze stops the server, the process alone; thaw lets it go on.
func (b *bed) freeze() {
	b.t.Helper()
	b.down.Store(true)
	b.server.signal(b.t, syscall.SIGSTOP)
}

func (b *bed) thaw() {
	b.t.Helper()
	b.server.signal(b.t, syscall.SIGCONT)
	eventually(b.t, pick(5*time.Second, 20*time.Second), "an answer after the thaw", func() error {
		_, err := b.document()
		return err
	})
	b.down.Store(false)
}

// A frozen worker looks like a dead one from another host, so its jobs may be taken over. What it then brings
// when it wakes must not count.
func TestFrozenServerBesideAnotherWorker(t *testing.T) {
	inTurn(t, moments)
	b := newBed(t, loadFleet())
	b.start()
	w := b.watch("g2. server frozen beside a second worker")
	other := b.launch("work")
	eventually(t, 30*time.Second, "both workers are shown", func() error {
		d, err := b.document()
		if err != nil {
			return err
		}
		if d.Dashboard.Workers == nil || d.Dashboard.Workers.Active != 2 {
			return fmt.Errorf("workers: %+v", d.Dashboard.Workers)
		}
		return nil
	})
	l := b.startLoad(250*time.Millisecond, nil)
	throughout(t, calm(), "under load", other.alive)

	b.freeze()
	w.breaks()
	throughout(t, pick(25*time.Second, 16*time.Second), "frozen", other.alive)
	w.mends()
	b.thaw()
	recovery := w.untilHealthy(15 * time.Second)
	throughout(t, calm(), "after the thaw", other.alive)
	l.end()
	b.drain(time.Minute)
	taken, err := b.query(`select count(*) from run where outcome = 'lost'`)
	b.must(err)
	other.signal(t, syscall.SIGTERM)
	if status := other.wait(t, 15*time.Second); status != 0 {
		t.Errorf("the second worker ended with status %d", status)
	}
	b.finish(w, l, recovery, strings.Join(taken, "")+" attempts taken over")
}
