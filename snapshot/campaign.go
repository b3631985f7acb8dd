package snapshot

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// A seat is what this process has at one link.
type seat struct {
	link  Link
	hears atomic.Bool

	mu       sync.Mutex // guards what follows
	grant    Grant      // zero = it has no lease
	answered time.Time  // when the link last said anything about the lease
	err      error      // of the last campaign; nil = the link answered
}

// reached tells whether the link works, as far as this process knows.
func (s *seat) reached(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hears.Load() || s.err == nil && now.Sub(s.answered) < LeaseTime
}

func (s *seat) stats(now time.Time) LinkStats {
	stats := LinkStats{Name: s.link.Name(), Up: s.reached(now), Hears: s.hears.Load()}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		stats.Error = s.err.Error()
	}
	return stats
}

// ask campaigns at the link. held names who has the lease if that is another process.
func (s *seat) ask(ctx context.Context, rank int) (held string) {
	var grant Grant
	err := protect(func() (err error) {
		grant, err = s.link.Campaign(ctx, rank)
		return err
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	var other *HeldError
	switch {
	case err == nil:
		s.grant, s.answered, s.err = grant, time.Now(), nil
	case errors.As(err, &other):
		s.grant, s.answered, s.err = Grant{}, time.Now(), nil
		if other.Holder == "" {
			return "another process"
		}
		return other.Holder
	default:
		s.err = err // what was granted lasts until its end
	}
	return ""
}

// lose forgets the lease.
func (s *seat) lose() (had bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	had = certain(s.grant.Until, time.Now())
	s.grant = Grant{}
	return had
}

// resign gives the lease up if this process has it.
func (s *seat) resign(ctx context.Context) {
	if s.lose() {
		_ = protect(func() error { return s.link.Resign(ctx) }) // else it ends by itself
	}
}

// campaign asks for the leases again and again, and decides from the answers which role this process has.
func (g *Group) campaign(ctx context.Context) {
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
		case <-g.hurry:
		case <-ctx.Done():
			return
		}
	}
}

// round asks the links for their leases in order and returns who has one, if that is another process. Then it leaves the
// links after that one to the other, so that two of which each has one do not wait for each other.
func (g *Group) round(ctx context.Context) (held string) {
	for _, s := range g.seats {
		if held != "" {
			s.resign(ctx)
			continue
		}
		held = s.ask(ctx, g.rank(s, time.Now()))
	}
	return held
}

// rank is how well this process would lead, at one link: one that reaches the other links too is to be preferred, for it
// is heard by all, and so is one whose sources answer. A link may name a process with a higher rank instead of a leader.
func (g *Group) rank(at *seat, now time.Time) int {
	rank := 0
	if !g.unfitNow(now) {
		rank = 1
	}
	for _, s := range g.seats {
		if s != at && s.reached(now) {
			rank += 2
		}
	}
	return rank
}

// unfitFor is how long a process none of whose costly sources answered prefers others to lead: long enough that
// processes which all fare like that do not take turns at each campaign.
const unfitFor = time.Minute

func (g *Group) unfitNow(now time.Time) bool {
	if g.standing.Load().role == Leader && g.warmer.barren() {
		g.unfit = now.Add(unfitFor)
	}
	return now.Before(g.unfit)
}

// decide takes the role that the last round's answers give this process.
func (g *Group) decide(ctx context.Context, held string) {
	now := time.Now()
	var until, answered time.Time
	for _, s := range g.seats {
		s.mu.Lock()
		until, answered = later(until, s.grant.Until), later(answered, s.answered)
		s.mu.Unlock()
	}
	next := &standing{role: Follower, leader: held}
	switch {
	case held != "":
	case certain(until, now):
		next.role, next.leader, next.until = Leader, g.warmer.opts.Name, until
	case now.Sub(answered) >= LeaseTime:
		next.role = Alone
	}
	g.become(ctx, next)
}

// become changes the role. One who comes to lead looks first at what was published by whoever led before.
func (g *Group) become(ctx context.Context, next *standing) {
	old := g.standing.Load()
	if old.role == next.role {
		next.over = old.over
		g.standing.Store(next)
		return
	}
	next.over = make(chan struct{})
	if next.role == Leader {
		g.cache.look(ctx, g.cache.opts.TierTimeout/2)
		g.terms.Add(1)
	}
	g.standing.Store(next)
	close(old.over)
	switch next.role {
	case Leader:
		g.log.Info("this process collects for all")
	case Follower:
		g.log.Info("another process collects", "leader", next.leader)
	case Alone:
		g.log.Warn("no link works: this process collects for itself", "error", g.failure())
	}
}

// failure is why the links do not work.
func (g *Group) failure() error {
	var failed []error
	for _, s := range g.seats {
		s.mu.Lock()
		failed = append(failed, s.err)
		s.mu.Unlock()
	}
	return errors.Join(failed...)
}

// fenced is called when a link has refused a document of this process: another one has led since, or has published a
// newer one. It looks at that one, and asks for the lease anew.
func (g *Group) fenced(link string) {
	for _, s := range g.seats {
		if s.link.Name() == link {
			s.lose()
		}
	}
	g.lookSoon()
	select {
	case g.hurry <- struct{}{}:
	default: // it is about to
	}
}

// resign gives up all leases at the end, and does not wait for links that hang.
func (g *Group) resign() {
	ctx, cancel := context.WithTimeout(context.Background(), resignPatience)
	defer cancel()
	g.become(ctx, &standing{role: Follower})
	var all sync.WaitGroup
	for _, s := range g.seats {
		all.Go(func() { s.resign(ctx) })
	}
	all.Wait()
}
