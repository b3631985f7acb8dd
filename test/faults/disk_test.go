//go:build linux

package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/agentos/agentos/test/api"
	"github.com/agentos/agentos/test/cluster"
)

// fullDisk is one way to leave no room for what the server writes.
type fullDisk struct {
	name    string
	options []func(*bed)
	apply   func(b *bed) (mend func())
}

func fullDisks() []fullDisk {
	limit := fullDisk{name: "d2. no room to write (limit of the process)", apply: limitFiles}
	if os.Getuid() != 0 {
		return []fullDisk{limit} // mounting needs root; the limit makes the same writes fail
	}
	return []fullDisk{{name: "d1. disk full (16 MiB tmpfs)", options: []func(*bed){onSmallDisk}, apply: fill}, limit}
}

func TestFullDisk(t *testing.T) {
	inTurns(t)
	for _, fault := range fullDisks() {
		t.Run(fault.name, func(t *testing.T) {
			inTurn(t, moments)
			b := newBed(t, loadFleet(), append(fault.options, guarded)...)
			b.start()
			w := b.watch(fault.name)
			l := b.startLoad(250*time.Millisecond, map[string]string{"padding": strings.Repeat("x", 2000)})
			throughout(t, calm(), "under load", b.server.alive)
			eventually(t, 30*time.Second, "a last good file is there", b.lastGoodIsWhole)

			mend := fault.apply(b)
			w.breaks()
			eventually(t, 20*time.Second, "new jobs are refused", func() error {
				if err := b.lastGoodIsWhole(); err != nil {
					t.Fatal(err)
				}
				_, err := b.enqueue("quick", nil)
				var answer *api.StatusError
				if errors.As(err, &answer) && answer.Status == 503 && strings.Contains(answer.Body, "detail") {
					return nil
				}
				return fmt.Errorf("the answer to a new job is %s", fmt.Sprint(err))
			})
			throughout(t, time.Until(w.brokeAt.Add(pick(25*time.Second, 10*time.Second))), "while full", func() error {
				if err := b.server.alive(); err != nil {
					return err
				}
				return b.lastGoodIsWhole()
			})
			b.must(b.unwritable())

			mend()
			w.mends()
			recovery := w.untilHealthy(10 * time.Second)
			eventually(t, 30*time.Second, "new jobs are taken", func() error {
				_, err := b.enqueue("quick", nil)
				return err
			})
			b.finish(w, l, recovery, "")
		})
	}
}

// lastGoodIsWhole is an error unless the last good file is a document.
func (b *bed) lastGoodIsWhole() error {
	text, err := os.ReadFile(b.lastGood())
	if err != nil {
		return err
	}
	var d cluster.Document
	if err := json.Unmarshal(text, &d); err != nil {
		return fmt.Errorf("the last good file has %d bytes and is no document: %w", len(text), err)
	}
	if d.Meta.Version != 4 || d.Meta.Revision == 0 {
		return fmt.Errorf("the last good file has version %d, revision %d", d.Meta.Version, d.Meta.Revision)
	}
	return nil
}

// onSmallDisk gives the data folder a file system of 16 MiB of its own.
func onSmallDisk(b *bed) {
	b.must(os.MkdirAll(b.data, 0o755))
	b.must(syscall.Mount("tmpfs", b.data, "tmpfs", 0, "size=16m"))
	leash.add("umount " + b.data)
	b.t.Cleanup(func() {
		_ = syscall.Unmount(b.data, syscall.MNT_DETACH)
		leash.drop("umount " + b.data)
	})
}

// fill leaves no byte on the data folder's disk and keeps it so. Another process reads the database meanwhile, as a
// backup does, so that SQLite cannot reuse the space of its log.
func fill(b *bed) (mend func()) {
	b.t.Helper()
	release := hold(b.t, b.database(), "begin", "select count(*) from river_job")
	path := b.file("filling")
	filling, err := os.Create(path)
	b.must(err)
	stop, done := make(chan struct{}), make(chan struct{})
	stuff := func() {
		for size := 1 << 20; size > 0; size /= 16 {
			for block := make([]byte, size); ; {
				if n, err := filling.Write(block); err != nil || n == 0 {
					break
				}
			}
		}
	}
	stuff()
	go func() { // ended by mend
		defer close(done)
		ticks := time.NewTicker(lookEvery)
		defer ticks.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticks.C:
				stuff()
			}
		}
	}()
	return func() {
		close(stop)
		<-done
		_ = filling.Close()
		b.must(os.Remove(path))
		release()
	}
}

// limitFiles makes every write of the server beyond the first 64 KiB of a file fail, as on a full disk.
func limitFiles(b *bed) (mend func()) {
	b.t.Helper()
	var before unix.Rlimit
	b.must(unix.Prlimit(b.server.pid(), unix.RLIMIT_FSIZE, nil, &before))
	b.must(unix.Prlimit(b.server.pid(), unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 64 << 10, Max: before.Max}, nil))
	return func() { b.must(unix.Prlimit(b.server.pid(), unix.RLIMIT_FSIZE, &before, nil)) }
}
