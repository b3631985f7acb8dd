//go:build linux

package faults

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"
	"time"
)

// breakage is one way to make the database unusable under a running server.
type breakage struct {
	name    string
	options []func(*bed)
	apply   func(b *bed) (mend func())
	unfelt  bool // files that are open stay usable, so the server may well go on
}

var breakages = []breakage{
	{name: "c1. database files renamed away", apply: renamed},
	{name: "c2. a folder in the database's place", apply: replacedByFolder},
	{name: "c3. database files without permissions", apply: forbidden, options: []func(*bed){asNobody}, unfelt: true},
	{name: "c4. data folder without permissions", apply: folderForbidden, options: []func(*bed){asNobody}},
	{name: "c5. database overwritten with 0xFF", apply: func(b *bed) func() { return b.damage(bytes.Repeat([]byte{0xff}, 1)) }},
	{name: "c6. database emptied", apply: func(b *bed) func() { return b.damage(nil) }},
	{name: "c7. database hangs (all its locks held)", apply: func(b *bed) func() { return seize(b.t, b.database()) }},
}

func TestUnusableDatabase(t *testing.T) {
	inTurns(t)
	for _, fault := range breakages {
		t.Run(fault.name, func(t *testing.T) {
			inTurn(t, moments)
			b := newBed(t, loadFleet(), append(fault.options, guarded)...)
			b.start()
			w := b.watch(fault.name)
			l := b.startLoad(250*time.Millisecond, nil)
			throughout(t, calm(), "under load", b.server.alive)

			mend := fault.apply(b)
			w.breaks()
			if !fault.unfelt {
				b.showsTrouble(w)
			}
			throughout(t, time.Until(w.brokeAt.Add(pick(25*time.Second, 8*time.Second))), "while broken", b.server.alive)
			if !fault.unfelt {
				b.showsAge(w)
			}
			mend()
			w.mends()
			recovery := w.untilHealthy(10 * time.Second)
			throughout(t, calm(), "after mending", b.server.alive)
			b.finish(w, l, recovery, "server runs as "+b.user())
		})
	}
}

// finish ends the load and the fault: everything drains, nothing is lost.
func (b *bed) finish(w *watch, l *load, recovery time.Duration, note string) {
	b.t.Helper()
	l.end()
	b.drain(time.Minute)
	lost := b.audit(l)
	if text := b.overlaps(); text != "" {
		b.t.Errorf("attempts at one job were alive at the same time:\n%s", text)
	}
	w.end(recovery, lost, fmt.Sprintf("%v; %s", l, note))
}

// showsTrouble waits until every section of the database says why it cannot be collected.
func (b *bed) showsTrouble(w *watch) {
	b.t.Helper()
	took := eventually(b.t, 15*time.Second, "the sections report the fault", func() error {
		d, err := b.document()
		if err != nil {
			return err
		}
		if err := troubled(d, w.brokeAt); err != nil {
			return err
		}
		if c := d.Dashboard.System.Components["database"]; c.Status == "ok" {
			return fmt.Errorf("the database is shown as %s", c.Status)
		}
		if d.Dashboard.System.Status == "healthy" {
			return errors.New("the system is shown as healthy")
		}
		return nil
	})
	d, err := b.document()
	b.must(err)
	b.t.Logf("reported after %v: %s", took, *d.Meta.Sections["queue"].Error)
}

// showsAge checks that the whole document is shown to be as old as the fault, once that is longer than viewers may take
// for fresh.
func (b *bed) showsAge(w *watch) {
	b.t.Helper()
	d, err := b.document()
	b.must(err)
	b.must(troubled(d, w.brokeAt))
	if broken := time.Since(w.brokeAt); !d.Meta.Stale || d.Meta.AsOf.After(w.brokeAt.Add(time.Second)) {
		b.t.Errorf("broken for %v, but the document says stale=%v as of %v", broken, d.Meta.Stale, d.Meta.AsOf)
	}
}

// The database file and what belongs to it.
var databaseFiles = []string{"agentos.db", "agentos.db-wal", "agentos.db-shm"}

func renamed(b *bed) func() {
	for _, name := range databaseFiles {
		b.move(b.file(name), b.file(name+".away"))
	}
	return func() {
		b.t.Helper()
		b.untouched()
		for _, name := range databaseFiles {
			b.move(b.file(name+".away"), b.file(name))
		}
	}
}

// move renames what exists.
func (b *bed) move(from, to string) {
	b.t.Helper()
	if err := os.Rename(from, to); !errors.Is(err, fs.ErrNotExist) {
		b.must(err)
	}
}

// untouched fails when the server made a new database where the one it knew was missing: what it puts there is lost.
func (b *bed) untouched() {
	b.t.Helper()
	if info, err := os.Stat(b.database()); err == nil && info.Mode().IsRegular() {
		b.t.Errorf("the server made a new database of %d bytes in the missing one's place", info.Size())
	}
}

func replacedByFolder(b *bed) func() {
	b.move(b.database(), b.file("agentos.db.away"))
	b.must(os.Mkdir(b.database(), 0o755))
	return func() {
		b.t.Helper()
		b.untouched()
		b.must(os.Remove(b.database()))
		b.move(b.file("agentos.db.away"), b.database())
	}
}

func forbidden(b *bed) func() { return b.forbid(databaseFiles...) }

func folderForbidden(b *bed) func() { return b.forbid(".") }

// forbid takes all permissions of files in the data folder away.
func (b *bed) forbid(names ...string) func() {
	modes := map[string]fs.FileMode{}
	for _, name := range names {
		if info, err := os.Stat(b.file(name)); err == nil {
			modes[name] = info.Mode().Perm()
			b.must(os.Chmod(b.file(name), 0))
		}
	}
	return func() {
		for name, mode := range modes {
			b.must(os.Chmod(b.file(name), mode))
		}
	}
}

// damage replaces the content of the database file, in place, by the filling, or by nothing, and gives a function that
// puts it back. Meanwhile another process holds a read lock that keeps SQLite from moving its log into the damaged
// file, where the mending would overwrite it.
func (b *bed) damage(filling []byte) (mend func()) {
	b.t.Helper()
	release := b.freezeCheckpointed()
	good, err := os.ReadFile(b.database())
	b.must(err)
	b.overwrite(bytes.Repeat(filling, len(good)))
	b.server.signal(b.t, syscall.SIGCONT)
	return func() {
		b.t.Helper()
		b.server.signal(b.t, syscall.SIGSTOP)
		b.overwrite(good)
		b.server.signal(b.t, syscall.SIGCONT)
		release()
	}
}

// overwrite changes the content of the file without replacing it.
func (b *bed) overwrite(content []byte) {
	b.t.Helper()
	file, err := os.OpenFile(b.database(), os.O_WRONLY, 0)
	b.must(err)
	defer file.Close()
	_, err = file.WriteAt(content, 0)
	b.must(errors.Join(err, file.Truncate(int64(len(content)))))
}

// freezeCheckpointed stops the server at a moment when all of the database can be moved into its main file, and has
// another process hold the lock that keeps it there.
func (b *bed) freezeCheckpointed() (release func()) {
	b.t.Helper()
	eventually(b.t, 30*time.Second, "the log can be moved into the database", func() error {
		b.server.signal(b.t, syscall.SIGSTOP)
		err := b.checkpoint()
		if err != nil {
			b.server.signal(b.t, syscall.SIGCONT)
		}
		return err
	})
	return hold(b.t, b.database(), "begin", "select count(*) from river_job")
}

func (b *bed) checkpoint() error {
	database, err := sql.Open("sqlite", "file:"+b.database()+"?_pragma=busy_timeout(200)")
	if err != nil {
		return err
	}
	defer database.Close()
	var busy, inLog, moved int
	if err := database.QueryRow("pragma wal_checkpoint(truncate)").Scan(&busy, &inLog, &moved); err != nil {
		return err
	}
	if busy != 0 || inLog != 0 {
		return fmt.Errorf("busy %d, %d pages in the log, %d moved", busy, inLog, moved)
	}
	return nil
}

// unwritable is an error unless the document says that the database cannot be written.
func (b *bed) unwritable() error {
	d, err := b.document()
	if err != nil {
		return err
	}
	system := d.Dashboard.System
	if c := system.Components["database"]; c.Status != "degraded" || system.Status == "healthy" {
		return fmt.Errorf("the system is shown as %s, the database as %s: %s", system.Status, c.Status, c.Detail)
	}
	return nil
}

func TestDatabaseLockedByAnotherProcess(t *testing.T) {
	inTurn(t, moments)
	b := newBed(t, loadFleet(), guarded)
	b.start()
	w := b.watch("e. write lock held by another process")
	l := b.startLoad(250*time.Millisecond, nil)
	throughout(t, calm(), "under load", b.server.alive)

	release := hold(t, b.database(), "begin immediate")
	w.breaks()
	eventually(t, 15*time.Second, "the system is shown as degraded", b.unwritable)
	throughout(t, time.Until(w.brokeAt.Add(pick(20*time.Second, 12*time.Second))), "while locked", b.server.alive)
	release()
	w.mends()
	recovery := w.untilHealthy(10 * time.Second)
	throughout(t, calm(), "after the lock", b.server.alive)
	b.finish(w, l, recovery, "")
}
