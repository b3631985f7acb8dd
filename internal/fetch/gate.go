package fetch

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/riverqueue/river/rivertype"

	"github.com/agentos/agentos/internal/agent"
)

// Gate holds this process to its limits when it fetches jobs, over all queues and generations of the fleet: an agent to its
// concurrency, and all of them together to Options.MaxProcesses. What is above a limit stays in its queue, where other
// agents' jobs pass it and other workers find it. A slot is taken by a job, not counted: River reports the end of each that it
// was given.
type Gate struct {
	wake func(queue string) // fetch from it again; called without the lock

	mu       sync.Mutex
	most     int // attempts of all agents together; zero: no bound
	lanes    map[string]*lane
	taken    map[*rivertype.JobRow]string // the agent of each job that River has
	reserved int                          // of fetches under way
	suspect  *rivertype.JobRow            // the running one that has lost several workers, see losses.go
	blocked  []string                     // queues that all slots together kept from jobs, the longest waiting first
	paused   map[string]bool              // queues of which nothing is fetched, whether River knows or not
	restTill time.Time                    // nothing is fetched before
	failures int                          // of this host, in a row
}

// lane is one agent's share of this process.
type lane struct {
	limit    int    // attempts in this process
	fleet    int    // attempts in all processes together; zero: no bound
	home     string // the queue of its jobs
	held     int
	reserved int
	blocked  []string // queues that this limit kept from jobs
}

// NewGate makes a gate for so many attempts of all agents together; zero: no bound. Wake is called when a queue may be fetched from again.
func NewGate(most int, wake func(queue string)) *Gate {
	return &Gate{most: most, wake: wake, lanes: map[string]*lane{}, taken: map[*rivertype.JobRow]string{}}
}

// SetLimits changes the limits of a fleet's agents. Attempts under way keep their slots.
func (g *Gate) SetLimits(fleet *agent.Fleet) {
	g.mu.Lock()
	var woken []string
	for _, spec := range fleet.Agents {
		l := g.lane(spec.Name)
		l.limit, l.fleet, l.home = spec.Concurrency, spec.Limit, spec.Queue
		woken = append(woken, l.blocked...)
		l.blocked = nil
	}
	g.mu.Unlock()
	g.wakeAll(woken)
}

func (g *Gate) lane(name string) *lane {
	if g.lanes[name] == nil {
		g.lanes[name] = &lane{limit: 1}
	}
	return g.lanes[name]
}

// permit is what one fetch may take.
type permit struct {
	queue string
	most  int
	free  []string       // agents that have a slot for each of those
	tight map[string]int // agents that have fewer, or that have to ask the fleet: how many
	full  bool           // some agents have none
	total bool           // most is less than was asked for
}

// ask reserves slots for a fetch from a queue. The caller returns them by endFetch.
func (g *Gate) ask(queue string, kinds []string, want int) permit {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := permit{queue: queue, most: want, tight: map[string]int{}}
	if g.paused[queue] || time.Now().Before(g.restTill) {
		p.most = 0
		return p
	}
	if g.most > 0 {
		if open := max(g.most-len(g.taken)-g.reserved, 0); open < want {
			p.most, p.total = open, true
		}
	}
	if p.most == 0 {
		g.blocked = with(g.blocked, queue)
		return p
	}
	for _, kind := range kinds {
		l := g.lane(kind)
		switch open := l.limit - l.held - l.reserved; {
		case open <= 0:
			p.full = true
			if l.home == queue { // the jobs it has elsewhere are found by the next look
				l.blocked = with(l.blocked, queue)
			}
		case open >= p.most && l.fleet == 0:
			p.free = append(p.free, kind)
		default:
			p.tight[kind] = min(open, p.most)
		}
	}
	g.reserved += p.most
	return p
}

// SetPaused says which queues are paused.
func (g *Gate) SetPaused(queues []string) {
	paused := map[string]bool{}
	for _, queue := range queues {
		paused[queue] = true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.paused = paused
}

// IsPaused reports whether nothing is fetched from a queue because it is paused.
func (g *Gate) IsPaused(queue string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.paused[queue]
}

// Shut pauses a queue.
func (g *Gate) Shut(queue string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.paused == nil {
		g.paused = map[string]bool{}
	}
	g.paused[queue] = true
}

// Open ends the pause of a queue.
func (g *Gate) Open(queue string) {
	g.mu.Lock()
	delete(g.paused, queue)
	g.mu.Unlock()
	g.wake(queue)
}

// Rooms reports for each queue whether one of the agents whose jobs go there has a free slot.
func (g *Gate) Rooms() map[string]bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	rooms := map[string]bool{}
	for _, l := range g.lanes {
		rooms[l.home] = rooms[l.home] || l.held < l.limit
	}
	return rooms
}

// claim reserves slots of one agent, at most n, and returns how many. The caller returns them by endFetch.
func (g *Gate) claim(kind string, n int) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lane(kind)
	n = max(min(n, l.limit-l.held-l.reserved), 0)
	l.reserved += n
	return n
}

// denied notes that a limit kept jobs of an agent in a queue.
func (g *Gate) denied(kind, queue string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lane(kind)
	l.blocked = with(l.blocked, queue)
}

// endFetch ends a fetch: the jobs take their slots, and what was reserved beyond is free again. It returns those that have
// none, because two queues were asked for jobs of one agent at the same moment, and suspects that may not run beside another.
func (g *Gate) endFetch(p permit, claimed map[string]int, jobs []*rivertype.JobRow) (kept, surplus, suspects []*rivertype.JobRow) {
	g.mu.Lock()
	g.reserved -= p.most
	for kind, n := range claimed {
		g.lane(kind).reserved -= n
	}
	for _, job := range jobs {
		l := g.lane(job.Kind)
		if l.held >= l.limit {
			surplus = append(surplus, job)
			l.blocked = with(l.blocked, p.queue)
			continue
		}
		if IsSuspect(job) {
			if g.suspect != nil {
				suspects = append(suspects, job)
				continue
			}
			g.suspect = job
		}
		l.held++
		g.taken[job] = job.Kind
		kept = append(kept, job)
	}
	if p.total && len(kept) == p.most { // there may be more
		g.blocked = with(g.blocked, p.queue)
	}
	next := g.next()
	g.mu.Unlock()
	g.wakeAll(next)
	return kept, surplus, suspects
}

// release ends a job's hold of its slot.
func (g *Gate) release(job *rivertype.JobRow) {
	g.mu.Lock()
	kind, held := g.taken[job]
	if !held {
		g.mu.Unlock()
		return
	}
	delete(g.taken, job)
	if g.suspect == job {
		g.suspect = nil
	}
	l := g.lane(kind)
	l.held--
	woken := l.blocked
	l.blocked = nil
	woken = append(woken, g.next()...)
	g.mu.Unlock()
	g.wakeAll(woken)
}

// next takes the queue that has waited longest for any slot, if there is one.
func (g *Gate) next() []string {
	if len(g.blocked) == 0 || g.most > 0 && len(g.taken)+g.reserved >= g.most {
		return nil
	}
	next := g.blocked[:1:1]
	g.blocked = g.blocked[1:]
	return next
}

func (g *Gate) wakeAll(queues []string) {
	for _, queue := range queues {
		g.wake(queue)
	}
}

const (
	// RestFirst is how long nothing is fetched after this host could not start a program; each further time it is twice as long.
	RestFirst = time.Second
	restMost  = 30 * time.Second
)

// Rest fetches nothing for a while, because this host lacks what attempts need.
func (g *Gate) Rest() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if now.Before(g.restTill) { // the same trouble
		return g.restTill.Sub(now)
	}
	wait := min(RestFirst<<min(g.failures, 10), restMost)
	g.failures++
	g.restTill = now.Add(wait)
	return wait
}

// Started notes that this host could start a program.
func (g *Gate) Started() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failures = 0
}

// Held returns how many slots are taken, by agent.
func (g *Gate) Held() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	held := map[string]int{}
	for kind := range maps.Values(g.taken) {
		held[kind]++
	}
	return held
}

func with(list []string, item string) []string {
	if slices.Contains(list, item) {
		return list
	}
	return append(list, item)
}

func (g *Gate) fleetLimit(kind string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lane(kind).fleet
}
