package engine

import (
	"encoding/json"
	"time"
)

// EnqueueParams describe a job. Zero values mean what the agent's entry in agentos.yaml says.
type EnqueueParams struct {
	Agent       string
	Args        json.RawMessage // a JSON object; none means {}
	Queue       string
	Priority    int // 1 (first) to 4
	ScheduledAt *time.Time
	MaxAttempts int
	Tags        []string
}
