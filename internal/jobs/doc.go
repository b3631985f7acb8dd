// Package jobs runs a fleet of agents on a durable queue and answers every question about it.
//
// The queue is River's: a job's kind is its agent's name. What River does not record is kept beside it: a row per worker
// process with its heartbeat, a row per attempt (a run), the log lines of each run, and sums by minute and hour.
//
// A Service inserts, acts and reads; after Start it also runs attempts. Who writes what:
//
//	client.go    River clients, one a generation of the fleet; reload.go replaces them without losing an attempt
//	worker.go    one attempt: from River's hands through the agent's process to its end, see finish.go
//	logs.go      gathers log lines and progress of all attempts and writes them ten times a second
//	upkeep.go    heartbeat, cancellations asked for elsewhere, jobs of dead workers (reap.go)
//	schedule.go  inserts the jobs of scheduled agents
//	rollup.go    sums up ended attempts; retain.go deletes what is old
//	list.go, search.go, detail.go, queues.go, stats.go, ...  reads, all of them bounded
package jobs
