// Package db opens AgentOS's database: the job queue's tables (River's) and our own, on SQLite or Postgres.
//
// SQLite allows one writer, so DB has two pools: Write with a single connection, and Read, whose connections refuse to
// write. On Postgres they have several connections each. Statements use $1 parameters, bigint milliseconds and JSON as text,
// so that the same text serves both.
//
// A Postgres that hangs holds nobody up for long: statements without a deadline get one, and so does the end of a connection.
package db
