package document

import "time"

// Agents is the section `agents`. An agent is active when a live worker serves it and it is not paused. The figures count all; of more
// than fit, those that need attention are listed, then those that are busy.
type Agents struct {
	// Null, as the other two: the engine does not report which kinds of jobs there are.
	TotalAgents  *int `json:"total_agents"`
	ActiveAgents *int `json:"active_agents"`
	PausedAgents *int `json:"paused_agents"`
	// How many are in each state, listed or not.
	States map[AgentState]int `json:"states" schema:"optional"`
	// How many of them are listed: the most important.
	Listed int    `json:"listed" schema:"optional"`
	Config Config `json:"config"`
	// By name.
	Items map[string]Agent `json:"items"`
}

// Config is the agents' file: which one is in force, and what is wrong with a newer one.
type Config struct {
	Path     string    `json:"path"`
	LoadedAt time.Time `json:"loaded_at"`
	// That the newest file is not in force; null: it is.
	Error *string `json:"error"`
	// Why not.
	Problems []string `json:"problems"`
	// Likely mistakes in the file in force.
	Notes []string `json:"notes,omitempty"`
}

// Agent is one agent with what it did recently.
type Agent struct {
	Order       int    `json:"order"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Queue       string `json:"queue"`
	// Null: it runs when it is given work.
	Schedule *string `json:"schedule"`
	// By its schedule; null: it has none.
	NextRunAt *time.Time `json:"next_run_at"`
	// Attempts that each worker may run at once.
	Concurrency int        `json:"concurrency"`
	TimeoutS    float64    `json:"timeout_s"`
	MaxAttempts int        `json:"max_attempts"`
	State       AgentState `json:"state"`
	// Why a worker cannot run it.
	Problem string `json:"problem,omitempty"`
	// Jobs by state.
	Running   int64 `json:"running"`
	Waiting   int64 `json:"waiting"`
	Scheduled int64 `json:"scheduled"`
	Retryable int64 `json:"retryable"`
	// In River's state pending: they wait until a program releases them.
	Parked int64 `json:"parked,omitempty"`
	// At least so many run, wait, are scheduled or to be tried again: a shared queue is too long to look at each job.
	Capped bool `json:"capped,omitempty"`
	// Attempts that ended in the last hour.
	Runs1h      int64 `json:"runs_1h"`
	Failed1h    int64 `json:"failed_1h"`
	Cancelled1h int64 `json:"cancelled_1h,omitempty"`
	// Attempts that ended in the last 24 h, as the figures that follow.
	Runs24h int64 `json:"runs_24h"`
	// Percent; null: none ended.
	SuccessRate *float64 `json:"success_rate"`
	// Median of the run time; null: none ended.
	P50MS *float64 `json:"p50_ms"`
	// 95th percentile of the run time; null: none ended.
	P95MS *float64 `json:"p95_ms"`
	// Null: not as far as is known.
	LastRunAt *time.Time `json:"last_run_at"`
	// To the minute, or the hour if that was long ago; null: not as far as is known.
	LastSuccessAt *time.Time `json:"last_success_at" schema:"optional"`
	// Null: none as far as is known.
	LastError *AgentError `json:"last_error"`
	Spark     Spark       `json:"spark"`
	// When waiting jobs were counted, if less often than the rest; null: with the rest.
	CountedAt *time.Time `json:"counted_at" schema:"optional"`
}

// AgentState is what an agent does.
type AgentState string

// The states of an agent.
const (
	AgentRunning AgentState = "running"
	AgentWaiting AgentState = "waiting"
	AgentIdle    AgentState = "idle"
	AgentPaused  AgentState = "paused"
	AgentFailing AgentState = "failing"
	AgentOffline AgentState = "offline" // no live worker serves it
)

// AgentStates are all of them.
var AgentStates = []AgentState{AgentRunning, AgentWaiting, AgentIdle, AgentPaused, AgentFailing, AgentOffline}

// AgentError is the error of an agent's last failed attempt.
type AgentError struct {
	At Time `json:"at"`
	// Shortened.
	Message string `json:"message"`
	JobID   string `json:"job_id"`
}

// Spark is an agent's last hour: ended attempts in consecutive buckets of step_s seconds.
type Spark struct {
	Start time.Time `json:"start"`
	StepS int       `json:"step_s"`
	// Null where nothing was recorded yet.
	OK []*int64 `json:"ok"`
	// Null where nothing was recorded yet.
	Failed []*int64 `json:"failed"`
}
