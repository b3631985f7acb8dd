package engine

// SparkStep is how many seconds a bucket of an agent's spark line has.
const SparkStep = 120

// SparkBuckets is how many of these it has.
const SparkBuckets = 30

// State names what an operator should know first of an agent: that nobody runs it, that it is paused, that it fails.
func (a *AgentStats) State(paused bool) string {
	switch {
	case a.Slots == 0:
		return "offline"
	case paused:
		return "paused"
	case a.Running > 0:
		return "running"
	case a.Failing():
		return "failing"
	case a.Waiting > 0:
		return "waiting"
	default:
		return "idle"
	}
}

// Failing reports whether the attempt that ended last failed.
func (a *AgentStats) Failing() bool {
	return a.LastOutcome == "failed" || a.LastOutcome == "timeout" || a.LastOutcome == "lost"
}

// Count adds jobs of a state.
func (a *AgentStats) Count(state State, n int64) {
	switch state {
	case Running:
		a.Running += n
	case Waiting:
		a.Waiting += n
	case Scheduled:
		a.Scheduled += n
	case Retryable:
		a.Retryable += n
	case Parked:
		a.Parked += n
	}
}
