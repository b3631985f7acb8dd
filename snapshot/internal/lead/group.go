// Package lead makes processes show one document: it runs the warmer in just one of them, the leader, and takes over in
// the others what that one publishes.
package lead

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/agentos/agentos/snapshot/internal/bounded"
	"github.com/agentos/agentos/snapshot/link"
)

// The roles of a process in its group.
const (
	Leader   = "leader"   // it collects, for all
	Follower = "follower" // another process leads
	Alone    = "alone"    // no link works: it collects, for itself
)

// Options configures a Group.
type Options struct {
	Name    string // of this process, when it leads
	Links   []link.Link
	Cache   Cache
	Warmer  Warmer
	Silence time.Duration // the longest time between two documents of a leader that is well
	Log     *slog.Logger
}

// A Cache is what a group asks of the cache, which it knows by these functions alone.
type Cache interface {
	Heartbeat(ctx context.Context)       // notes until ctx ends that this process runs, so that a suspension is noticed
	AdoptStored(ctx context.Context)     // takes over the newest document that is stored anywhere
	Offer(doc []byte, from string) error // gives it a document that came through the link of that name
	Last() (received, made time.Time)    // of the current document; zero made = there is none
	IsFresh(now time.Time) (fresh bool)  // whether there is a current document and it is fresh
}

// A Warmer is what a group asks of the warmer, which it knows by these functions alone.
type Warmer interface {
	Run(ctx context.Context) error
	Nudge(sections ...string)
	Republish()                   // publishes again, as a new revision
	ProbeAll(ctx context.Context) // tries all sections at once, and does not wait for them
	AllSourcesFailing() bool      // whether another process may do better
}

// A Group is one process's part in it. Safe for concurrent use.
//
// Who leads is decided by the links' leases, see link.Link. A process whose links fail is not held up: it collects for
// itself until one works again. So does a follower, when one of its viewers asks, as long as what it has is too old to be
// fresh although its leader's lease is kept.
type Group struct {
	opts     Options
	cache    Cache
	warmer   Warmer
	links    []*linkState
	notifier *link.Notifier
	log      *slog.Logger

	standing    atomic.Pointer[standing]
	terms       atomic.Uint64
	campaignNow chan struct{}
	resyncNow   chan struct{}

	unfit time.Time // until when this process prefers others to lead; used by the campaign alone
}

// A standing is what this process is at present. It is immutable.
type standing struct {
	role   string
	leader string        // who leads; empty = unknown
	until  time.Time     // when a leader's certainty ends
	over   chan struct{} // closed when the role has changed
}

// collects reports whether the warmer runs in this role.
func (s *standing) collects() bool { return s.role != Follower }

const (
	// listenPause is how long after a lost connection Listen is begun again.
	listenPause = time.Second

	// resyncPause is how often a follower that receives nothing looks at what is stored.
	resyncPause = time.Second
)

// New makes a group. Do not call the warmer's Run: the group does.
func New(opts Options) *Group {
	g := &Group{
		opts: opts, cache: opts.Cache, warmer: opts.Warmer, notifier: link.NewNotifier(opts.Links, opts.Log), log: opts.Log,
		campaignNow: make(chan struct{}, 1), resyncNow: make(chan struct{}, 1),
	}
	for _, link := range opts.Links {
		g.links = append(g.links, &linkState{link: link, calls: bounded.NewCaller()})
	}
	g.standing.Store(&standing{role: Follower, over: make(chan struct{})})
	return g
}

// Run takes part in the group until ctx ends; then it gives up what it holds, so that another process takes over at
// once, and does not wait longer than a second or so for links and sources that hang. It returns an error only if the
// warmer already runs.
func (g *Group) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var tasks sync.WaitGroup
	tasks.Go(func() { g.cache.Heartbeat(ctx) })
	tasks.Go(func() { g.resync(ctx) })
	tasks.Go(func() { g.notifier.Run(ctx) })
	for _, l := range g.links {
		tasks.Go(func() { g.listen(ctx, l) })
	}
	tasks.Go(func() { g.campaign(ctx) })
	err := g.collect(ctx)
	cancel()
	tasks.Wait()
	return err
}

// Nudge says that something has changed, like the warmer's, wherever the warmer runs. It does not block.
func (g *Group) Nudge(sections ...string) {
	if g.standing.Load().collects() {
		g.warmer.Nudge(sections...)
		return
	}
	g.notifier.Nudge(sections...)
}

// MayPublish reports whether this process may publish now, and in which role: as a leader only while it is certain to be
// one; as a follower, which includes those who do not know who leads, only when nothing fresh is to be had.
func (g *Group) MayPublish() (as string, ok bool) {
	now := time.Now()
	role, leads := g.leads(now)
	if leads || role == Alone {
		return role, true
	}
	return Follower, !g.cache.IsFresh(now)
}

// Fenced is called when a link has refused a document of this process: another one has led since, or has published a
// newer one. It looks at that one, and asks for the lease again.
func (g *Group) Fenced(link string) {
	for _, l := range g.links {
		if l.link.Name() == link {
			l.lose()
		}
	}
	signal(g.resyncNow)
	signal(g.campaignNow)
}

// signal asks for something to happen; once is enough.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // that is about to happen
	}
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
func (g *Group) listen(ctx context.Context, l *linkState) {
	to := link.Listener{
		OnReady: func() {
			l.noteListening(nil)
			signal(g.resyncNow)
		},
		OnDocument: func(doc []byte) {
			_ = g.cache.Offer(doc, l.link.Name()) // what is corrupt was counted
			if g.standing.Load().role == Leader {
				signal(g.campaignNow) // another one takes itself for the leader too
			}
		},
		OnNotify: func(sections []string) {
			if g.standing.Load().collects() {
				g.warmer.Nudge(sections...)
			}
		},
	}
	for ctx.Err() == nil {
		err := g.listenOnce(ctx, l, to)
		l.noteListening(cmp.Or(err, errListenEnded))
		if ctx.Err() == nil {
			g.log.Debug("listening to the link failed", "link", l.link.Name(), "error", err)
		}
		bounded.Pause(ctx, listenPause)
	}
}

var errListenEnded = errors.New("it stopped listening without a reason")

// listenOnce calls Listen. One that ignores its context is waited for a moment, and then left behind.
func (g *Group) listenOnce(ctx context.Context, l *linkState, to link.Listener) error {
	ended := make(chan error, 1)
	go func() { ended <- bounded.Protect(func() error { return l.link.Listen(ctx, to) }) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	timer := time.NewTimer(resignTimeout)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
		return context.Cause(ctx)
	}
}

// resync looks at what is stored when it is asked to, and when nothing has come from the leader for longer than there is
// between two documents. A leader publishes again afterwards: it may be that what it published is lost, or that a newer
// one was found which another process left behind.
func (g *Group) resync(ctx context.Context) {
	ticker := time.NewTicker(resyncPause)
	defer ticker.Stop()
	for {
		select {
		case <-g.resyncNow:
			g.cache.AdoptStored(ctx)
			if g.standing.Load().role == Leader {
				g.warmer.Republish()
			}
		case <-ticker.C:
			if g.standing.Load().role == Follower && g.isSilent() {
				g.cache.AdoptStored(ctx)
			}
		case <-ctx.Done():
			return
		}
	}
}

// isSilent reports whether a document of the leader's is missing, by when the last one came or by when it says it was
// made.
func (g *Group) isSilent() bool {
	now, due := time.Now(), g.opts.Silence+resyncPause
	received, made := g.cache.Last()
	return now.Sub(received) > due || !made.IsZero() && now.Sub(made) > due
}

// leads returns this process's role, and whether it is certain to be the leader.
func (g *Group) leads(now time.Time) (role string, certainly bool) {
	s := g.standing.Load()
	return s.role, s.role == Leader && certain(s.until, now)
}

// certain reports whether now is before until, by the monotonic clock and by that on the wall: the first one stands while
// the host is suspended.
func certain(until, now time.Time) bool {
	return now.Before(until) && now.Round(0).Before(until.Round(0))
}

// Stats says how a process stands in its group.
type Stats struct {
	Role   string
	Leader string // who leads, by the name its links give; empty = unknown or nobody
	Terms  uint64 // times this process became leader
	Links  []LinkStats
}

// LinkStats is the state of one link.
type LinkStats struct {
	Name       string
	Up         bool
	Subscribed bool
	Error      string
}

// Stats returns how this process stands. It asks nothing of the links.
func (g *Group) Stats() Stats {
	now := g.standing.Load()
	stats := Stats{Role: now.role, Leader: now.leader, Terms: g.terms.Load()}
	for _, l := range g.links {
		stats.Links = append(stats.Links, l.stats(time.Now()))
	}
	return stats
}

// Locks returns every lock of the group, for tests that hold them all to show who takes none.
func (g *Group) Locks() (all []sync.Locker) {
	for _, l := range g.links {
		all = append(all, &l.mu)
	}
	return all
}

// Lapse ends the certainty that this process leads, as if its grant were over and no campaign had come since; for tests.
func (g *Group) Lapse() {
	now := *g.standing.Load()
	now.until = time.Now()
	g.standing.Store(&now)
}
