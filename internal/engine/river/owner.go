package river

import (
	"fmt"
	"strings"
)

// WorkerPrefix begins the ids of our workers.
const WorkerPrefix = "worker-"

// ClientID names a generation of a worker where River writes who attempted a job.
func ClientID(worker string, generation int) string { return fmt.Sprintf("%s@%d", worker, generation) }

// WorkerOf returns the worker of a River client's id; false when the client is not one of ours.
func WorkerOf(client string) (string, bool) {
	worker, _, ours := strings.Cut(client, "@")
	if !ours || !strings.HasPrefix(worker, WorkerPrefix) {
		return "", false
	}
	return worker, true
}

// HostOf returns the host of a worker's id, or "" when it is none of ours.
func HostOf(worker string) string {
	rest, ours := strings.CutPrefix(worker, WorkerPrefix)
	for range 2 { // the random part, the pid
		rest = rest[:max(strings.LastIndexByte(rest, '-'), 0)]
	}
	if !ours {
		return ""
	}
	return rest
}
