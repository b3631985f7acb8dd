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

// FillQueue puts into a queue's row what is in it.
func FillQueue(q *Queue, counts map[StateQueue]Active) {
	in := func(state State) Active { return counts[StateQueue{State: state, Queue: q.Name}] }
	q.Pending, q.Processing, q.Scheduled = new(in(Waiting).N), new(in(Running).N), new(in(Scheduled).N)
	q.Retryable, q.Parked, q.OldestAt = new(in(Retryable).N), new(in(Parked).N), in(Waiting).OldestAt
}
