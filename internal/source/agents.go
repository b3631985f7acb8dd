package source

import (
	"context"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/jobs"
	"github.com/agentos/agentos/snapshot"
)

// agentsValue is the section `agents`. An agent is active when a live worker serves it and it is not paused.
type agentsValue struct {
	TotalAgents  int                   `json:"total_agents"`
	ActiveAgents int                   `json:"active_agents"`
	PausedAgents int                   `json:"paused_agents"`
	Config       configValue           `json:"config"`
	Items        map[string]agentValue `json:"items"`
}

// configValue is the agents' file: which one is in force, and what is wrong with a newer one.
type configValue struct {
	Path     string    `json:"path"`
	LoadedAt time.Time `json:"loaded_at"`
	Error    *string   `json:"error"`
	Problems []string  `json:"problems"`
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
	State       string      `json:"state"` // running, waiting, idle, paused, failing or offline
	Running     int64       `json:"running"`
	Waiting     int64       `json:"waiting"`
	Scheduled   int64       `json:"scheduled"`
	Retryable   int64       `json:"retryable"`
	Capped      bool        `json:"capped,omitempty"` // these four are at least so many
	Runs1h      int64       `json:"runs_1h"`
	Failed1h    int64       `json:"failed_1h"`
	Runs24h     int64       `json:"runs_24h"`
	SuccessRate *float64    `json:"success_rate"` // percent over 24 h
	P50MS       *float64    `json:"p50_ms"`       // run time over 24 h
	P95MS       *float64    `json:"p95_ms"`
	LastRunAt   *time.Time  `json:"last_run_at"`
	LastError   *errorValue `json:"last_error"`
	Spark       sparkValue  `json:"spark"`
	CountedAt   *time.Time  `json:"counted_at"` // when waiting jobs were counted, if that is done less often than the rest
}

type errorValue struct {
	At      time.Time `json:"at"`
	Message string    `json:"message"`
	JobID   int64     `json:"job_id"`
}

// sparkValue is the last hour in buckets of StepS seconds.
type sparkValue struct {
	Start  time.Time `json:"start"`
	StepS  int       `json:"step_s"`
	OK     []int64   `json:"ok"`
	Failed []int64   `json:"failed"`
}

const sparkStep = 120 // seconds

func agents(d Deps) snapshot.Source {
	return snapshot.SourceFunc(func(ctx context.Context) (any, error) {
		stats, err := d.Jobs.Agents(ctx)
		if err != nil {
			return nil, err
		}
		paused, err := pausedQueues(ctx, d.Jobs)
		if err != nil {
			return nil, err
		}
		fleet := d.Fleet()
		v := agentsValue{
			TotalAgents: len(fleet.Agents),
			Config:      describeConfig(fleet),
			Items:       make(map[string]agentValue, len(fleet.Agents)),
		}
		for i, spec := range fleet.Agents {
			one := describeAgent(i, spec, stats[spec.Name], paused[spec.Queue])
			one.NextRunAt = d.Jobs.NextRun(spec.Name)
			switch one.State {
			case "paused":
				v.PausedAgents++
			case "offline":
			default:
				v.ActiveAgents++
			}
			v.Items[spec.Name] = one
		}
		return v, nil
	})
}

// pausedQueues tells which queues are paused.
func pausedQueues(ctx context.Context, s Jobs) (map[string]bool, error) {
	queues, err := s.Queues(ctx)
	if err != nil {
		return nil, err
	}
	paused := make(map[string]bool, len(queues))
	for _, q := range queues {
		paused[q.Name] = q.PausedAt != nil
	}
	return paused, nil
}

func describeConfig(fleet Fleet) configValue {
	c := configValue{Path: fleet.Path, LoadedAt: fleet.LoadedAt.UTC().Truncate(time.Millisecond), Problems: fleet.Problems}
	if c.Problems == nil {
		c.Problems = []string{}
	}
	if len(fleet.Problems) > 0 {
		text := "the newest file has faults and is not in force"
		c.Error = &text
	}
	return c
}

func describeAgent(order int, spec *agent.Spec, s jobs.AgentStats, paused bool) agentValue {
	v := agentValue{
		Order: order, Name: spec.Name, Description: spec.Description, Queue: spec.Queue,
		Concurrency: spec.Concurrency, TimeoutS: spec.Timeout.Seconds(), MaxAttempts: spec.MaxAttempts,
		State:   agentState(s, paused),
		Running: s.Running, Waiting: s.Waiting, Scheduled: s.Scheduled, Retryable: s.Retryable, Capped: s.Capped,
		Runs1h: s.LastHour.Runs, Failed1h: s.LastHour.Failed, Runs24h: s.LastDay.Runs,
		SuccessRate: s.LastDay.SuccessRate, P50MS: s.LastDay.Run.P50MS, P95MS: s.LastDay.Run.P95MS,
		LastRunAt: s.LastRunAt, CountedAt: s.CountedAt,
		Spark: sparkValue{Start: s.SparkStart, StepS: sparkStep, OK: s.SparkOK, Failed: s.SparkFailed},
	}
	if spec.Schedule != "" {
		v.Schedule = &spec.Schedule
	}
	if s.LastError != nil {
		v.LastError = &errorValue{At: s.LastError.At, Message: s.LastError.Error, JobID: s.LastError.JobID}
	}
	return v
}

// agentState names what an operator should know first: that nobody runs it, that it is paused, that it fails.
func agentState(s jobs.AgentStats, paused bool) string {
	switch {
	case s.Slots == 0:
		return "offline"
	case paused:
		return "paused"
	case s.Running > 0:
		return "running"
	case s.LastOutcome == "failed" || s.LastOutcome == "timeout" || s.LastOutcome == "lost":
		return "failing"
	case s.Waiting > 0:
		return "waiting"
	default:
		return "idle"
	}
}
