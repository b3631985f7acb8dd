package attach

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river/ends"
)

const (
	// quietAfter: a client that runs nothing and ended nothing for so long may be idle or gone. River does not record which.
	quietAfter = time.Minute
	// quietShown is how long it is still listed.
	quietShown = 10 * time.Minute
	maxClients = 10_000 // remembered
	maxNames   = 20     // of kinds and queues, shown beside a client
)

// clients remembers the River clients that ended jobs recently.
type clients struct {
	mu   sync.Mutex
	seen map[string]*clientSeen
}

type clientSeen struct {
	first, last time.Time     // when its jobs ended, by the database's clock as far as that is known
	skew        time.Duration // of its clock against the database's
	done        int64
	kinds       map[string]bool
	queues      map[string]bool
}

// ended notes who ended a job.
func (c *clients) ended(e *ends.Ended, now time.Time) {
	if e.Client == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[string]*clientSeen{}
	}
	seen := c.seen[e.Client]
	if seen == nil {
		if len(c.seen) >= maxClients {
			c.forget(time.Now().Add(-quietShown))
		}
		if len(c.seen) >= maxClients {
			return
		}
		seen = &clientSeen{first: e.At, kinds: map[string]bool{}, queues: map[string]bool{}}
		c.seen[e.Client] = seen
	}
	at := e.At.Add(-seen.skew)
	if at.After(now) {
		at = now
	}
	seen.last = later(seen.last, at)
	seen.done++
	note(seen.kinds, e.Agent)
	note(seen.queues, e.Queue)
}

// skews is how far the clocks of clients are off, as the jobs of one reading show it.
type skews map[string]*skewRange

// skewRange is what the skew of a clock is at least and at most.
type skewRange struct{ least, most time.Duration }

// note looks at a job that became visible between two times by the database's clock. Its end bears the client's.
func (s skews) note(e *ends.Ended, since, now time.Time) {
	if e.Client == "" {
		return
	}
	least, most := e.At.Sub(now), e.At.Sub(since)
	r := s[e.Client]
	if r == nil {
		s[e.Client] = &skewRange{least, most}
		return
	}
	// A job whose transaction took long seems to bear an early time: the least of what they show is behind.
	r.least, r.most = max(r.least, least), max(r.most, most)
}

// skewReported is the skew from which on a clock is reported as off: less may be a transaction that took some seconds.
const skewReported = 5 * time.Second

// skewed keeps how far the clocks are off.
func (c *clients) skewed(clocks skews) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, r := range clocks {
		seen := c.seen[id]
		if seen == nil {
			continue
		}
		switch {
		case r.most < -skewReported:
			seen.skew = r.least.Round(time.Second) // some job ended just before it was seen
		case r.least > skewReported:
			seen.skew = r.least.Round(time.Second)
		default:
			seen.skew = 0
		}
	}
}

// Clocks returns how far the clocks of clients are off, and that of this process, as jobs.Service does.
func (s *Service) Clocks(ctx context.Context) (off map[string]time.Duration, here time.Duration, err error) {
	found, err := s.Standing(ctx)
	return s.Skews(), -found.Ahead, err
}

// Skews returns the clients whose clocks are off, by how much: more than zero is ahead of the database's.
func (s *Service) Skews() map[string]time.Duration {
	off := map[string]time.Duration{}
	for id, seen := range s.clients.since(time.Now().Add(-quietShown)) {
		if seen.skew != 0 {
			off[id] = seen.skew
		}
	}
	return off
}

func note(names map[string]bool, name string) {
	if len(names) < 10*maxNames {
		names[name] = true
	}
}

func (c *clients) forget(before time.Time) {
	maps.DeleteFunc(c.seen, func(_ string, seen *clientSeen) bool { return seen.last.Before(before) })
}

// since returns copies of the clients that ended jobs since a time, and forgets the others.
func (c *clients) since(at time.Time) map[string]clientSeen {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(at)
	seen := make(map[string]clientSeen, len(c.seen))
	for id, one := range c.seen {
		copied := *one
		copied.kinds, copied.queues = maps.Clone(one.kinds), maps.Clone(one.queues)
		seen[id] = copied
	}
	return seen
}

// Workers returns the River clients that run jobs or ended some in the last ten minutes. River does not record how many jobs
// a client may run at once, nor its heartbeat: its last sign of life is the latest start or end of a job.
func (s *Service) Workers(ctx context.Context) ([]engine.Worker, error) {
	now, err := s.runningJobs(ctx)
	if err != nil {
		return nil, err
	}
	at := time.Now()
	seen := s.clients.since(at.Add(-quietShown))
	ids := map[string]bool{}
	for id := range now.byClient {
		ids[id] = true
	}
	for id := range seen {
		ids[id] = true
	}
	workers := make([]engine.Worker, 0, len(ids))
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		workers = append(workers, workerOf(id, now.byClient[id], seen[id], at))
	}
	return workers, nil
}

func workerOf(id string, now *clientNow, seen clientSeen, at time.Time) engine.Worker {
	w := engine.Worker{ID: id, State: "active", Done: &seen.done, Running: new(int)}
	if seen.skew != 0 {
		off := seen.skew.Seconds()
		w.SkewS = &off
	}
	var started time.Time
	w.Host, started = describeClient(id)
	last := seen.last
	kinds, queues := map[string]bool{}, map[string]bool{}
	maps.Copy(kinds, seen.kinds)
	maps.Copy(queues, seen.queues)
	if now != nil {
		*w.Running = int(now.running)
		last = later(last, now.newest)
		maps.Copy(kinds, now.kinds)
		maps.Copy(queues, now.queues)
	} else if at.Sub(last) > quietAfter {
		w.State = "quiet"
	}
	if started.IsZero() {
		started = seen.first
		if started.IsZero() {
			started = last
		}
	}
	started, beat := started.UTC().Truncate(time.Millisecond), last.UTC().Truncate(time.Millisecond)
	age, agents := max(at.Sub(last).Milliseconds(), 0), len(kinds)
	w.Order, w.StartedAt, w.BeatAt, w.BeatAgeMS, w.Agents = started.UnixMilli(), &started, &beat, &age, &agents
	w.AgentNames, w.Queues = names(kinds), names(queues)
	return w
}

func names(of map[string]bool) []string {
	sorted := slices.AppendSeq([]string{}, maps.Keys(of))
	slices.Sort(sorted)
	return sorted[:min(len(sorted), maxNames)]
}

// riverClient is how River names a client that was given no name: its host and when it was made.
var riverClient = regexp.MustCompile(`^(.+)_(\d{4}_\d\d_\d\dT\d\d_\d\d_\d\d_\d+)$`)

// describeClient returns the host of a client and when it was started; nothing when its name does not say.
func describeClient(id string) (host string, started time.Time) {
	parts := riverClient.FindStringSubmatch(id)
	if parts == nil {
		return "", time.Time{}
	}
	started, err := time.Parse("2006_01_02T15_04_05.000000", parts[2][:19]+"."+(parts[2][20:] + "000000")[:6])
	if err != nil {
		return parts[1], time.Time{}
	}
	return parts[1], started
}
