// Package runner runs attempts at jobs.
//
// An attempt is one child process ([Runner.Run]) of an agent's program: the job's arguments arrive as JSON on its standard input, its standard
// output is the result, each line on standard error is a log line ([Line]). A small process of our own, the supervisor
// ([SupervisorMain]), stands between the host and the child, so that an attempt leaves no process behind however it or its host ends.
package runner
