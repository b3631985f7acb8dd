package document

import "time"

// Queue is the section `queue`: the sums of all queues, and each of them. A figure that the engine cannot give is null.
type Queue struct {
	// Jobs that are due and wait.
	Pending *int64 `json:"pending"`
	// Jobs that run.
	Processing *int64 `json:"processing"`
	// Jobs that are due later.
	Scheduled *int64 `json:"scheduled"`
	// Jobs that failed and are tried again later.
	Retryable *int64 `json:"retryable"`
	// In River's state pending: they wait until a program releases them.
	Parked *int64 `json:"parked" schema:"optional"`
	// How many queues are paused.
	Paused int `json:"paused"`
	// Since when the oldest waiting job is due; null: none waits.
	OldestAt Time `json:"oldest_at"`
	// How many queues there are.
	Total int `json:"total" schema:"optional"`
	// How many of them are listed: the most important.
	Listed int `json:"listed" schema:"optional"`
	// Which of the sums are not exact, by field.
	Inexact map[string]Inexact `json:"inexact,omitempty"`
	// By name.
	Items map[string]QueueItem `json:"items"`
}

// QueueItem is one queue with what waits and runs in it. A figure that the engine cannot give is null.
type QueueItem struct {
	Order int64  `json:"order"`
	Name  string `json:"name"`
	// Jobs that are due and wait.
	Pending *int64 `json:"pending"`
	// Jobs that run.
	Processing *int64 `json:"processing"`
	// Jobs that are due later.
	Scheduled *int64 `json:"scheduled"`
	// Jobs that failed and are tried again later.
	Retryable *int64 `json:"retryable"`
	// In River's state pending: they wait until a program releases them.
	Parked *int64 `json:"parked" schema:"optional"`
	// Since when it is paused; null: it is not.
	PausedAt Time `json:"paused_at"`
	// Since when the oldest waiting job is due; null: none waits.
	OldestAt Time `json:"oldest_at"`
	// Attempts that all live workers together may run at once; 0: none; null: unknown.
	Slots *int `json:"slots"`
	// The agents whose jobs come there: some of them, if they are many; null: unknown.
	Agents []string `json:"agents" schema:"nullable"`
	// How many these are.
	AgentCount *int `json:"agent_count" schema:"optional"`
	// Attempts that ended in the last 24 h, and those of them that failed; null: not counted by queue.
	Ended24h  *int64 `json:"ended_24h" schema:"optional"`
	Failed24h *int64 `json:"failed_24h" schema:"optional"`
	// When waiting jobs were counted, if less often than the rest; null: with the rest.
	CountedAt *time.Time `json:"counted_at" schema:"optional"`
	// Why a figure is null, or at least so large.
	Inexact *Inexact `json:"inexact,omitempty"`
}
