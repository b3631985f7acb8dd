package document

import "time"

// Workers is the section `workers`. The figures count all of them.
type Workers struct {
	// Lost ones too, for as long as they are listed.
	Total  int `json:"total"`
	Active int `json:"active"`
	// How many are in each state, listed or not.
	States map[WorkerState]int `json:"states" schema:"optional"`
	Hosts  int                 `json:"hosts" schema:"optional"`
	// Attempts that the active ones may run at once; null: the engine does not record it.
	Slots *int `json:"slots"`
	// Attempts that the active ones run; null: the engine does not record it.
	Busy *int `json:"busy"`
	// How many of them are listed: the most important.
	Listed int `json:"listed" schema:"optional"`
	// Of the clock that is furthest from the database's, in seconds; null: none is off.
	SkewS *float64 `json:"skew_s" schema:"optional"`
	// By id.
	Items map[string]Worker `json:"items"`
}

// Worker is one process that runs attempts.
type Worker struct {
	Order int64  `json:"order"`
	ID    string `json:"id"`
	Host  string `json:"host"`
	// Null, as all of these: its engine does not record it.
	PID   *int        `json:"pid"`
	State WorkerState `json:"state"`
	// The engine's own word for the state, where it is another one.
	EngineState string `json:"engine_state,omitempty"`
	Version     string `json:"version"`
	// By the worker's clock.
	StartedAt *time.Time `json:"started_at"`
	// Its last heartbeat, by the database's clock, which is another than the server's.
	BeatAt *time.Time `json:"beat_at"`
	// How old that was when the section was collected.
	BeatAgeMS *int64 `json:"beat_age_ms" schema:"optional"`
	// How far its clock is ahead of the database's, in seconds, less than zero behind; null: it is right, or unknown.
	SkewS *float64 `json:"skew_s" schema:"optional"`
	// Attempts that it may run at once.
	Slots *int `json:"slots"`
	// Attempts that it runs.
	Running *int `json:"running"`
	// Attempts ended since it started.
	Done *int64 `json:"done"`
	// How many agents it runs.
	Agents *int `json:"agents"`
	// Which ones, at most 20; null: the whole fleet.
	AgentNames []string `json:"agent_names" schema:"nullable,optional"`
	// Which queues it serves, at most 20; null: all.
	Queues []string `json:"queues" schema:"nullable,optional"`
	// Queues that it serves and that are not listed.
	MoreQueues int `json:"more_queues,omitempty"`
}

// WorkerState is what a worker does.
type WorkerState string

// The states of a worker.
const (
	WorkerActive   WorkerState = "active"
	WorkerDraining WorkerState = "draining" // it ends what it runs and starts nothing
	WorkerLost     WorkerState = "lost"     // it sends no heartbeat any more
	WorkerQuiet    WorkerState = "quiet"    // it runs nothing, ended nothing recently, and sends no heartbeat that would say more
)
