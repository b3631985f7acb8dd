package agent

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// What an entry of agentos.yaml means where it says nothing, and how far it may go.
const (
	DefaultTimeout     = 5 * time.Minute
	MaxTimeout         = 24 * time.Hour
	DefaultMaxAttempts = 3
	DefaultKillGrace   = 5 * time.Second
	DefaultMaxLosses   = 3
)

// DefaultExitLater and DefaultExitNever are what sysexits.h calls them: EX_TEMPFAIL and EX_DATAERR.
var (
	DefaultExitLater = []int{75}
	DefaultExitNever = []int{65}
)

// DefaultBackoff is the wait between attempts where agentos.yaml names none.
var DefaultBackoff = Backoff{Initial: time.Second, Factor: 2, Max: 5 * time.Minute, Jitter: 0.1}

// Fleet is a valid agentos.yaml. It is not changed after loading.
type Fleet struct {
	Path   string      // of the file
	Dir    string      // absolute; what relative commands and working directories are relative to
	Agents []*Spec     // in file order
	Queues []QueueSpec // every queue: each agent's own in file order, then those declared under `queues`
	// ModTime is when the file was written; zero when it was not read from one.
	ModTime time.Time
	Hash    string // equal for two files that describe the same fleet

	places map[string]places // of the agents' settings in the file, by agent
}

// Agent returns the agent of that name, or nil.
func (f *Fleet) Agent(name string) *Spec {
	for _, s := range f.Agents {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Names are the agents' names, in file order.
func (f *Fleet) Names() []string {
	names := make([]string, len(f.Agents))
	for i, spec := range f.Agents {
		names[i] = spec.Name
	}
	return names
}

// Part is the fleet with some of its agents, and the queues that these have.
func (f *Fleet) Part(has func(name string) bool) *Fleet {
	part := *f
	part.Agents = slices.DeleteFunc(slices.Clone(f.Agents), func(spec *Spec) bool { return !has(spec.Name) })
	part.Queues = slices.DeleteFunc(slices.Clone(f.Queues), func(q QueueSpec) bool { return !slices.ContainsFunc(q.Agents, has) })
	return &part
}

// QueueSpec is a queue and how many attempts of it one worker process may run at once.
type QueueSpec struct {
	Name        string
	Concurrency int
	Agents      []string // whose jobs go there by default, in file order
}

// Spec is one agent. Everything is filled in: defaults are applied, paths are absolute.
type Spec struct {
	Name        string
	Description string
	Command     []string // argv; the first is an absolute path, or a name that is looked up in PATH at each attempt
	Dir         string   // working directory, absolute
	Queue       string
	Concurrency int           // attempts at once in one worker process
	Limit       int           // attempts at once in all worker processes together; zero means no bound
	Timeout     time.Duration // of one attempt; zero in a Spec not made by Load means none
	KillGrace   time.Duration // between SIGTERM and SIGKILL
	MaxAttempts int
	MaxLosses   int // workers that may die while they run one job; then the job is discarded
	Backoff     Backoff
	Env         map[string]string // added to the few variables every agent gets
	PassEnv     []string          // names of variables handed on from the host's environment: the place for secrets
	Schedule    string            // for ParseSchedule; empty means none
	CatchUp     time.Duration     // how late a missed time of the schedule is made up for; zero means however late, negative not at all
	Spread      time.Duration     // within which the schedule's times are put off, by the agent's name
	Overlap     Overlap           // of scheduled runs
	Args        json.RawMessage   // a JSON object: the arguments of scheduled runs; never nil
	Priority    int               // 1 (first) to 4
	ExitLater   []int             // exit statuses by which an attempt asks to be made later, which uses up none
	ExitNever   []int             // exit statuses by which an attempt says that no other one is of use
	CutOff      CutOff            // what becomes of its attempts when their worker cannot reach the database
}

// Due returns the agent's schedule; nil when it has none.
func (s *Spec) Due() (*Schedule, error) {
	if s.Schedule == "" {
		return nil, nil
	}
	schedule, err := ParseSchedule(s.Schedule)
	if err != nil {
		return nil, fmt.Errorf("agent %s: %w", s.Name, err)
	}
	return schedule.Spread(s.Name, s.Spread), nil
}

// Overlap says what becomes of a tick of an agent's schedule while an earlier job of the agent has not ended.
type Overlap string

// The values of Overlap. A tick whose predecessor's job still waits is skipped in any case.
const (
	OverlapAllow Overlap = "allow" // its job waits, or runs beside the other; the default
	OverlapSkip  Overlap = "skip"  // the tick is left out
)

// CutOff says what a worker does with an agent's attempts while it cannot reach the database and others can: their jobs
// are about to be given to other workers.
type CutOff string

// The values of CutOff.
const (
	CutOffStop     CutOff = "stop"     // end them, so that no job runs twice at once; the default
	CutOffContinue CutOff = "continue" // let them go on: a job may run twice at once, and no work is lost
)

// Backoff says how long to wait before trying a failed job again.
type Backoff struct {
	Initial time.Duration // after the first failed attempt
	Factor  float64       // by which each further wait grows
	Max     time.Duration // no wait is longer
	Jitter  float64       // the share of each wait, 0 to 1, that chance may take off it: what failed together is not to come back together
}

// Wait returns the wait after the given attempt failed, with its jitter.
func (b Backoff) Wait(attempt int) time.Duration {
	delay := b.Delay(attempt)
	return delay - time.Duration(b.Jitter*rand.Float64()*float64(delay))
}

// Delay returns the longest wait after the given attempt failed; the first attempt is 1.
func (b Backoff) Delay(attempt int) time.Duration {
	delay := float64(b.Initial) * math.Pow(b.Factor, float64(max(attempt, 1)-1))
	if delay >= float64(b.Max) || math.IsNaN(delay) { // infinite when it overflows
		return b.Max
	}
	return max(time.Duration(delay), 0)
}
