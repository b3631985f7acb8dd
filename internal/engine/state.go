package engine

// State is where a job stands, in our words. Every engine's states map to these.
type State string

// The states. Each engine has some of them: those for which it lists a count in [QueueCounts.Jobs]. As text they are River's words.
const (
	Waiting   State = "available" // may start now
	Running   State = "running"   // an attempt is under way
	Scheduled State = "scheduled" // may start later
	Retryable State = "retryable" // failed, and is tried again later
	Parked    State = "pending"   // waits for something that a program does, not for a time or a worker
	Completed State = "completed"
	Cancelled State = "cancelled"
	Discarded State = "discarded" // failed for good, and is kept to be looked at
)

// States are all states, in the order in which a job passes them.
func States() []State {
	return []State{Waiting, Scheduled, Retryable, Parked, Running, Completed, Cancelled, Discarded}
}

// Ended reports whether a job in the state has ended.
func (s State) Ended() bool { return s == Completed || s == Cancelled || s == Discarded }
