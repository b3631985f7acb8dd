package snapshot

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"
)

// A seat is what this process has at one link.
type seat struct {
	link  Link
	calls *caller // of Campaign and Resign

	mu       sync.Mutex // guards what follows
	grant    Grant      // zero = it has no lease
	answered time.Time  // when the link last said who has the lease
	worked   time.Time  // when it last did anything
	heard    time.Time  // since when it is listened to; zero = it is not
	err      error      // of the last campaign
	deaf     error      // why it is not listened to
}

const (
	// campaignEvery lets a leader try three times to keep its lease, and a new one be there within 4 s of its last try.
	campaignEvery = LeaseTime / 4

	// campaignDeadline is how long a link may take to answer.
	campaignDeadline = LeaseTime / 3

	// unfitFor is how long a process none of whose costly sources answered prefers others to lead: long enough that
	// processes which all fare like that do not take turns at each campaign.
	unfitFor = time.Minute

	// resignPatience is how long a process that ends waits for its leases to be given up.
	resignPatience = time.Second
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
		case <-g.hurry:
		case <-ctx.Done():
			return
		}
	}
}

// campaignSoon has a campaign begin at once.
func (g *Group) campaignSoon() {
	select {
	case g.hurry <- struct{}{}:
	default: // it is about to
	}
}

// round asks the links for their leases in order and returns who has one, if that is another process. Then it leaves the
// links after that one to the other, so that two of which each has one do not wait for each other.
func (g *Group) round(ctx context.Context) (held string) {
	for _, s := range g.seats {
		if held != "" {
			s.leave(ctx)
			continue
		}
		worked := s.works()
		held = s.ask(ctx, g.rank(s, time.Now()))
		if worked && !s.works() {
			g.warmer.doubt(ctx) // what the link failed of may be what the sources read: a leader must know before the next tick
		}
	}
	return held
}

// works tells whether the last campaign got an answer.
func (s *seat) works() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err == nil
}

// ask campaigns at the link. held names who has the lease if that is another process. An answer that comes when nobody
// waits for it any more counts too.
func (s *seat) ask(ctx context.Context, rank int) (held string) {
	var holder string
	err := s.calls.call(ctx, campaignDeadline, func(ctx context.Context) error {
		grant, err := s.link.Campaign(ctx, rank)
		var other *HeldError
		if errors.As(err, &other) {
			holder, grant, err = cmp.Or(other.Holder, "another process"), Grant{}, nil
		}
		if err == nil {
			s.answer(grant)
		}
		return err
	})
	if err == nil {
		return holder
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err // what was granted lasts until its end
	return ""
}

// answer notes what the link has said: the grant is zero when another process has the lease.
func (s *seat) answer(grant Grant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grant, s.err, s.answered = grant, nil, time.Now()
	s.worked = s.answered
}

// lose forgets the lease and tells whether this process had it, or may have had it without knowing.
func (s *seat) lose() (had bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	had = s.grant != Grant{} || s.err != nil
	s.grant, s.err = Grant{}, nil
	return had
}

// leave gives the lease up if this process has it.
func (s *seat) leave(ctx context.Context) {
	if s.lose() {
		_ = s.calls.call(ctx, resignPatience, s.link.Resign) // else it ends by itself
	}
}

// hears notes whether the link is listened to from now on, or why it is not.
func (s *seat) hears(deaf error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if deaf == nil || !s.heard.IsZero() {
		s.worked = now
	}
	s.deaf, s.heard = deaf, time.Time{}
	if deaf == nil {
		s.heard = now
	}
}

// rank is how well this process would lead, at one link. One whose sources answer comes first; then one that reaches more
// of the other links, for it is heard by more; then the one that leads already, so that a link which works again comes to
// it and not to whoever is there first. A link may name a process with a higher rank instead of a leader.
func (g *Group) rank(at *seat, now time.Time) int {
	rank := 0
	_, leads := g.leads(now)
	if leads {
		rank = 1
	}
	for _, s := range g.seats {
		if s != at && s.reached(now, leads) {
			rank += 2
		}
	}
	if !g.unfitNow(now) {
		rank += 2 * len(g.seats)
	}
	return rank
}

// reached tells whether the link counts as working. The leader counts it for some time after it has failed, the others
// only when they have heard it for some time: so what befalls all of them does not change who leads, whoever notices it
// first.
func (s *seat) reached(now time.Time, leads bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	hears := !s.heard.IsZero()
	if leads {
		return hears || now.Sub(s.worked) < 2*LeaseTime
	}
	return hears && now.Sub(s.heard) >= LeaseTime || certain(s.grant.Until, now)
}

// unfitNow tells whether others are to be preferred because the sources do not answer this process.
func (g *Group) unfitNow(now time.Time) bool {
	if _, leads := g.leads(now); leads && g.warmer.barren() {
		g.unfit = now.Add(unfitFor)
	}
	return now.Before(g.unfit)
}

// decide takes the role that the last round's answers give this process. As long as nothing is known it keeps the one it
// has; that of a leader whose lease is over lets it publish nothing, see mayPublish.
func (g *Group) decide(ctx context.Context, held string) {
	now := time.Now()
	var until, answered time.Time
	for _, s := range g.seats {
		s.mu.Lock()
		until, answered = later(until, s.grant.Until), later(answered, s.answered)
		s.mu.Unlock()
	}
	old := g.standing.Load()
	next := &standing{role: old.role, leader: old.leader, until: until}
	switch {
	case held != "":
		next.role, next.leader = Follower, held
	case certain(until, now):
		next.role, next.leader = Leader, g.warmer.opts.Name
	case now.Sub(answered) >= LeaseTime:
		next.role, next.leader = Alone, ""
	}
	g.become(ctx, next)
}

// become changes the role. One who comes to lead looks first at what was published by whoever led before.
func (g *Group) become(ctx context.Context, next *standing) {
	old := g.standing.Load()
	if next.role == Follower && next.leader != old.leader {
		g.log.Info("another process collects", "leader", next.leader)
	}
	if old.role == next.role {
		next.over = old.over
		g.standing.Store(next)
		return
	}
	next.over = make(chan struct{})
	switch next.role {
	case Leader:
		g.cache.look(ctx)
		g.terms.Add(1)
		g.log.Info("this process collects for all")
	case Alone:
		g.log.Warn("no link works: this process collects for itself", "error", g.failure())
	}
	g.standing.Store(next)
	close(old.over)
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
	g.campaignSoon()
}

// resign gives up all leases at the end, and does not wait for links that hang.
func (g *Group) resign() {
	ctx, cancel := context.WithTimeout(context.Background(), resignPatience)
	defer cancel()
	g.become(ctx, &standing{role: Follower, leader: g.standing.Load().leader})
	var all sync.WaitGroup
	for _, s := range g.seats {
		all.Go(func() { s.leave(ctx) })
	}
	all.Wait()
}

// stats tells how the link fares.
func (s *seat) stats(now time.Time) LinkStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	hears := !s.heard.IsZero()
	stats := LinkStats{
		Name: s.link.Name(), Hears: hears,
		Up: hears || s.err == nil && now.Sub(s.answered) < LeaseTime,
	}
	if err := cmp.Or(s.err, s.deaf); err != nil {
		stats.Error = err.Error()
	}
	return stats
}
