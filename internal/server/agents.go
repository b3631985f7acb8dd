package server

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/agentos/agentos/internal/agent"
)

// AgentList is the fleet as loaded last.
type AgentList struct {
	Agents   []AgentSpec `json:"agents" doc:"In the order of agentos.yaml"`
	LoadedAt time.Time   `json:"loaded_at"`
	Problems []string    `json:"problems" doc:"What is wrong with the file on disk; the fleet shown is then the last good one"`
	Notes    []string    `json:"notes" doc:"What in the file in force is probably not meant as it is written, such as a variable to pass on that is not set"`
}

// AgentSpec is one agent as agentos.yaml describes it.
type AgentSpec struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Command     []string        `json:"command"`
	Dir         string          `json:"dir"`
	Queue       string          `json:"queue"`
	Concurrency int             `json:"concurrency"`
	TimeoutS    float64         `json:"timeout_s"`
	KillGraceS  float64         `json:"kill_grace_s" doc:"Between SIGTERM and SIGKILL"`
	MaxAttempts int             `json:"max_attempts"`
	Backoff     AgentBackoff    `json:"backoff"`
	Env         []string        `json:"env" doc:"Names of the variables it gets; values may be secret and are not shown"`
	Schedule    *string         `json:"schedule"`
	NextRunAt   *time.Time      `json:"next_run_at"`
	Args        json.RawMessage `json:"args" doc:"The arguments of scheduled runs, secrets redacted by key name"`
	Priority    int             `json:"priority"`
}

// AgentBackoff is the wait between attempts.
type AgentBackoff struct {
	InitialMS int64   `json:"initial_ms"`
	Factor    float64 `json:"factor"`
	MaxMS     int64   `json:"max_ms"`
}

func (s *server) describeAgent(spec *agent.Spec) AgentSpec {
	names := append(slices.Collect(maps.Keys(spec.Env)), spec.PassEnv...)
	slices.Sort(names)
	described := AgentSpec{
		Name: spec.Name, Description: spec.Description, Command: s.Redact.List(spec.Command), Dir: spec.Dir, Queue: spec.Queue,
		Concurrency: spec.Concurrency, TimeoutS: spec.Timeout.Seconds(), KillGraceS: spec.KillGrace.Seconds(),
		MaxAttempts: spec.MaxAttempts, Priority: spec.Priority,
		Backoff: AgentBackoff{
			InitialMS: spec.Backoff.Initial.Milliseconds(), Factor: spec.Backoff.Factor, MaxMS: spec.Backoff.Max.Milliseconds(),
		},
		Env: listed(names), NextRunAt: s.Jobs.NextRun(spec.Name), Args: json.RawMessage(s.Redact.Any(string(spec.Args))),
	}
	if spec.Schedule != "" {
		described.Schedule = &spec.Schedule
	}
	return described
}

func (s *server) listAgents(context.Context, *struct{}) (*body[AgentList], error) {
	state := s.Agents()
	list := AgentList{Agents: []AgentSpec{}, LoadedAt: state.LoadedAt.UTC().Truncate(time.Millisecond), Problems: listed(state.Problems), Notes: listed(state.Notes)}
	for _, spec := range state.Fleet.Agents {
		list.Agents = append(list.Agents, s.describeAgent(spec))
	}
	return answerWith(list), nil
}

func (s *server) getAgent(_ context.Context, in *nameInput) (*body[AgentSpec], error) {
	spec := s.Agents().Fleet.Agent(in.Name)
	if spec == nil {
		return nil, problem(http.StatusNotFound, fmt.Sprintf("There is no agent %q in agentos.yaml. GET /api/agents lists those there are.", in.Name))
	}
	return answerWith(s.describeAgent(spec)), nil
}

func (s *server) pauseAgent(ctx context.Context, in *nameInput) (*struct{}, error) {
	err := s.Fleet.PauseAgent(ctx, in.Name)
	s.acted(ctx, "agent.pause", in.Name, err, "agents", "queue")
	return nil, err
}

func (s *server) resumeAgent(ctx context.Context, in *nameInput) (*struct{}, error) {
	err := s.Fleet.ResumeAgent(ctx, in.Name)
	s.acted(ctx, "agent.resume", in.Name, err, "agents", "queue")
	return nil, err
}
