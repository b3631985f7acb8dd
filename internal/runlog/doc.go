// Package runlog keeps what attempts say: it writes their log lines and progress as they come (Book), reads them (Reader), and deletes what is old or
// too much of logs, runs and sums (Sweeper).
package runlog
