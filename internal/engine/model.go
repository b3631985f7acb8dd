package engine

import (
	"encoding/json"
	"time"
)

// Job is one job as every list shows it. What its engine does not record is nil.
type Job struct {
	Order       int64   `json:"order" doc:"Sort ascending by this"`
	ID          ID      `json:"id" doc:"Made by the job's engine; in an address it is escaped as one segment"`
	Agent       string  `json:"agent" doc:"The agent that runs it: the kind of the job, or the type of the task"`
	Queue       string  `json:"queue"`
	State       State   `json:"state" enum:"available,scheduled,retryable,running,completed,cancelled,discarded,pending"`
	EngineState string  `json:"engine_state,omitempty" doc:"The engine's own word for the state, where it is another one"`
	Attempt     *int    `json:"attempt" doc:"Attempts begun; null: the engine does not record it"`
	MaxAttempts *int    `json:"max_attempts"`
	Priority    *int    `json:"priority" doc:"1 (first) to 4"`
	CreatedAt   *Time   `json:"created_at" format:"date-time"`
	ScheduledAt *Time   `json:"scheduled_at" format:"date-time" doc:"Since when it may start, or when it may. As all times of a job: RFC 3339, or the text of what the database keeps instead, such as infinity"`
	AttemptedAt *Time   `json:"attempted_at" format:"date-time"`
	FinalizedAt *Time   `json:"finalized_at" format:"date-time"`
	Args        string  `json:"args" doc:"A preview of the arguments, secrets redacted by key name"`
	Worker      *string `json:"worker" doc:"The worker process of the last attempt"`
	Error       *string `json:"error" doc:"The last attempt's error, shortened"`
}

// RunningJob is a job whose attempt is under way.
type RunningJob struct {
	Job
	RunID     *ID      `json:"run_id"`
	Host      string   `json:"host" doc:"Where its worker runs; empty for a worker that is not AgentOS"`
	StartedAt Time     `json:"started_at" format:"date-time"`
	Progress  *float64 `json:"progress" doc:"0 to 1, as the agent reports it"`
	Message   *string  `json:"message" doc:"The attempt's last log line, shortened"`
}

// Usage is what an agent reports to have consumed. Amounts add up over an attempt.
type Usage struct {
	InputTokens  int64   `json:"input_tokens"`
	OutputTokens int64   `json:"output_tokens"`
	CostUSD      float64 `json:"cost_usd"`
}

// Later is the outcome of an attempt that asked, by its exit status, to be made again later. It uses up none.
const Later = "later"

// Run is one attempt at a job.
type Run struct {
	ID              ID       `json:"id"`
	JobID           ID       `json:"job_id"`
	Attempt         int      `json:"attempt"`
	Agent           string   `json:"agent"`
	Queue           string   `json:"queue"`
	Worker          string   `json:"worker"`
	Outcome         string   `json:"outcome" enum:"running,ok,failed,timeout,cancelled,lost,later"`
	ScheduledAt     Time     `json:"scheduled_at" format:"date-time"`
	StartedAt       Time     `json:"started_at" format:"date-time"`
	EndedAt         *Time    `json:"ended_at" format:"date-time"`
	WaitMS          int64    `json:"wait_ms" doc:"From being due to being started"`
	RunMS           *int64   `json:"run_ms"`
	ExitCode        *int     `json:"exit_code"`
	Signal          *string  `json:"signal" doc:"The signal that ended the process, if one did"`
	Error           *string  `json:"error"`
	Progress        *float64 `json:"progress"`
	Result          *string  `json:"result" doc:"What the agent wrote to standard output, or its beginning"`
	ResultBytes     *int64   `json:"result_bytes" doc:"How much of it is kept: GET /api/runs/{id}/result has it"`
	ResultTruncated bool     `json:"result_truncated"`
	Usage           Usage    `json:"usage"`
}

// AttemptError is one entry of River's own error list of a job.
type AttemptError struct {
	At      Time   `json:"at" format:"date-time"`
	Attempt int    `json:"attempt"`
	Error   string `json:"error"`
}

// Text is a long text, without secrets.
type Text struct {
	Text  string `json:"text"`
	Bytes int64  `json:"bytes" doc:"The size of the whole"`
	Cut   bool   `json:"cut" doc:"This is the beginning: there is more than an answer may have"`
}

// RunPage is a part of a job's attempts.
type RunPage struct {
	Runs []Run   `json:"runs" doc:"Newest first"`
	Next *Cursor `json:"next" doc:"The cursor of the next page; null at the end"`
}

// ErrorPage is a part of a job's errors.
type ErrorPage struct {
	Errors []AttemptError `json:"errors" doc:"Newest first"`
	Next   *int64         `json:"next" doc:"Ask with before=next for older ones; null at the end"`
}

// Detail is everything known about one job.
type Detail struct {
	Job
	ArgsBytes   int64           `json:"args_bytes" doc:"The size of the arguments"`
	ArgsCut     bool            `json:"args_cut" doc:"args_json is a text, the beginning of the arguments: GET /api/jobs/{id}/args has more"`
	ArgsJSON    json.RawMessage `json:"args_json" doc:"The arguments, secrets redacted by key name"`
	Tags        []string        `json:"tags"`
	Errors      []AttemptError  `json:"errors" doc:"The newest of them, in order; of each the beginning"`
	ErrorsTotal int64           `json:"errors_total" doc:"GET /api/jobs/{id}/errors has the others"`
	Runs        []Run           `json:"runs" doc:"The newest, newest first; of each result the beginning"`
	RunsTotal   int64           `json:"runs_total"`
	RunsNext    *Cursor         `json:"runs_next" doc:"The cursor with which GET /api/jobs/{id}/runs goes on; null when all are here"`
	Result      *string         `json:"result" doc:"Standard output of the last successful attempt, or its beginning"`
	ResultBytes *int64          `json:"result_bytes" doc:"How much of it is kept"`
	ResultCut   bool            `json:"result_cut" doc:"GET /api/runs/{id}/result of result_run_id has more"`
	ResultRunID *ID             `json:"result_run_id"`
	Losses      int             `json:"losses" doc:"Workers that died while they ran this job, since it was last retried by hand; at its agent's max_losses it is discarded"`
	LogRunID    *ID             `json:"log_run_id" doc:"The run whose log is the one to show"`
	Notes       []Note          `json:"notes" doc:"What else the engine keeps of the job, such as a time limit, in the order to show it"`
}

// Note is a named fact.
type Note struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Failure is one failed attempt.
type Failure struct {
	Order       int64  `json:"order"`
	RunID       ID     `json:"run_id"`
	JobID       ID     `json:"job_id"`
	Agent       string `json:"agent"`
	At          Time   `json:"at" format:"date-time"`
	Attempt     int    `json:"attempt"`
	MaxAttempts int    `json:"max_attempts"`
	Outcome     string `json:"outcome" enum:"failed,timeout,lost"`
	ExitCode    *int   `json:"exit_code"`
	Error       string `json:"error"`
	Fingerprint string `json:"fingerprint" doc:"Equal for an agent's failures of one cause, whatever numbers, ids and paths they mention"`
	Similar24h  int    `json:"similar_24h" doc:"Attempts that failed with this fingerprint in the last 24 h, this one included"`
	Capped      bool   `json:"similar_capped,omitempty" doc:"The number of similar ones is a lower bound: they are not counted to the end"`
	RunMS       *int64 `json:"run_ms" doc:"How long the attempt ran; null: not recorded"`
	GaveUp      int    `json:"gave_up" doc:"Jobs that gave up with this fingerprint in the last 24 h and are still there: they are listed first"`
	MoreGaveUp  bool   `json:"gave_up_capped,omitempty" doc:"That number is a lower bound"`
}

// LogLine is one line an agent wrote to standard error.
type LogLine struct {
	Order int64     `json:"order"`
	ID    int64     `json:"id" doc:"The number of the line"`
	At    time.Time `json:"at"`
	Level string    `json:"level" enum:"debug,info,warn,error"`
	Agent string    `json:"agent"`
	JobID ID        `json:"job_id"`
	RunID ID        `json:"run_id"`
	Msg   string    `json:"msg"`
	Gap   *LogGap   `json:"gap,omitempty" doc:"The line stands for others that are not kept"`
}

// LogGap is what is missing at a place of a log.
type LogGap struct {
	Lines *int64 `json:"lines" doc:"How many; null when that is not known"`
	Bytes *int64 `json:"bytes"`
}

// Queue is one queue with what waits and runs in it.
type Queue struct {
	Order      int64      `json:"order"`
	Name       string     `json:"name"`
	Pending    *int64     `json:"pending" doc:"Waiting now; null, as all figures: the engine cannot give it"`
	Processing *int64     `json:"processing" doc:"Running now"`
	Scheduled  *int64     `json:"scheduled" doc:"Due later"`
	Retryable  *int64     `json:"retryable" doc:"Failed, to be tried again later"`
	Parked     *int64     `json:"parked" doc:"In River's state pending: they wait until a program releases them"`
	PausedAt   *Time      `json:"paused_at" format:"date-time"`
	OldestAt   *Time      `json:"oldest_at" format:"date-time" doc:"Since when the oldest waiting job is due"`
	Slots      *int       `json:"slots" doc:"Attempts that all live workers together may run at once"`
	Agents     []string   `json:"agents" nullable:"true" doc:"The agents whose jobs come there, at most 20"`
	AgentCount *int       `json:"agent_count" doc:"How many these are"`
	Ended24h   *int64     `json:"ended_24h" doc:"Attempts that ended in the last 24 h; null: they are not counted by queue"`
	Failed24h  *int64     `json:"failed_24h" doc:"Those of them that failed"`
	CountedAt  *time.Time `json:"counted_at" doc:"When waiting jobs were counted, if that is done less often than the rest; null: with the rest"`
	Inexact    *Inexact   `json:"inexact,omitempty" doc:"Why a figure is null, or at least so large"`
}

// Inexact says why figures are null, or at least so large.
type Inexact struct {
	Known Known  `json:"known" enum:"not_recorded,not_allowed,not_yet_read,at_least" doc:"Unless it is at_least, a figure is null"`
	Why   string `json:"why" doc:"One sentence to act on"`
}

// Worker is one process that runs attempts. What its engine does not record is nil.
type Worker struct {
	Order       int64      `json:"order"`
	ID          string     `json:"id"`
	Host        string     `json:"host"`
	PID         *int       `json:"pid"`
	State       string     `json:"state" enum:"active,draining,lost,quiet"`
	EngineState string     `json:"engine_state,omitempty" doc:"The engine's own word for the state, where it is another one"`
	Version     string     `json:"version"`
	StartedAt   *time.Time `json:"started_at"`
	BeatAt      *time.Time `json:"beat_at" doc:"Its last sign of life, by the database's clock"`
	BeatAgeMS   *int64     `json:"beat_age_ms" doc:"How old that was when this was read"`
	SkewS       *float64   `json:"skew_s" doc:"How far its clock is ahead of the database's, in seconds, less than zero behind; null when it is right or not known"`
	Slots       *int       `json:"slots" doc:"Attempts that it may run at once"`
	Running     *int       `json:"running"`
	Done        *int64     `json:"done" doc:"Attempts ended since it started"`
	Agents      *int       `json:"agents"`
	AgentNames  []string   `json:"agent_names" doc:"The agents it runs, at most 20; null for all of the fleet"`
	Queues      []string   `json:"queues" doc:"The queues it serves, at most 20; null for all of the fleet"`
	MoreQueues  int        `json:"more_queues,omitempty" doc:"Queues that it serves and that are not listed"`
}

// Percentiles are in milliseconds; nil when nothing was measured. Relative error at most 1 %.
type Percentiles struct {
	P50MS, P95MS, P99MS, MaxMS *float64
}

// Window sums up all attempts that ended in a span of time.
type Window struct {
	Runs, OK    int64
	Failed      int64    // timeouts and lost attempts included
	Cancelled   *int64   // nil: not recorded
	SuccessRate *float64 // percent: ok of ok and failed; nil when none ended
	PerMinute   float64
	RecordedS   int64 // how many seconds of the span are recorded; those before the first start are not
	Run, Wait   Percentiles
	Usage       *Usage // nil: not recorded
	Why         string // why the figures are at least so large; empty when they are exact
}

// Series counts ended attempts in consecutive buckets of StepS seconds from Start on.
type Series struct {
	Start                 time.Time
	StepS                 int
	OK, Failed, Cancelled Counts
	P95MS                 []*float64 // run time
}

// AgentStats is what the queue and the rollups know of one agent. What follows LastOutcome is there once it was described.
type AgentStats struct {
	Running, Waiting, Scheduled, Retryable int64
	Parked                                 int64      // in River's state pending
	Capped                                 bool       // these five are lower bounds
	Slots                                  int        // attempts that all live workers together may run at once; 0 when none runs it, -1 when that is not known
	Problem                                string     // why a worker cannot run it; empty when none says so
	CountedAt                              *time.Time // when waiting jobs were counted, if that is done less often than the rest
	LastRunAt                              *time.Time
	LastOutcome                            string // of the run that ended last; empty when none did

	LastHour, LastDay    Window
	LastError            *Failure
	LastSuccessAt        *time.Time // to the minute, or the hour, if that was long ago; nil: not as far as is known
	SparkStart           time.Time  // of 30 buckets of 120 s
	SparkOK, SparkFailed Counts
}

// Today counts since the local midnight.
type Today struct {
	DayStart  time.Time
	Zone      string // in which the day began, such as Europe/Berlin: that of the process that counts
	Total     *int64 // created; nil, as all of these: not recorded
	Completed *int64 // jobs
	Failed    *int64 // attempts that failed, timed out or were lost
	GaveUp    *int64 // jobs that were discarded and are still there; nil: not known
	// Recently counts those of the last GaveUpRecently.
	Recently  *int64
	Cancelled *int64
	Capped    bool // the number of cancelled ones is a lower bound
	Partial   bool // some are still to be counted
}
