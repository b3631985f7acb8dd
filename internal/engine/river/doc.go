// Package river reads and changes jobs in River's own tables, whoever runs them, and reads what our fleet keeps beside them.
//
// Table asks any River database: lists, details, queues, counts, each with a bound that does not grow with the history of jobs
// (docs/decisions/0091-attach.md). Reader is a Table of a fleet of ours, with its workers, attempts and log lines. Actor changes jobs: by hand (actor.go), and
// what becomes of those that run (state.go, which says how a job changes its state). Client is River's own, on both databases.
//
// What other programs wrote may be malformed and fails no list: see Name, Number and engine.Time.
package river
