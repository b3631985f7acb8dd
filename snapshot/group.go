package snapshot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// GroupOptions configures a Group.
type GroupOptions struct {
	// Links connect the processes, the preferred one first and in the same order in all of them; at least one. They
	// must be among the cache's Tiers too. Close them after Run has returned.
	Links []Link

	// Log receives what operators should know, once per change. Nil = nothing is logged.
	Log *slog.Logger
}

// A Role is what a process does in its Group.
type Role string

// The roles.
const (
	Leader   Role = "leader"   // it collects, for all
	Follower Role = "follower" // another process collects
	Alone    Role = "alone"    // no link works: it collects, for itself
)

// A Group makes processes show one document: it runs the warmer in just one of them, and takes over what that one
// publishes in the others. Safe for concurrent use.
//
// Who leads is decided by the links' leases, see Link. A process whose links fail is not held up: it collects for itself
// until one works again. So does a follower, when one of its viewers asks, as long as what it has is too old to be fresh
// although its leader's lease is kept.
type Group struct {
	cache  *Cache
	warmer *Warmer
	seats  []*seat
	teller *Teller
	log    *slog.Logger

	standing atomic.Pointer[standing]
	terms    atomic.Uint64
	hurry    chan struct{} // campaign now
	looks    chan struct{} // look at the tiers now

	unfit time.Time // until when this process prefers others to lead; used by the campaign alone
}

// A standing is what this process is at present. It is immutable.
type standing struct {
	role   Role
	leader string        // who leads; empty = unknown
	until  time.Time     // when a leader's certainty ends
	over   chan struct{} // closed when the role has changed
}

// collects tells whether the warmer runs in this role.
func (s *standing) collects() bool { return s.role != Follower }

const (
	// listenPause is how long after a lost connection Listen is begun anew.
	listenPause = time.Second

	// lookPause is how often a follower that hears nothing looks.
	lookPause = time.Second
)

// NewGroup makes the group of a cache and its warmer. Do not call the warmer's Run: the group does.
func NewGroup(cache *Cache, warmer *Warmer, opts GroupOptions) (*Group, error) {
	if len(opts.Links) == 0 {
		return nil, errors.New("new group: no links")
	}
	for _, link := range opts.Links {
		if guard := cache.guardOf(link.Name()); guard == nil || !guard.link {
			return nil, fmt.Errorf("new group: the link %q is not among the cache's tiers", link.Name())
		}
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	g := &Group{
		cache: cache, warmer: warmer, teller: NewTeller(opts.Links, opts.Log), log: opts.Log,
		hurry: make(chan struct{}, 1), looks: make(chan struct{}, 1),
	}
	for _, link := range opts.Links {
		g.seats = append(g.seats, &seat{link: link, calls: newCaller()})
	}
	g.standing.Store(&standing{role: Follower, over: make(chan struct{})})
	cache.group.Store(g)
	return g, nil
}

// Run takes part in the group until ctx ends; then it gives up what it holds, so that another process takes over at
// once, and does not wait longer than a second or so for links and sources that hang. It returns an error only if the
// warmer already runs.
func (g *Group) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var tasks sync.WaitGroup
	tasks.Go(func() { g.cache.beat(ctx) })
	tasks.Go(func() { g.look(ctx) })
	tasks.Go(func() { g.teller.Run(ctx) })
	for _, s := range g.seats {
		tasks.Go(func() { g.listen(ctx, s) })
	}
	tasks.Go(func() { g.campaign(ctx) })
	err := g.collect(ctx)
	cancel()
	tasks.Wait()
	return err
}

// Nudge says that something has changed, like Warmer.Nudge, wherever the warmer runs. It does not block.
func (g *Group) Nudge(sections ...string) {
	if g.standing.Load().collects() {
		g.warmer.Nudge(sections...)
		return
	}
	g.teller.Nudge(sections...)
}

// collect runs the warmer while this process is to collect.
func (g *Group) collect(ctx context.Context) error {
	for ctx.Err() == nil {
		now := g.standing.Load()
		if now.collects() {
			run, cancel := context.WithCancel(ctx)
			stop := make(chan struct{})
			go func() { // ends with the run
				defer close(stop)
				g.awaitEnd(run, now)
				cancel()
			}()
			err := g.warmer.Run(run)
			cancel()
			<-stop
			if err != nil {
				return err
			}
			continue
		}
		select {
		case <-now.over:
		case <-ctx.Done():
		}
	}
	return nil
}

// awaitEnd waits until this process collects no more, or ctx ends.
func (g *Group) awaitEnd(ctx context.Context, now *standing) {
	for now.collects() {
		select {
		case <-now.over:
			now = g.standing.Load()
		case <-ctx.Done():
			return
		}
	}
}

// listen takes over what other processes publish and ask for, through one link.
func (g *Group) listen(ctx context.Context, s *seat) {
	to := Listener{
		Ready: func() {
			s.hears(nil)
			g.lookSoon()
		},
		Document: func(doc []byte) {
			_ = g.cache.Offer(doc, s.link.Name()) // what is corrupt was counted
			if g.standing.Load().role == Leader {
				g.campaignSoon() // another one takes itself for the leader too
			}
		},
		Told: func(sections []string) {
			if g.standing.Load().collects() {
				g.warmer.Nudge(sections...)
			}
		},
	}
	for ctx.Err() == nil {
		err := g.listenOnce(ctx, s, to)
		s.hears(cmp.Or(err, errSilent))
		if ctx.Err() == nil {
			g.log.Debug("the link is not heard", "link", s.link.Name(), "error", err)
		}
		pause(ctx, listenPause)
	}
}

var errSilent = errors.New("it stopped listening without a reason")

// listenOnce calls Listen. One that ignores its context is waited for a moment, and then left behind.
func (g *Group) listenOnce(ctx context.Context, s *seat, to Listener) error {
	ended := make(chan error, 1)
	go func() { ended <- protect(func() error { return s.link.Listen(ctx, to) }) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	timer := time.NewTimer(resignPatience)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
		return context.Cause(ctx)
	}
}

// lookSoon has the tiers looked at, now that something may have been missed.
func (g *Group) lookSoon() {
	select {
	case g.looks <- struct{}{}:
	default: // that is about to happen
	}
}

// look looks at the tiers when it is asked to, and when nothing has come from the leader for longer than there is between
// two documents. A leader publishes again afterwards: it may be that what it published is lost, or that a newer one was
// found which another process left behind.
func (g *Group) look(ctx context.Context) {
	ticker := time.NewTicker(lookPause)
	defer ticker.Stop()
	for {
		select {
		case <-g.looks:
			g.cache.look(ctx)
			if g.standing.Load().role == Leader {
				g.warmer.repeat()
			}
		case <-ticker.C:
			if g.standing.Load().role == Follower && g.isSilent() {
				g.cache.look(ctx)
			}
		case <-ctx.Done():
			return
		}
	}
}

// isSilent tells whether a document of the leader's is missing, by when the last one came or by when it says it was made.
func (g *Group) isSilent() bool {
	last, now := g.cache.current.Load(), time.Now()
	due := g.warmer.opts.Interval + g.warmer.opts.Patience + lookPause
	return now.Sub(last.at) > due || last.snap != nil && now.Sub(last.snap.At) > due
}

// mayPublish tells whether this process may publish now, and in which role: as a leader only while it is certain to be
// one; as a follower, which includes those who do not know who leads, only when nothing fresh is to be had.
func (g *Group) mayPublish(now time.Time) (as Role, ok bool) {
	role, leads := g.leads(now)
	if leads || role == Alone {
		return role, true
	}
	snap := g.cache.Current()
	return Follower, snap == nil || !g.cache.fresh(snap, now)
}

// leads tells this process's role, and whether it is certain to be the leader.
func (g *Group) leads(now time.Time) (role Role, certainly bool) {
	s := g.standing.Load()
	return s.role, s.role == Leader && certain(s.until, now)
}

// certain tells whether now is before until, by the monotonic clock and by that on the wall: the first one stands while
// the host is suspended.
func certain(until, now time.Time) bool {
	return now.Before(until) && now.Round(0).Before(until.Round(0))
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// GroupStats tells how a process stands in its group.
type GroupStats struct {
	Role   Role
	Leader string      // who leads, by the name its links give; empty = unknown or nobody; WarmerOptions.Name = this one
	Terms  uint64      // how often this process has become the leader
	Links  []LinkStats // in the order of GroupOptions.Links
}

// LinkStats tells how one link fares.
type LinkStats struct {
	Name  string
	Up    bool   // it answers or is heard
	Hears bool   // what other processes publish is heard
	Error string // why it last failed; empty = it does not fail
}

// Stats tells how this process stands. It asks nothing of the links.
func (g *Group) Stats() GroupStats {
	now := g.standing.Load()
	stats := GroupStats{Role: now.role, Leader: now.leader, Terms: g.terms.Load()}
	for _, s := range g.seats {
		stats.Links = append(stats.Links, s.stats(time.Now()))
	}
	return stats
}
