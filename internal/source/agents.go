package source

import (
	"context"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/internal/engine"
)

// agentsChosen is of how many agents at most the sums are read.
const agentsChosen = 40

func agents(d Deps) collectFunc {
	chosen := &choice{most: agentsChosen}
	return func(ctx context.Context) (any, error) {
		stats, err := d.Jobs.Agents(ctx)
		if err != nil {
			return nil, err
		}
		held, err := d.Jobs.PausedQueues(ctx)
		if err != nil {
			return nil, err
		}
		fleet, now := d.Fleet(), time.Now()
		v := document.Agents{States: map[document.AgentState]int{}, Config: describeConfig(fleet)}
		all, place := make([]ranked, len(fleet.Agents)), make(map[string]int, len(fleet.Agents))
		for i, spec := range fleet.Agents {
			s := stats[spec.Name]
			if s == nil { // the file has changed meanwhile
				s = &engine.AgentStats{}
				stats[spec.Name] = s
			}
			paused := held[spec.Queue] != nil
			v.States[document.AgentState(s.State(paused))]++
			all[i], place[spec.Name] = ranked{spec.Name, agentRank(s, paused, now)}, i
		}
		chosen.room = agentsBytes - 5<<10 - d.yields(agentsYield)
		picked := chosen.pick(all, now)
		described := make(map[string]*engine.AgentStats, len(picked))
		for _, p := range picked {
			described[p.key] = stats[p.key]
		}
		if err := d.Jobs.DescribeAgents(ctx, described); err != nil {
			return nil, err
		}
		at := places(picked, attention)
		v.Items = fill(chosen, picked, now, func(name string) document.Agent {
			spec := fleet.Agents[place[name]]
			one := describeAgent(place[name], spec, described[name], held[spec.Queue] != nil)
			one.NextRunAt = d.Jobs.NextRun(name)
			if len(picked) < len(fleet.Agents) {
				one.Order += at[name] * behind
			}
			return one
		})
		v.Listed = len(v.Items)
		if d.lacks(document.CapabilityKinds) {
			return v, nil
		}
		total, paused, offline := len(fleet.Agents), v.States[document.AgentPaused], v.States[document.AgentOffline]
		v.TotalAgents, v.PausedAgents, v.ActiveAgents = &total, &paused, new(total-paused-offline)
		return v, nil
	}
}

// attention is the last rank of rows that somebody should look at.
const attention = 2

// agentRank is how important it is that an agent is listed.
func agentRank(s *engine.AgentStats, paused bool, now time.Time) int {
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

func describeConfig(fleet Fleet) document.Config {
	c := document.Config{Path: fleet.Path, LoadedAt: fleet.LoadedAt.UTC().Truncate(time.Millisecond), Problems: clipList(fleet.Problems, 2<<10)}
	c.Path = clip(c.Path, 300)
	if c.Problems == nil {
		c.Problems = []string{}
	}
	c.Notes = clipList(fleet.Notes, 1<<10)
	if len(fleet.Problems) > 0 {
		text := "the newest file has errors and is not in force"
		c.Error = &text
	}
	return c
}

func describeAgent(order int, spec *agent.Spec, s *engine.AgentStats, paused bool) document.Agent {
	v := document.Agent{
		Order: order, Name: spec.Name, Description: clip(spec.Description, 160), Queue: spec.Queue,
		Concurrency: spec.Concurrency, TimeoutS: spec.Timeout.Seconds(), MaxAttempts: spec.MaxAttempts,
		State:   document.AgentState(s.State(paused)),
		Running: s.Running, Waiting: s.Waiting, Scheduled: s.Scheduled, Retryable: s.Retryable, Parked: s.Parked, Capped: s.Capped,
		Runs1h: s.LastHour.Runs, Failed1h: s.LastHour.Failed, Cancelled1h: known(s.LastHour.Cancelled), Runs24h: s.LastDay.Runs,
		SuccessRate: s.LastDay.SuccessRate, P50MS: s.LastDay.Run.P50MS, P95MS: s.LastDay.Run.P95MS,
		LastRunAt: s.LastRunAt, LastSuccessAt: s.LastSuccessAt, CountedAt: s.CountedAt,
		Spark: document.Spark{Start: s.SparkStart, StepS: engine.SparkStep, OK: counts(s.SparkOK), Failed: counts(s.SparkFailed)},
	}
	if spec.Schedule != "" {
		v.Schedule = &spec.Schedule
	}
	v.Problem = clip(s.Problem, 300)
	if s.LastError != nil {
		v.LastError = &document.AgentError{At: timeOf(&s.LastError.At), Message: clip(s.LastError.Error, 200), JobID: string(s.LastError.JobID)}
	}
	return v
}
