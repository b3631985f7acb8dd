package snapshot_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/snapshot/link"
	"github.com/agentos/agentos/snapshot/snapshottest"
)

// A cluster is some processes and the hubs at which their links meet, the preferred hub first. While it runs, whatever
// happens to it, a watcher checks at each process that revisions only grow.
type cluster struct {
	t         *testing.T
	hubs      []*snapshottest.Hub
	processes []*process
}

// A process is one member of a cluster: its own cache, warmer, sources and links.
type process struct {
	t       *testing.T
	name    string
	links   []*snapshottest.Link
	source  *snapshottest.Source // of the section "a"
	cache   *snapshot.Cache
	warmer  *snapshot.Warmer
	group   *snapshot.Group
	log     *logBook
	cancel  context.CancelFunc
	ended   chan error
	running atomic.Bool

	mu   sync.Mutex
	seen []sighting
}

// A sighting is a document that a process showed its viewers.
type sighting struct {
	snap *snapshot.Snapshot
	at   time.Time
}

func newCluster(t *testing.T, hubs ...string) *cluster {
	t.Helper()
	c := &cluster{t: t}
	for _, name := range hubs {
		c.hubs = append(c.hubs, snapshottest.NewHub(name))
	}
	return c
}

// start starts a process of that name.
func (c *cluster) start(name string) *process {
	c.t.Helper()
	p := c.prepare(name)
	p.run()
	return p
}

// prepare makes a process that does not run yet.
func (c *cluster) prepare(name string, tiers ...snapshot.Tier) *process {
	c.t.Helper()
	p := &process{t: c.t, name: name, log: &logBook{}, ended: make(chan error, 1)}
	var links []link.Link
	for _, hub := range c.hubs {
		conn := hub.Link(name)
		p.links, links, tiers = append(p.links, conn), append(links, conn), append(tiers, conn)
	}
	var err error
	p.source = snapshottest.NewSource(obj{"by": name})
	p.cache = snapshot.NewCache(snapshot.CacheOptions{Tiers: tiers, Log: p.log.logger()})
	p.warmer, err = snapshot.NewWarmer(p.cache, []snapshot.Section{{Name: "a", Collect: p.source.Collect}},
		snapshot.WarmerOptions{Name: name, Log: p.log.logger()})
	if err != nil {
		c.t.Fatal(err)
	}
	p.group = snapshot.NewGroup(p.cache, p.warmer, links)
	c.processes = append(c.processes, p)
	return p
}

// run runs the process to the test's end, or until stop.
func (p *process) run() {
	var ctx context.Context
	ctx, p.cancel = context.WithCancel(context.Background())
	p.running.Store(true)
	watched := make(chan struct{})
	go func() { p.ended <- p.group.Run(ctx) }()
	go func() {
		defer close(watched)
		p.watch(ctx)
	}()
	p.t.Cleanup(func() {
		p.stop()
		<-watched
		for _, conn := range p.links {
			conn.Mend()
			conn.Close()
		}
		closeCache(p.t, p.cache)
	})
}

// watch keeps what the process shows, and checks that it never goes back.
func (p *process) watch(ctx context.Context) {
	last := uint64(0)
	for s := range p.cache.Watch(ctx) {
		if s.Revision < last {
			p.t.Errorf("%s shows revision %d after %d", p.name, s.Revision, last)
		}
		last = s.Revision
		p.mu.Lock()
		p.seen = append(p.seen, sighting{s, time.Now()})
		p.mu.Unlock()
	}
}

// stop ends the process in order and returns how long that took.
func (p *process) stop() time.Duration {
	p.t.Helper()
	began := time.Now()
	p.cancel()
	if p.running.Load() {
		p.running.Store(false)
		if err := <-p.ended; err != nil {
			p.t.Errorf("%s: Run() = %v", p.name, err)
		}
	}
	return time.Since(began)
}

// die ends the process as a crash does: it says nothing to anybody any more.
func (p *process) die() {
	for _, conn := range p.links {
		conn.Cut()
	}
	p.stop()
}

func (p *process) role() string { return p.group.Stats().Role }

// shows is the current document's section "a", empty if there is no document.
func (p *process) shows() string {
	s := p.cache.Current()
	if s == nil {
		return ""
	}
	var doc struct{ A json.RawMessage }
	if err := json.Unmarshal(s.JSON, &doc); err != nil {
		p.t.Fatal(err)
	}
	return string(doc.A)
}

func (p *process) revision() uint64 {
	if s := p.cache.Current(); s != nil {
		return s.Revision
	}
	return 0
}

// sightings returns what the process has shown since then.
func (p *process) sightings(since time.Time) []sighting {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.seen), func(s sighting) bool { return s.at.Before(since) })
}

// publishers names who has published what this process has shown since then, each change once.
func (p *process) publishers(since time.Time) string {
	var names []string
	for _, s := range p.sightings(since) {
		names = append(names, s.snap.Publisher)
	}
	return strings.Join(slices.Compact(names), " ")
}

func (c *cluster) in(role string) (found []*process) {
	for _, p := range c.processes {
		if p.running.Load() && p.role() == role {
			found = append(found, p)
		}
	}
	return found
}

func names(processes []*process) string {
	var list []string
	for _, p := range processes {
		list = append(list, p.name)
	}
	return strings.Join(list, " ")
}

// leader returns the one leader; all others must follow it.
func (c *cluster) leader() *process {
	c.t.Helper()
	leaders := c.in(snapshot.Leader)
	if len(leaders) != 1 {
		c.t.Fatalf("the leaders are %q, want one: %s", names(leaders), c.roles())
	}
	for _, p := range c.processes {
		if stats := p.group.Stats(); p.running.Load() && stats.Leader != leaders[0].name {
			c.t.Errorf("%s takes %q for the leader, want %q", p.name, stats.Leader, leaders[0].name)
		}
	}
	return leaders[0]
}

func (c *cluster) roles() string {
	var list []string
	for _, p := range c.processes {
		if p.running.Load() {
			list = append(list, fmt.Sprintf("%s is %s (%s)", p.name, p.role(), cmp.Or(p.group.Stats().Leader, "?")))
		}
	}
	return strings.Join(list, ", ")
}

// others returns the running processes but this one.
func (c *cluster) others(than *process) []*process {
	return slices.DeleteFunc(slices.Clone(c.processes), func(p *process) bool { return p == than || !p.running.Load() })
}

// until lets time pass till a condition holds, and returns how long it took.
func (c *cluster) until(within time.Duration, what string, holds func() bool) time.Duration {
	c.t.Helper()
	began := time.Now()
	for !holds() {
		if time.Since(began) > within {
			c.t.Fatalf("not within %v: %s; %s", within, what, c.roles())
		}
		pass(5 * time.Millisecond)
	}
	return time.Since(began)
}

// united reports whether there is one leader and all others know it.
func (c *cluster) united() bool {
	leaders := c.in(snapshot.Leader)
	if len(leaders) != 1 {
		return false
	}
	for _, p := range c.processes {
		if stats := p.group.Stats(); p.running.Load() && stats.Leader != leaders[0].name {
			return false
		}
	}
	return true
}

// wantShared checks that a change at the leader is shown by all, and that only the leader collects meanwhile.
func (c *cluster) wantShared() {
	c.t.Helper()
	leader := c.leader()
	calls := map[*process]int{}
	for _, p := range c.processes {
		calls[p] = p.source.Calls()
	}
	c.wantSpread(leader, leader.group.Nudge)
	pass(11 * time.Second)
	for _, p := range c.processes {
		if n := p.source.Calls() - calls[p]; p != leader && n != 0 {
			c.t.Errorf("%s has collected %d times, though %s leads", p.name, n, leader.name)
		} else if p == leader && (n < 2 || n > 4) {
			c.t.Errorf("%s, the leader, has collected %d times in 11 s and after a nudge", p.name, n)
		}
	}
	c.wantFresh()
}

// wantSpread checks that what the leader's source has newly to say is shown by all soon after a nudge.
func (c *cluster) wantSpread(leader *process, nudge func(...string)) {
	c.t.Helper()
	value := fmt.Sprintf(`{"at":"%s"}`, time.Now().Format(time.RFC3339Nano))
	leader.source.Return(json.RawMessage(value))
	nudge("a")
	c.until(300*time.Millisecond, "all show what has changed", func() bool {
		return !slices.ContainsFunc(c.processes, func(p *process) bool { return p.running.Load() && p.shows() != value })
	})
}

// wantFresh checks that every process answers from memory with what is at most 15 s old.
func (c *cluster) wantFresh() {
	c.t.Helper()
	for _, p := range c.processes {
		if !p.running.Load() {
			continue
		}
		_, served, err := p.cache.Get(c.t.Context())
		if err != nil || served.Stale || served.Rung != snapshot.RungMemory || served.Age > 15*time.Second {
			c.t.Errorf("%s answers %+v, %v; want a fresh document from memory", p.name, served, err)
		}
	}
}

// during checks for some time, many times a second, that a condition holds.
func (c *cluster) during(d time.Duration, what string, holds func() bool) {
	c.t.Helper()
	for began := time.Now(); time.Since(began) < d; pass(10 * time.Millisecond) {
		if !holds() {
			c.t.Fatalf("%v on, not any more: %s; %s", time.Since(began), what, c.roles())
		}
	}
}

// terms is how often there was a new leader.
func (c *cluster) terms() (n int) {
	for _, p := range c.processes {
		n += int(p.group.Stats().Terms)
	}
	return n
}

// three starts a cluster of three processes that has found together.
func three(t *testing.T, hubs ...string) *cluster {
	t.Helper()
	c := newCluster(t, hubs...)
	for _, name := range []string{"p1", "p2", "p3"} {
		c.start(name)
	}
	pass(10 * time.Second)
	c.leader()
	return c
}
