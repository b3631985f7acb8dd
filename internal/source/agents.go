package source

import (
	"context"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/jobs"
	"github.com/agentos/agentos/snapshot"
)

// agentsValue is the section `agents`. An agent is active when a live worker serves it and it is not paused. The figures count all
// agents; of more than fit, those that need attention are listed, then those that are busy.
type agentsValue struct {
	TotalAgents  int                   `json:"total_agents"`
	ActiveAgents int                   `json:"active_agents"`
	PausedAgents int                   `json:"paused_agents"`
	States       map[string]int        `json:"states"` // how many agents are in each state
	Listed       int                   `json:"listed"`
	Config       configValue           `json:"config"`
	Items        map[string]agentValue `json:"items"`
}

// configValue is the agents' file: which one is in force, and what is wrong with a newer one.
type configValue struct {
	Path     string    `json:"path"`
	LoadedAt time.Time `json:"loaded_at"`
	Error    *string   `json:"error"`
	Problems []string  `json:"problems"`
	Notes    []string  `json:"notes,omitempty"` // what in the file in force is probably not meant so
}

type agentValue struct {
	Order       int         `json:"order"`
	Name        string      `json:"name"`
	Description string      `json:"description"`
	Queue       string      `json:"queue"`
	Schedule    *string     `json:"schedule"`
	NextRunAt   *time.Time  `json:"next_run_at"`
	Concurrency int         `json:"concurrency"`
	TimeoutS    float64     `json:"timeout_s"`
	MaxAttempts int         `json:"max_attempts"`
	State       string      `json:"state"`             // running, waiting, idle, paused, failing or offline
	Problem     string      `json:"problem,omitempty"` // why a worker cannot run it
	Running     int64       `json:"running"`
	Waiting     int64       `json:"waiting"`
	Scheduled   int64       `json:"scheduled"`
	Retryable   int64       `json:"retryable"`
	Parked      int64       `json:"parked,omitempty"` // in River's state pending
	Capped      bool        `json:"capped,omitempty"` // these four are at least so many
	Runs1h      int64       `json:"runs_1h"`
	Failed1h    int64       `json:"failed_1h"`
	Cancelled1h int64       `json:"cancelled_1h,omitempty"`
	Runs24h     int64       `json:"runs_24h"`
	SuccessRate *float64    `json:"success_rate"` // percent over 24 h
	P50MS       *float64    `json:"p50_ms"`       // run time over 24 h
	P95MS       *float64    `json:"p95_ms"`
	LastRunAt   *time.Time  `json:"last_run_at"`
	LastOKAt    *time.Time  `json:"last_success_at"`
	LastError   *errorValue `json:"last_error"`
	Spark       sparkValue  `json:"spark"`
	CountedAt   *time.Time  `json:"counted_at"` // when waiting jobs were counted, if that is done less often than the rest
}

type errorValue struct {
	At      jobs.Time `json:"at"`
	Message string    `json:"message"`
	JobID   int64     `json:"job_id"`
}

// sparkValue is the last hour in buckets of StepS seconds.
type sparkValue struct {
	Start  time.Time   `json:"start"`
	StepS  int         `json:"step_s"`
	OK     jobs.Counts `json:"ok"` // null where nothing was recorded yet
	Failed jobs.Counts `json:"failed"`
}

// agentsChosen is of how many agents at most the sums are read.
const agentsChosen = 40

func agents(d Deps) snapshot.Source {
	chosen := &choice{most: agentsChosen, room: agentsBytes - 5<<10}
	return snapshot.SourceFunc(func(ctx context.Context) (any, error) {
		stats, err := d.Jobs.Agents(ctx)
		if err != nil {
			return nil, err
		}
		paused, err := d.Jobs.PausedQueues(ctx)
		if err != nil {
			return nil, err
		}
		fleet, now := d.Fleet(), time.Now()
		v := agentsValue{TotalAgents: len(fleet.Agents), States: map[string]int{}, Config: describeConfig(fleet)}
		all, place := make([]ranked, len(fleet.Agents)), make(map[string]int, len(fleet.Agents))
		for i, spec := range fleet.Agents {
			s := stats[spec.Name]
			if s == nil { // the file has changed meanwhile
				s = &jobs.AgentStats{}
				stats[spec.Name] = s
			}
			held := paused[spec.Queue] != nil
			v.count(s.State(held))
			all[i], place[spec.Name] = ranked{spec.Name, agentRank(s, held, now)}, i
		}
		picked := chosen.pick(all, now)
		described := make(map[string]*jobs.AgentStats, len(picked))
		for _, p := range picked {
			described[p.key] = stats[p.key]
		}
		if err := d.Jobs.DescribeAgents(ctx, described); err != nil {
			return nil, err
		}
		at := places(picked, attention)
		v.Items = fill(chosen, picked, now, func(name string) agentValue {
			spec := fleet.Agents[place[name]]
			one := describeAgent(place[name], spec, described[name], paused[spec.Queue] != nil)
			one.NextRunAt = d.Jobs.NextRun(name)
			if len(picked) < v.TotalAgents {
				one.Order += at[name] * behind
			}
			return one
		})
		v.Listed = len(v.Items)
		return v, nil
	})
}

func (v *agentsValue) count(state string) {
	v.States[state]++
	switch state {
	case "paused":
		v.PausedAgents++
	case "offline":
	default:
		v.ActiveAgents++
	}
}

// attention is the last rank of rows that somebody should look at.
const attention = 2

// agentRank tells how important it is that an agent is listed.
func agentRank(s *jobs.AgentStats, paused bool, now time.Time) int {
	since := time.Duration(1<<63 - 1)
	if s.LastRunAt != nil {
		since = now.Sub(*s.LastRunAt)
	}
	backlog := s.Waiting + s.Retryable
	switch {
	case s.Slots == 0 && backlog > 0:
		return 0
	case s.Failing() && since < 24*time.Hour, s.Slots == 0 && s.Problem != "":
		return 1
	case paused && backlog > 0:
		return 2
	case s.Running > 0:
		return 3
	case s.Waiting > 0:
		return 4
	case since < time.Hour:
		return 5
	case since < 24*time.Hour:
		return 6
	case s.LastRunAt != nil:
		return 7
	}
	return 8
}

func describeConfig(fleet Fleet) configValue {
	c := configValue{Path: fleet.Path, LoadedAt: fleet.LoadedAt.UTC().Truncate(time.Millisecond), Problems: clipList(fleet.Problems, 2<<10)}
	c.Path = clip(c.Path, 300)
	if c.Problems == nil {
		c.Problems = []string{}
	}
	c.Notes = clipList(fleet.Notes, 1<<10)
	if len(fleet.Problems) > 0 {
		text := "the newest file has faults and is not in force"
		c.Error = &text
	}
	return c
}

func describeAgent(order int, spec *agent.Spec, s *jobs.AgentStats, paused bool) agentValue {
	v := agentValue{
		Order: order, Name: spec.Name, Description: clip(spec.Description, 160), Queue: spec.Queue,
		Concurrency: spec.Concurrency, TimeoutS: spec.Timeout.Seconds(), MaxAttempts: spec.MaxAttempts,
		State:   s.State(paused),
		Running: s.Running, Waiting: s.Waiting, Scheduled: s.Scheduled, Retryable: s.Retryable, Parked: s.Parked, Capped: s.Capped,
		Runs1h: s.LastHour.Runs, Failed1h: s.LastHour.Failed, Cancelled1h: s.LastHour.Cancelled, Runs24h: s.LastDay.Runs,
		SuccessRate: s.LastDay.SuccessRate, P50MS: s.LastDay.Run.P50MS, P95MS: s.LastDay.Run.P95MS,
		LastRunAt: s.LastRunAt, LastOKAt: s.LastSuccessAt, CountedAt: s.CountedAt,
		Spark: sparkValue{Start: s.SparkStart, StepS: jobs.SparkStep, OK: s.SparkOK, Failed: s.SparkFailed},
	}
	if spec.Schedule != "" {
		v.Schedule = &spec.Schedule
	}
	v.Problem = clip(s.Problem, 300)
	if s.LastError != nil {
		v.LastError = &errorValue{At: s.LastError.At, Message: clip(s.LastError.Error, 200), JobID: s.LastError.JobID}
	}
	return v
}
