package lead

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/agentos/agentos/snapshot/link"
)

const (
	// campaignEvery lets a leader try three times to keep its lease, and a new one be there within 4 s of its last try.
	campaignEvery = link.LeaseTime / 4

	// campaignTimeout is how long a link may take to answer.
	campaignTimeout = link.LeaseTime / 3

	// UnfitFor is how long a process none of whose costly sources answered prefers others to lead: long enough that
	// processes which are all in that state do not take turns at each campaign.
	UnfitFor = time.Minute

	// resignTimeout is how long a process that ends waits for its leases to be given up.
	resignTimeout = time.Second
)

// campaign asks for the leases again and again, and decides from the answers which role this process has. At the end it
// gives up what it has.
func (g *Group) campaign(ctx context.Context) {
	defer g.resign()
	ticker := time.NewTicker(campaignEvery)
	defer ticker.Stop()
	for {
		held := g.round(ctx)
		if ctx.Err() != nil {
			return
		}
		g.decide(ctx, held)
		select {
		case <-ticker.C:
		case <-g.campaignNow:
		case <-ctx.Done():
			return
		}
	}
}

// round asks the links for their leases in order and returns who has one, if that is another process. Then it leaves the
// links after that one to the other, so that two of which each has one do not wait for each other.
func (g *Group) round(ctx context.Context) (held string) {
	for _, l := range g.links {
		if held != "" {
			l.resign(ctx)
			continue
		}
		worked := l.works()
		held = l.ask(ctx, g.rank(l, time.Now()))
		if worked && !l.works() {
			g.warmer.ProbeAll(ctx) // what the link failed of may be what the sources read: a leader must know before the next tick
		}
	}
	return held
}

// rank is how well this process would lead, at one link. One whose sources answer comes first; then one that reaches more
// of the other links, for more listen to it; then the one that leads already, so that a link which works again comes to
// it and not to whoever is there first. A link may name a process with a higher rank instead of a leader.
func (g *Group) rank(at *linkState, now time.Time) int {
	rank := 0
	_, leads := g.leads(now)
	if leads {
		rank = 1
	}
	for _, l := range g.links {
		if l != at && l.reached(now, leads) {
			rank += 2
		}
	}
	if !g.unfitNow(now) {
		rank += 2 * len(g.links)
	}
	return rank
}

// unfitNow reports whether others are to be preferred because the sources do not answer this process.
func (g *Group) unfitNow(now time.Time) bool {
	if _, leads := g.leads(now); leads && g.warmer.AllSourcesFailing() {
		g.unfit = now.Add(UnfitFor)
	}
	return now.Before(g.unfit)
}

// decide takes the role that the last round's answers give this process. As long as nothing is known it keeps the one it
// has; that of a leader whose lease is over lets it publish nothing, see MayPublish.
func (g *Group) decide(ctx context.Context, held string) {
	now := time.Now()
	var until, answered time.Time
	for _, l := range g.links {
		l.mu.Lock()
		until, answered = later(until, l.grant.Until), later(answered, l.answered)
		l.mu.Unlock()
	}
	old := g.standing.Load()
	next := &standing{role: old.role, leader: old.leader, until: until}
	switch {
	case held != "":
		next.role, next.leader = Follower, held
	case certain(until, now):
		next.role, next.leader = Leader, g.opts.Name
	case now.Sub(answered) >= link.LeaseTime:
		next.role, next.leader = Alone, ""
	}
	g.become(ctx, next)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// become changes the role. One who comes to lead looks first at what was published by whoever led before.
func (g *Group) become(ctx context.Context, next *standing) {
	old := g.standing.Load()
	if next.role == Follower && next.leader != old.leader {
		g.log.Info("another process leads", "leader", next.leader)
	}
	if old.role == next.role {
		next.over = old.over
		g.standing.Store(next)
		return
	}
	next.over = make(chan struct{})
	switch next.role {
	case Leader:
		g.cache.AdoptStored(ctx)
		g.terms.Add(1)
		g.log.Info("this process leads")
	case Alone:
		g.log.Warn("no link works: this process collects for itself", "error", g.failure())
	}
	g.standing.Store(next)
	close(old.over)
}

// failure is why the links do not work.
func (g *Group) failure() error {
	var failed []error
	for _, l := range g.links {
		l.mu.Lock()
		failed = append(failed, l.err)
		l.mu.Unlock()
	}
	return errors.Join(failed...)
}

// resign gives up all leases at the end, and does not wait for links that hang.
func (g *Group) resign() {
	ctx, cancel := context.WithTimeout(context.Background(), resignTimeout)
	defer cancel()
	g.become(ctx, &standing{role: Follower, leader: g.standing.Load().leader})
	var all sync.WaitGroup
	for _, l := range g.links {
		all.Go(func() { l.resign(ctx) })
	}
	all.Wait()
}
