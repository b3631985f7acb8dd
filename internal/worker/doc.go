// Package worker runs a fleet of agents on River. A job's kind is its agent's name.
//
// A Service inserts, acts and reads; after Start it also runs attempts. Who does what:
//
//	service.go     what it is made of; start.go, stop.go and reload.go: how it begins, ends and changes its agents
//	generation.go  River clients, one a version of the fleet; look.go: where they look for jobs
//	worker.go      one attempt: from River through the agent's process to its end, see finish.go
//	beat.go        the heartbeat; cutoff.go: what a worker does that cannot write it
//	reap.go        what happens on kill -9: jobs of dead workers, as watch.go sees them; losses.go: of jobs that kill their workers
//	upkeep.go      attempts whose jobs were cancelled or given away elsewhere
//
// Where a job changes its state is said in internal/engine/river/state.go; the service embeds what reads there. Which jobs are fetched is internal/fetch, schedules are internal/schedule, logs
// and their retention internal/runlog, sums internal/rollup.
package worker
