// Package cluster starts a whole cluster of AgentOS on this machine from nothing: Postgres, Redis, servers, workers and
// the demo fleet with its steady flow of work. Every process has a data folder of its own and ways of its own to Postgres
// and to Redis, so that one of them can be cut off while the others are well.
//
// `make cluster` runs it to be looked at. Tests run it to break it; for them there are viewers, which judge each answer
// they get, a flow of jobs that is put into the database past the product, which shows what is lost and how old the
// data on the screen really is, and counts of what a process holds.
//
// It knows the product from outside only: its command line, its HTTP interface, its metrics, its tables.
package cluster
