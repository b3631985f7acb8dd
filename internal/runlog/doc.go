// Package runlog keeps what attempts say: the log lines of runs.
package runlog
