package document

import "time"

// Jobs is the section `jobs`: the totals since midnight, of the server's day or the engine's own, and three short lists.
type Jobs struct {
	// Jobs enqueued; null: the engine does not record it.
	TotalToday *int64 `json:"total_today"`
	// Jobs completed; null: unknown.
	CompletedToday *int64 `json:"completed_today"`
	// Attempts that failed, timed out or were lost; null: unknown.
	FailedToday *int64 `json:"failed_today"`
	// Jobs that gave up and are still there; null: unknown.
	GaveUpToday *int64 `json:"gave_up_today" schema:"optional"`
	// Null: unknown.
	CancelledToday *int64 `json:"cancelled_today"`
	// At least so many were cancelled: they are not counted to the end.
	CancelledCapped bool `json:"cancelled_capped,omitempty"`
	// Some of today's are still to be counted.
	TodayPartial bool `json:"today_partial" schema:"optional"`
	// When today began, with the offset of the zone that it is counted in.
	DayStart time.Time `json:"day_start"`
	// That zone, such as Europe/Berlin: of the leader, or of the engine whose counters these are.
	DayZone string `json:"day_zone" schema:"optional"`
	// The beginning for people: 00:00 CET.
	DayLabel string `json:"day_label" schema:"optional"`
	// The jobs that were created last, by id.
	Newest map[string]Job `json:"newest"`
	// Jobs that run, by id.
	Running map[string]RunningJob `json:"running"`
	// More may run than are listed.
	RunningCut bool `json:"running_cut,omitempty"`
	// Attempts that failed, by run id: those of jobs that gave up, then the latest.
	Failures map[string]Failure `json:"failures"`
}

// Job is one row of the queue.
type Job struct {
	Order int64 `json:"order"`
	// Made by the job's engine.
	ID string `json:"id"`
	// The agent that runs it: the kind of the job.
	Agent string   `json:"agent"`
	Queue string   `json:"queue"`
	State JobState `json:"state"`
	// The engine's own word for the state, where it is another one.
	EngineState string `json:"engine_state,omitempty"`
	// Attempts begun; null: not recorded.
	Attempt     *int `json:"attempt"`
	MaxAttempts *int `json:"max_attempts"`
	// From 1, which comes first, to 4; null: not recorded.
	Priority    *int `json:"priority"`
	CreatedAt   Time `json:"created_at"`
	ScheduledAt Time `json:"scheduled_at"`
	// Null: never attempted.
	AttemptedAt Time `json:"attempted_at"`
	// Null: it has not ended.
	FinalizedAt Time `json:"finalized_at"`
	// A preview of the arguments, secrets redacted by key name.
	Args string `json:"args"`
	// The worker of the last attempt; null: there was none.
	Worker *string `json:"worker"`
	// The last attempt's error, shortened; null: there was none.
	Error *string `json:"error"`
}

// JobState is the state of a job, in River's words.
type JobState string

// The states of a job.
const (
	JobAvailable JobState = "available"
	JobRunning   JobState = "running"
	JobScheduled JobState = "scheduled"
	JobRetryable JobState = "retryable"
	JobCompleted JobState = "completed"
	JobCancelled JobState = "cancelled"
	JobDiscarded JobState = "discarded"
	JobPending   JobState = "pending"
)

// RunningJob is a job whose attempt is under way.
type RunningJob struct {
	Job
	// Null: not recorded.
	RunID *string `json:"run_id"`
	// Where it runs; empty when its worker is not AgentOS.
	Host      string `json:"host" schema:"optional"`
	StartedAt Time   `json:"started_at"`
	// From 0 to 1, as the agent reports it; null: it does not.
	Progress *float64 `json:"progress"`
	// The attempt's last log line, shortened; null: none.
	Message *string `json:"message"`
}

// Failure is one failed attempt.
type Failure struct {
	Order       int64   `json:"order"`
	RunID       string  `json:"run_id"`
	JobID       string  `json:"job_id"`
	Agent       string  `json:"agent"`
	At          Time    `json:"at"`
	Attempt     int     `json:"attempt"`
	MaxAttempts int     `json:"max_attempts"`
	Outcome     Outcome `json:"outcome"`
	// Null: no process ended by itself.
	ExitCode *int   `json:"exit_code"`
	Error    string `json:"error"`
	// Equal for an agent's failures of one cause, whatever numbers, ids and paths they mention.
	Fingerprint string `json:"fingerprint"`
	// Attempts that failed with this fingerprint in the last 24 h, this one included.
	Similar24h int `json:"similar_24h"`
	// There are at least so many similar ones.
	SimilarCapped bool `json:"similar_capped,omitempty"`
	// How long the attempt ran; null: not recorded.
	RunMS *int64 `json:"run_ms"`
	// Jobs that gave up with this fingerprint in the last 24 h and are still there.
	GaveUp int `json:"gave_up" schema:"optional"`
	// There are at least so many of those.
	GaveUpCapped bool `json:"gave_up_capped,omitempty"`
}

// Outcome is how a failed attempt ended.
type Outcome string

// The outcomes of failed attempts.
const (
	OutcomeFailed  Outcome = "failed"
	OutcomeTimeout Outcome = "timeout"
	OutcomeLost    Outcome = "lost" // its worker is gone
)
