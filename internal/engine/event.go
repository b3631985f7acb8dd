package engine

// Event is what happened to a fleet. Whoever shows the fleet knows by it what to read again: internal/source has the table.
type Event uint8

// What happens.
const (
	JobEnqueued       Event = iota // by this process, or announced by another one
	JobStarted                     // an attempt began
	JobEnded                       // an attempt ended, well or not
	JobChanged                     // a job was retried, cancelled or deleted by hand
	JobRequeued                    // an orphaned job was requeued
	RunProgressed                  // an attempt reported how far it is
	RunLogged                      // an attempt wrote to its log
	SumsAdded                      // ended attempts are in the sums
	EndsRead                       // jobs that ended in an attached database are in the sums
	QueueChanged                   // a queue was paused or resumed
	AgentsChanged                  // other agents are in force, or other ones can run
	AgentsFileRead                 // the agents' file was read again, well or not
	WorkerChanged                  // a worker begins to drain
	WorkerLost                     // a worker died; its jobs were requeued
	EverythingChanged              // a process began, stopped, or can use its database again
	events
)

// Events are all that there are.
func Events() []Event {
	all := make([]Event, events)
	for i := range all {
		all[i] = Event(i)
	}
	return all
}
