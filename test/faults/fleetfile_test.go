//go:build linux

package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// fleetChange is one way in which a changed agents' file reaches the server.
type fleetChange struct {
	name    string
	options []func(*bed)
	notify  func(b *bed) // after the file was written
}

var fleetChanges = []fleetChange{
	{name: "h1. agents' file broken, noticed by itself", notify: func(*bed) {}},
	{
		name: "h2. agents' file broken, announced by SIGHUP", options: []func(*bed){linkedConfig},
		notify: func(b *bed) { b.server.signal(b.t, syscall.SIGHUP) },
	},
}

// linkedConfig makes the agents' file a link to one in another folder, whose changes are not noticed by themselves.
func linkedConfig(b *bed) {
	folder := filepath.Join(b.dir, "elsewhere")
	b.must(os.Mkdir(folder, 0o755))
	target := filepath.Join(folder, "agentos.yaml")
	b.must(os.Symlink(target, b.config))
	b.linkTarget = target
}

func TestBrokenAgentsFile(t *testing.T) {
	inTurns(t)
	for _, change := range fleetChanges {
		t.Run(change.name, func(t *testing.T) {
			inTurn(t, moments)
			signal := func(b *bed) map[string]string { return map[string]string{"GO": filepath.Join(b.dir, "go")} }
			var fleet agents
			b := newBed(t, nil, append(change.options, func(b *bed) {
				fleet = loadFleet()
				fleet["long"] = shell(untilThere, "env", signal(b))
			})...)
			b.writeFleet(fleet)
			b.start()
			w := b.watch(change.name)
			l := b.startLoad(250*time.Millisecond, nil)
			long := b.mustEnqueue("long", nil)
			b.untilState(long, "running", 20*time.Second)

			b.writeConfig([]byte("agents:\n  long: {command: [sh, -c, 'exit 0']\n  quick:\n    comand: [true]\n"))
			change.notify(b)
			w.breaks()
			eventually(t, 20*time.Second, "the fault is on screen and the old fleet in force", func() error { return b.fleetShown(len(fleet), true) })
			done := b.mustEnqueue("quick", nil)
			b.untilState(done, "completed", 30*time.Second)
			throughout(t, pick(5*time.Second, time.Second), "with a broken file", b.server.alive)

			next := loadFleet()
			next["added"] = shell("echo added")
			next["more"] = shell("echo more")
			b.writeFleet(next) // without "long", whose job still runs
			change.notify(b)
			w.mends()
			recovery := eventually(t, 20*time.Second, "the new fleet is in force", func() error { return b.fleetShown(len(next), false) })
			added := b.mustEnqueue("added", nil)
			b.untilState(added, "completed", 30*time.Second)
			if j := b.untilState(long, "running", 10*time.Second); len(j.Runs) != 1 {
				t.Errorf("the running job has %d runs", len(j.Runs))
			}
			b.touch("go")
			if j := b.untilState(long, "completed", 30*time.Second); len(j.Runs) != 1 || j.Runs[0].Outcome != "ok" {
				t.Errorf("the job that ran meanwhile: want one ok run, got %+v", j.Runs)
			}
			b.finish(w, l, recovery, "")
		})
	}
}

// fleetShown is an error unless the document shows that many agents, and problems or none.
func (b *bed) fleetShown(size int, problems bool) error {
	d, err := b.document()
	if err != nil {
		return err
	}
	shown := d.AgentsWorkers.Agents
	if shown == nil || shown.TotalAgents == nil || *shown.TotalAgents != size || len(shown.Items) != size {
		return fmt.Errorf("want %d agents: %+v", size, shown)
	}
	if has := len(shown.Config.Problems) > 0; has != problems {
		return fmt.Errorf("problems: %v; the section: %v", shown.Config.Problems, d.Meta.Sections["agents"])
	}
	return nil
}
