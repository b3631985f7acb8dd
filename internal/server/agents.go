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
	"github.com/agentos/agentos/internal/engine"
)

// AgentList is a page of the fleet as loaded last.
type AgentList struct {
	Agents      []AgentSpec `json:"agents" doc:"In the order of agentos.yaml"`
	LoadedAt    time.Time   `json:"loaded_at"`
	Problems    []string    `json:"problems" doc:"What is wrong with the file on disk; the fleet shown is then the last good one"`
	Notes       []string    `json:"notes" doc:"Likely mistakes in the file in force, such as a variable to pass on that is not set"`
	StatusError *string     `json:"status_error" doc:"Why the agents' status is unknown; null when it is known"`
	PageInfo
}

type listAgentsInput struct {
	ListInput
	State string `query:"state" doc:"Only agents in this state" enum:"running,waiting,idle,paused,failing,offline"`
}

// AgentStatus is what an agent does now and did recently. Its counts are lower bounds if they are capped.
type AgentStatus struct {
	State         string          `json:"state" enum:"running,waiting,idle,paused,failing,offline"`
	Problem       *string         `json:"problem" doc:"Why a worker cannot run it, such as a program that its host lacks; null: none says so"`
	Running       int64           `json:"running"`
	Waiting       int64           `json:"waiting"`
	Scheduled     int64           `json:"scheduled"`
	Retryable     int64           `json:"retryable"`
	Parked        int64           `json:"parked" doc:"In River's state pending"`
	Capped        bool            `json:"capped"`
	Runs1h        int64           `json:"runs_1h" doc:"Attempts that ended in the last hour"`
	Failed1h      int64           `json:"failed_1h"`
	Cancelled1h   int64           `json:"cancelled_1h"`
	Runs24h       int64           `json:"runs_24h"`
	SuccessRate   *float64        `json:"success_rate" doc:"Percent over 24 h; null when nothing ended"`
	P50MS         *float64        `json:"p50_ms" doc:"Run time over 24 h"`
	P95MS         *float64        `json:"p95_ms"`
	LastRunAt     *time.Time      `json:"last_run_at"`
	LastSuccessAt *time.Time      `json:"last_success_at" doc:"To the minute, or the hour, if that was long ago"`
	LastError     *AgentLastError `json:"last_error"`
	Spark         AgentSpark      `json:"spark"`
	CountedAt     *time.Time      `json:"counted_at" doc:"When waiting jobs were counted, if that is done less often than the rest"`
}

// AgentLastError is the failure of an agent that came last.
type AgentLastError struct {
	At      engine.Time `json:"at"`
	Message string      `json:"message"`
	JobID   engine.ID   `json:"job_id"`
}

// AgentSpark is what ended in the last hour, in buckets of StepS seconds.
type AgentSpark struct {
	Start  time.Time `json:"start"`
	StepS  int       `json:"step_s"`
	OK     []int64   `json:"ok"`
	Failed []int64   `json:"failed"`
}

// AgentSpec is one agent as agentos.yaml describes it, and how it stands.
type AgentSpec struct {
	Order       int             `json:"order" doc:"Sort ascending by this"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Command     []string        `json:"command"`
	Dir         string          `json:"dir"`
	Queue       string          `json:"queue"`
	Concurrency int             `json:"concurrency" doc:"Attempts at once in each worker"`
	Limit       *int            `json:"limit" doc:"Attempts at once in all workers together; null means no bound"`
	TimeoutS    float64         `json:"timeout_s"`
	KillGraceS  float64         `json:"kill_grace_s" doc:"Between SIGTERM and SIGKILL"`
	MaxAttempts int             `json:"max_attempts"`
	ExitLater   []int           `json:"exit_later" doc:"Exit statuses that put a job off without using up an attempt"`
	ExitNever   []int           `json:"exit_never" doc:"Exit statuses after which a job is not tried again"`
	MaxLosses   int             `json:"max_losses" doc:"Workers that may die while they run one job before it is discarded"`
	Backoff     AgentBackoff    `json:"backoff"`
	Env         []string        `json:"env" doc:"Names of the variables it gets; values may be secret and are not shown"`
	Schedule    *string         `json:"schedule"`
	Overlap     string          `json:"overlap" enum:"allow,skip" doc:"Whether a tick is left out while an earlier job of the agent has not ended"`
	NextRunAt   *time.Time      `json:"next_run_at"`
	Args        json.RawMessage `json:"args" doc:"The arguments of scheduled runs, secrets redacted by key name"`
	Priority    int             `json:"priority"`
	Status      *AgentStatus    `json:"status" doc:"null when it is not known"`
}

// AgentBackoff is the wait between attempts.
type AgentBackoff struct {
	InitialMS int64   `json:"initial_ms"`
	Factor    float64 `json:"factor"`
	MaxMS     int64   `json:"max_ms"`
	Jitter    float64 `json:"jitter" doc:"The share of each wait, 0 to 1, by which it may be shortened at random"`
}

func (s *server) describeAgent(spec *agent.Spec) AgentSpec {
	names := append(slices.Collect(maps.Keys(spec.Env)), spec.PassEnv...)
	slices.Sort(names)
	described := AgentSpec{
		Name: spec.Name, Description: spec.Description, Command: s.Redact.List(spec.Command), Dir: spec.Dir, Queue: spec.Queue,
		Concurrency: spec.Concurrency, TimeoutS: spec.Timeout.Seconds(), KillGraceS: spec.KillGrace.Seconds(),
		MaxAttempts: spec.MaxAttempts, ExitLater: listed(spec.ExitLater), ExitNever: listed(spec.ExitNever), MaxLosses: spec.MaxLosses, Overlap: string(spec.Overlap), Priority: spec.Priority,
		Backoff: AgentBackoff{
			InitialMS: spec.Backoff.Initial.Milliseconds(), Factor: spec.Backoff.Factor, MaxMS: spec.Backoff.Max.Milliseconds(), Jitter: spec.Backoff.Jitter,
		},
		Env: listed(names), NextRunAt: s.Jobs.NextRun(spec.Name), Args: s.shownArgs(spec),
	}
	if spec.Limit > 0 {
		described.Limit = &spec.Limit
	}
	if spec.Schedule != "" {
		described.Schedule = &spec.Schedule
	}
	return described
}

// standing is the status of the agents.
type standing struct {
	stats  map[string]*engine.AgentStats
	paused map[string]*engine.Time // queues
}

// standingWithin is how long a request waits for the agents' status: what is configured is known without a database.
const standingWithin = 3 * time.Second

func (s *server) standing(ctx context.Context) (*standing, error) {
	stats, err := s.Jobs.Agents(ctx)
	if err != nil {
		return nil, err
	}
	paused, err := s.Jobs.PausedQueues(ctx)
	return &standing{stats, paused}, err
}

// state is empty when it is not known.
func (a *standing) state(spec *agent.Spec) string {
	if a == nil || a.stats[spec.Name] == nil {
		return ""
	}
	return a.stats[spec.Name].State(a.paused[spec.Queue] != nil)
}

// listAgents shows what is configured, also while the agents' status is unknown.
func (s *server) listAgents(ctx context.Context, in *listAgentsInput) (*body[AgentList], error) {
	ctx, cancel := context.WithTimeout(ctx, standingWithin)
	defer cancel()
	now, err := s.standing(ctx)
	if err != nil && in.State != "" {
		return nil, err
	}
	state := s.Agents()
	list := AgentList{LoadedAt: state.LoadedAt.UTC().Truncate(time.Millisecond), Problems: listed(state.Problems), Notes: listed(state.Notes)}
	order := map[string]int{}
	for i, spec := range state.Fleet.Agents {
		order[spec.Name] = i
	}
	specs, info, invalid := pageOf(in.ListInput, state.Fleet.Agents, func(i int) place { return place{int64(i), state.Fleet.Agents[i].Name} }, func(i int) bool {
		spec := state.Fleet.Agents[i]
		return (in.State == "" || now.state(spec) == in.State) && in.has(spec.Name, spec.Description, spec.Queue, now.state(spec))
	})
	if invalid != nil {
		return nil, invalid
	}
	if err == nil {
		err = s.describeStanding(ctx, now, specs...)
	}
	if err != nil {
		p, _ := problemOf(err)
		list.StatusError = &p.Detail
		now = nil
	}
	for _, spec := range specs {
		list.Agents = append(list.Agents, s.describeStatus(order[spec.Name], spec, now))
	}
	list.PageInfo = info
	list.Agents = fitPage(listed(list.Agents), &list.PageInfo, func(a AgentSpec) place { return place{int64(a.Order), a.Name} })
	return answerWith(list), nil
}

// describeStanding reads what is shown of these agents alone.
func (s *server) describeStanding(ctx context.Context, now *standing, specs ...*agent.Spec) error {
	some := map[string]*engine.AgentStats{}
	for _, spec := range specs {
		if stats := now.stats[spec.Name]; stats != nil {
			some[spec.Name] = stats
		}
	}
	return s.Jobs.DescribeAgents(ctx, some)
}

func (s *server) describeStatus(order int, spec *agent.Spec, now *standing) AgentSpec {
	described := s.describeAgent(spec)
	described.Order = order
	if now == nil || now.stats[spec.Name] == nil {
		return described
	}
	a := now.stats[spec.Name]
	described.Status = &AgentStatus{
		State: now.state(spec), Running: a.Running, Waiting: a.Waiting, Scheduled: a.Scheduled, Retryable: a.Retryable, Parked: a.Parked, Capped: a.Capped,
		Runs1h: a.LastHour.Runs, Failed1h: a.LastHour.Failed, Cancelled1h: orZero(a.LastHour.Cancelled), Runs24h: a.LastDay.Runs, SuccessRate: a.LastDay.SuccessRate,
		P50MS: a.LastDay.Run.P50MS, P95MS: a.LastDay.Run.P95MS, LastRunAt: a.LastRunAt, LastSuccessAt: a.LastSuccessAt,
		Spark:     AgentSpark{Start: a.SparkStart, StepS: engine.SparkStep, OK: listed(a.SparkOK), Failed: listed(a.SparkFailed)},
		CountedAt: a.CountedAt,
	}
	if a.Problem != "" {
		described.Status.Problem = &a.Problem
	}
	if f := a.LastError; f != nil {
		described.Status.LastError = &AgentLastError{At: f.At, Message: f.Error, JobID: f.JobID}
	}
	return described
}

// orZero is for a figure that every engine with agents knows.
func orZero(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

func (s *server) getAgent(ctx context.Context, in *nameInput) (*body[AgentSpec], error) {
	state := s.Agents()
	order := slices.IndexFunc(state.Fleet.Agents, func(spec *agent.Spec) bool { return spec.Name == in.Name })
	if order < 0 {
		return nil, problem(http.StatusNotFound, fmt.Sprintf("There is no agent %q in agentos.yaml. GET /api/agents lists those there are.", in.Name))
	}
	spec := state.Fleet.Agents[order]
	ctx, cancel := context.WithTimeout(ctx, standingWithin)
	defer cancel()
	now, err := s.standing(ctx)
	if err == nil {
		err = s.describeStanding(ctx, now, spec)
	}
	if err != nil { // what is configured is known all the same
		s.log.Debug("an agent's status is unknown", "agent", spec.Name, "error", err)
		now = nil
	}
	return answerWith(s.describeStatus(order, spec, now)), nil
}

func (s *server) pauseAgent(ctx context.Context, in *nameInput) (*struct{}, error) {
	err := s.Fleet.PauseAgent(ctx, in.Name)
	s.acted(ctx, "agent.pause", in.Name, err, engine.QueueChanged)
	return nil, err
}

func (s *server) resumeAgent(ctx context.Context, in *nameInput) (*struct{}, error) {
	err := s.Fleet.ResumeAgent(ctx, in.Name)
	s.acted(ctx, "agent.resume", in.Name, err, engine.QueueChanged)
	return nil, err
}

// shownArgs are the arguments of scheduled runs; null where none are known, as for another program's kinds.
func (s *server) shownArgs(spec *agent.Spec) json.RawMessage {
	if len(spec.Args) == 0 {
		return nil
	}
	return json.RawMessage(s.Redact.Any(string(spec.Args)))
}
