package snapshot_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/snapshot/snapshottest"
)

// breaks returns the process's links to the hubs of these indices.
func (p *process) breaks(links ...int) []*snapshottest.Link {
	var list []*snapshottest.Link
	for _, i := range links {
		list = append(list, p.links[i])
	}
	return list
}

// A linkFault breaks some links of a cluster with two hubs in which p1 leads.
type linkFault struct {
	name  string
	links func(c *cluster, leader *process) []*snapshottest.Link
	alone string // which processes collect for themselves meanwhile: "nobody", "leader", "follower" or "all"
	moves bool   // another process leads meanwhile
}

// linkFaults are the ways in which links can be lost.
var linkFaults = []linkFault{
	{"first link of all", func(c *cluster, _ *process) []*snapshottest.Link { return c.links(0) }, "nobody", false},
	{"second link of all", func(c *cluster, _ *process) []*snapshottest.Link { return c.links(1) }, "nobody", false},
	{"all links", func(c *cluster, _ *process) []*snapshottest.Link { return c.links(0, 1) }, "all", false},
	{"first link of the leader", func(_ *cluster, l *process) []*snapshottest.Link { return l.breaks(0) }, "nobody", true},
	{"second link of the leader", func(_ *cluster, l *process) []*snapshottest.Link { return l.breaks(1) }, "nobody", true},
	{"both links of the leader", func(_ *cluster, l *process) []*snapshottest.Link { return l.breaks(0, 1) }, "leader", true},
	{"first link of a follower", func(c *cluster, l *process) []*snapshottest.Link { return c.others(l)[0].breaks(0) }, "nobody", false},
	{"second link of a follower", func(c *cluster, l *process) []*snapshottest.Link { return c.others(l)[0].breaks(1) }, "nobody", false},
	{"both links of a follower", func(c *cluster, l *process) []*snapshottest.Link { return c.others(l)[0].breaks(0, 1) }, "follower", false},
}

func (c *cluster) links(hubs ...int) (list []*snapshottest.Link) {
	for _, p := range c.processes {
		list = append(list, p.breaks(hubs...)...)
	}
	return list
}

// Whatever links are cut, or hang, for however long: those who can reach each other have one leader, those who cannot
// collect for themselves, nobody shows anything older than 15 s, and revisions grow. Mended, there is one leader again.
func TestLostLinks(t *testing.T) {
	for _, fault := range linkFaults {
		for how, lose := range map[string]func(*snapshottest.Link){"cut": (*snapshottest.Link).Cut, "hang": (*snapshottest.Link).Hang} {
			for _, lasts := range []time.Duration{500 * time.Millisecond, 4 * time.Second, time.Minute} {
				t.Run(fmt.Sprintf("%s %s for %v", fault.name, how, lasts), func(t *testing.T) {
					bubble(t, func(t *testing.T) { fault.test(t, lose, lasts) })
				})
			}
		}
	}
}

func (f linkFault) test(t *testing.T, lose func(*snapshottest.Link), lasts time.Duration) {
	c := newCluster(t, "redis", "postgres")
	for _, name := range []string{"p1", "p2", "p3"} {
		c.start(name)
		pass(123 * time.Millisecond) // so that they are not in step
	}
	pass(10 * time.Second)
	leader := c.leader()
	follower := c.others(leader)[0]
	began := time.Now()
	for _, conn := range f.links(c, leader) {
		lose(conn)
	}
	c.during(lasts, "what is shown is fresh", func() bool {
		c.wantFresh()
		return !t.Failed()
	})
	if lasts == time.Minute {
		f.wantMeanwhile(c, leader, follower)
	}
	mended := time.Now()
	for _, conn := range f.links(c, leader) {
		conn.Mend()
	}
	c.until(5*time.Second, "there is one leader", c.united)
	pass(6 * time.Second) // it has published since
	c.wantShared()
	for _, p := range c.processes {
		if last := p.sightings(mended); len(last) == 0 {
			t.Errorf("%s has shown nothing since", p.name)
		}
	}
	c.wantNoOverlap(began)
	want := 1
	switch {
	case f.moves && lasts > 3*time.Second:
		want = 2
	case f.alone == "all" && lasts > 3*time.Second:
		want = 2
	}
	if n := c.terms(); n > want {
		t.Errorf("%d terms, want %d: %v", n, want, c.hubs[0].Stores())
	}
}

// wantMeanwhile checks which processes collect after the fault has lasted for a minute.
func (f linkFault) wantMeanwhile(c *cluster, leader, follower *process) {
	c.t.Helper()
	alone := map[string][]*process{"nobody": nil, "leader": {leader}, "follower": {follower}, "all": c.processes}[f.alone]
	for _, p := range alone {
		if p.role() != snapshot.Alone || p.publishers(time.Now().Add(-30*time.Second)) != p.name {
			c.t.Errorf("%s is %s and shows documents of %s, want its own", p.name, p.role(), p.publishers(time.Now().Add(-30*time.Second)))
		}
	}
	if n := len(c.in(snapshot.Alone)); n != len(alone) {
		c.t.Errorf("alone are %q, want %q", names(c.in(snapshot.Alone)), names(alone))
	}
	if f.alone == "all" {
		return
	}
	leaders := c.in(snapshot.Leader)
	if len(leaders) != 1 || (leaders[0] != leader) != f.moves {
		c.t.Fatalf("%s led, now: %s", leader.name, c.roles())
	}
	for _, p := range c.in(snapshot.Follower) {
		if got := p.publishers(time.Now().Add(-30 * time.Second)); got != leaders[0].name {
			c.t.Errorf("%s shows documents of %q, want those of %s", p.name, got, leaders[0].name)
		}
	}
}

// wantNoOverlap checks that a process publishes for others no longer than a second after another one has begun to.
func (c *cluster) wantNoOverlap(since time.Time) {
	c.t.Helper()
	var stores []snapshottest.Stored
	for _, hub := range c.hubs {
		stores = append(stores, hub.Stores()...)
	}
	slices.SortStableFunc(stores, func(a, b snapshottest.Stored) int { return a.At.Compare(b.At) })
	gone := map[string]time.Time{} // when another one began, by who published before
	last := ""
	for _, s := range stores {
		if s.Holder != last && s.At.After(since) {
			gone[last] = s.At
		}
		last = s.Holder
		if when, ok := gone[s.Holder]; ok && s.At.Sub(when) > time.Second {
			c.t.Errorf("%s publishes for all %v after another one has begun to", s.Holder, s.At.Sub(when))
		}
	}
}
