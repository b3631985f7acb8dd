package engine

// StateQueue is a state of jobs in a queue.
type StateQueue struct {
	State State
	Queue string
}

// Active is how many jobs of a state a queue holds, and since when the oldest of those that wait is due.
type Active struct {
	N        int64
	OldestAt *Time // of available ones only; nil: none is due
}
