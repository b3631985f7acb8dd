package app

import (
	"log/slog"

	"golang.org/x/sys/unix"
)

const (
	// filesOfServer are the open files that a server needs beside its viewers and its attempts: databases, links, files, and some to spare.
	filesOfServer = 64
	// filesOfAttempt are those of one attempt: its pipes, and their other ends while it starts.
	filesOfAttempt = 6
	// leastConnections are held whatever the limit.
	leastConnections = 16
)

// mostConnections is how many connections a server may hold: what the limit of open files leaves beside a reserve for itself and for
// the attempts that it may run at once. Go has raised the limit as far as it goes; the agents' programs get it as it was.
func mostConnections(attempts int, log *slog.Logger) int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		log.Warn("the limit of open files is not known", "error", err)
		return 1 << 20
	}
	files := int(min(limit.Cur, 1<<20))
	most := files - filesOfServer - filesOfAttempt*attempts
	if most < 2*leastConnections {
		log.Warn("the limit of open files is low: raise it (LimitNOFILE, ulimit -n), or bound the attempts by max_processes",
			"limit", files, "attempts", attempts, "connections", max(most, leastConnections))
	}
	return max(most, leastConnections)
}
