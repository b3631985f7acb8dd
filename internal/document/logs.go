package document

import "time"

// Logs is the section `logs`: the newest lines of all agents.
type Logs struct {
	// By id.
	Items map[string]LogLine `json:"items"`
}

// LogLine is one line that an agent wrote to standard error.
type LogLine struct {
	Order int64     `json:"order"`
	ID    int64     `json:"id"`
	At    time.Time `json:"at"`
	Level LogLevel  `json:"level"`
	Agent string    `json:"agent"`
	JobID string    `json:"job_id"`
	RunID string    `json:"run_id"`
	Msg   string    `json:"msg"`
	// The line stands for others that are not kept.
	Gap *LogGap `json:"gap,omitempty"`
}

// LogGap is what is missing at a place of a log.
type LogGap struct {
	// How many lines; null: unknown.
	Lines *int64 `json:"lines"`
	// Null: unknown.
	Bytes *int64 `json:"bytes"`
}

// LogLevel is the level of a line.
type LogLevel string

// The levels.
const (
	LogDebug LogLevel = "debug"
	LogInfo  LogLevel = "info"
	LogWarn  LogLevel = "warn"
	LogError LogLevel = "error"
)
